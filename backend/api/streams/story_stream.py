"""Long lists of clips as JSON, written piece by piece: no answer is ever whole in memory.

An error in between rises, and the server cuts the connection: what a client has then is no JSON,
where an array that just ended would look like a whole film.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing

from fastapi.responses import StreamingResponse
from pydantic import TypeAdapter

from backend.dtos.clip_dto import ClipResponseDTO
from backend.dtos.project_dto import ProjectResponseDTO
from backend.dtos.scene_dto import SceneResponseDTO
from backend.models.clip import Clip
from backend.models.project import Project
from backend.models.scene import Scene
from backend.services.film.story_reader import Parts

JSON = "application/json"
Chunks = AsyncGenerator[bytes, None]

_CLIPS = TypeAdapter(list[ClipResponseDTO])


def project_json(project: Project) -> bytes:
    return ProjectResponseDTO.model_validate(project).model_dump_json().encode()


async def clip_array(parts: Parts) -> bytes:
    """Write the clips of a page as one array."""
    async with aclosing(parts):
        written = [_clips_json(part.clips) async for part in parts if part.clips]
    return b"[" + b",".join(written) + b"]"


async def film_chunks(head: bytes, scenes: Sequence[Scene], parts: Parts) -> Chunks:
    """Write `head`, then every scene with its clips, then `]}`."""
    scene_by_id = {scene.id: scene for scene in scenes}
    current = ""
    chunk = [head]
    async with aclosing(parts):
        async for part in parts:
            clips = _clips_json(part.clips)
            if part.scene_id == current:
                chunk += [b"," if clips else b"", clips]
            else:
                chunk += [b"]}," if current else b"", _opening(scene_by_id[part.scene_id]), clips]
                current = part.scene_id
            yield b"".join(chunk)
            chunk = []
    yield b"".join((*chunk, b"]}]}" if current else b"]}"))


async def streamed(chunks: Chunks) -> StreamingResponse:
    """Begin an answer once its first chunk is there: what fails before that is a plain error."""
    first = await anext(chunks)

    async def body() -> AsyncIterator[bytes]:
        async with aclosing(chunks):
            yield first
            async for chunk in chunks:
                yield chunk

    return StreamingResponse(body(), media_type=JSON)


def _opening(scene: Scene) -> bytes:
    written = SceneResponseDTO.model_validate(scene).model_dump_json().encode()
    return written[:-1] + b',"clips":['


def _clips_json(clips: Sequence[Clip]) -> bytes:
    return _CLIPS.dump_json(_CLIPS.validate_python(clips, from_attributes=True))[1:-1]
