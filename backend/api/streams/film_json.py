"""Clips of a film as JSON, read and written piece by piece: a film is never whole in memory."""

from collections.abc import Iterator, Sequence
from contextlib import aclosing

from pydantic import TypeAdapter

from backend.api.streams.long_json import Chunks, Portion, Portions, long_json, portions_of
from backend.dtos.clip_dto import ClipResponseDTO
from backend.dtos.project_dto import ProjectResponseDTO
from backend.dtos.scene_dto import SceneResponseDTO
from backend.models.clip import Clip
from backend.models.project import Project
from backend.models.scene import Scene
from backend.services.film.story_reader import Parts

#: Clips written without letting others have a turn: each has its takes with it.
_CLIPS_AT_ONCE = 50

_CLIPS = TypeAdapter(list[ClipResponseDTO])


def clips_json(parts: Parts) -> Chunks:
    """Write the clips of a page as one array."""
    return long_json(_page(parts))


def project_json(project: Project, scenes: Sequence[Scene], parts: Parts) -> Chunks:
    """Write a project, and in it its scenes with their clips."""
    return _film(_project(project)[:-1] + b",", scenes, parts)


def timeline_json(project: Project, scenes: Sequence[Scene], parts: Parts) -> Chunks:
    """Write a project, and beside it its scenes with their clips."""
    return _film(b'{"project":' + _project(project) + b",", scenes, parts)


def _film(head: bytes, scenes: Sequence[Scene], parts: Parts) -> Chunks:
    by_scene = _by_scene(scenes, parts)
    return long_json(by_scene, head=head + b'"scenes":[', closing=b"]}", tail=b"]}")


async def _page(parts: Parts) -> Portions:
    yield Portion(opening=b"[")
    async with aclosing(parts):
        async for part in parts:
            for portion in _portions(part.clips):
                yield portion


async def _by_scene(scenes: Sequence[Scene], parts: Parts) -> Portions:
    scene_by_id = {scene.id: scene for scene in scenes}
    current = ""
    async with aclosing(parts):
        async for scene_id, clips in parts:
            opening = b"" if scene_id == current else _opening(scene_by_id[scene_id])
            for portion in _portions(clips, opening):
                yield portion
            current = scene_id


def _portions(clips: Sequence[Clip], opening: bytes = b"") -> Iterator[Portion]:
    return portions_of(clips, _written, size=_CLIPS_AT_ONCE, opening=opening)


def _project(project: Project) -> bytes:
    return ProjectResponseDTO.model_validate(project).model_dump_json().encode()


def _opening(scene: Scene) -> bytes:
    written = SceneResponseDTO.model_validate(scene).model_dump_json().encode()
    return written[:-1] + b',"clips":['


def _written(clips: Sequence[Clip]) -> bytes:
    return _CLIPS.dump_json(_CLIPS.validate_python(clips, from_attributes=True))[1:-1]
