"""A project as the JSON export writes it, held to the limits of the routes that made it."""

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, AwareDatetime, BeforeValidator, Field, StringConstraints
from pydantic_core import PydanticCustomError

from backend.dtos.character_dto import CharacterCreateDTO
from backend.dtos.clip_dto import ClipCreateDTO, Version
from backend.dtos.project_dto import ProjectCreateDTO, ProjectResponseDTO
from backend.dtos.scene_dto import SceneCreateDTO
from backend.dtos.shared import example_ids
from backend.dtos.shared.common_dto import RequestDTO, ResourceId, ResponseDTO
from backend.models.content import ContentType

_DEEPEST = 64
_SERVED = re.compile(r"(?:https?://[^/?#]+[^?#]*?)?/uploads/([^?#]+)(?:\?.*)?")
_INT64 = 2**63


def _storable(value: dict[str, Any]) -> dict[str, Any]:
    """What a document can hold: no deep nesting, no number beyond 64 bits."""
    level: list[Any] = [value]
    for _ in range(_DEEPEST):
        level = [child for parent in level for child in _children(parent)]
        if any(isinstance(each, int) and not -_INT64 <= each < _INT64 for each in level):
            raise PydanticCustomError("too_large", "a number in it has more than 64 bits")
        if not level:
            return value
    raise PydanticCustomError("too_deep", f"may be nested {_DEEPEST} levels deep at most")


def _children(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []


def _below_uploads(given: Any) -> Any:
    """Take an address under any server's /uploads/: the file may come from another one."""
    found = _SERVED.fullmatch(given) if isinstance(given, str) else None
    return found[1] if found else given


Kept = Annotated[dict[str, Any], AfterValidator(_storable)]
#: Relative to UPLOAD_DIR, or an address under /uploads/; no part is hidden or leads upwards.
MediaPath = Annotated[
    str,
    BeforeValidator(_below_uploads),
    StringConstraints(
        max_length=1000,
        pattern=r"^[A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*$",
    ),
]
_Text = Annotated[str, Field(max_length=100_000)]
_Label = Annotated[str, Field(max_length=1000)]
_Count = Annotated[int, Field(ge=0, le=1_000_000)]
_Pixels = Annotated[int, Field(ge=1, le=100_000)]
_Positive = Annotated[float, Field(ge=0, le=1_000_000)]
_ID = Field(description="Its id in the file; it gets a new one.", examples=[example_ids.CLIP])
_MOMENT = Field(description="RFC 3339.", examples=[example_ids.MOMENT])


class TakeFileDTO(RequestDTO):
    id: ResourceId = _ID
    content_type: ContentType = Field(description="image or video.", examples=["image"])
    path: MediaPath = Field(description="Relative to UPLOAD_DIR.", examples=["projects/a/b/c.png"])
    thumbnail_path: MediaPath | None = Field(
        default=None, description="Relative to UPLOAD_DIR.", examples=["projects/a/b/c_thumb.webp"]
    )
    prompt: _Text = Field(default="", description="What it was made from.", examples=["a roof"])
    negative_prompt: _Text = Field(default="", description="What not to show.", examples=["text"])
    server_id: _Label | None = Field(default=None, description="Who made it.", examples=[None])
    server_name: _Label | None = Field(default=None, description="Its name.", examples=[None])
    model_name: _Label | None = Field(default=None, description="The model.", examples=[None])
    model_type: _Label | None = Field(default=None, description="Its family.", examples=["sdxl"])
    generation_params: Kept = Field(
        default_factory=dict, description="How it was made.", examples=[{"steps": 20}]
    )
    seed: Annotated[int, Field(ge=-_INT64, lt=_INT64)] | None = Field(
        default=None, description="The seed.", examples=[42]
    )
    width: _Pixels | None = Field(default=None, description="Pixels.", examples=[1024])
    height: _Pixels | None = Field(default=None, description="Pixels.", examples=[576])
    duration: _Positive | None = Field(default=None, description="Seconds.", examples=[None])
    fps: _Positive | None = Field(default=None, description="Frames a second.", examples=[None])
    size_bytes: Annotated[int, Field(ge=0, lt=_INT64)] | None = Field(
        default=None, description="Of its file.", examples=[91_022]
    )
    job_id: _Label | None = Field(default=None, description="Its job.", examples=[None])
    created_at: AwareDatetime = _MOMENT


_Takes = Annotated[list[TakeFileDTO], Field(max_length=10_000)]


class _AlternateDTO(RequestDTO):
    id: ResourceId = _ID
    alternate_number: _Count = Field(default=0, description="0: it is none.", examples=[0])
    is_alternate: bool = Field(default=False, description="Beside the timeline.", examples=[False])
    created_at: AwareDatetime = _MOMENT


class SceneFileDTO(SceneCreateDTO, _AlternateDTO):
    """A scene in the file."""


class ClipFileDTO(ClipCreateDTO, _AlternateDTO):
    generated_images: _Takes = Field(default_factory=list, description="Oldest first.")
    generated_videos: _Takes = Field(default_factory=list, description="Oldest first.")
    selected_image_id: ResourceId | None = Field(
        default=None, description="The image it shows.", examples=[example_ids.TAKE]
    )
    selected_video_id: ResourceId | None = Field(
        default=None, description="The video it shows.", examples=[None]
    )
    character_words: Kept | None = Field(
        default=None, description="What a character added to the prompts.", examples=[None]
    )
    versions: Annotated[list[Kept], Field(max_length=1000)] = Field(
        default_factory=list, description="For clients to act on.", examples=[[]]
    )
    active_version: Version = Field(default=1, description="For clients to act on.", examples=[1])
    parent_clip_id: ResourceId | None = Field(
        default=None, description="The clip it is an alternate of.", examples=[None]
    )


class CharacterFileDTO(CharacterCreateDTO):
    id: ResourceId = _ID
    created_at: AwareDatetime = _MOMENT


class ProjectInFileDTO(ProjectCreateDTO):
    id: ResourceId = _ID
    music_file_path: MediaPath | None = Field(
        default=None, description="Relative to UPLOAD_DIR.", examples=["projects/a/music/b.mp3"]
    )
    music_duration: _Positive | None = Field(default=None, description="Seconds.", examples=[None])
    created_at: AwareDatetime = _MOMENT


class ProjectFileDTO(RequestDTO):
    """`timeline` is not read: it is worked out from the rest."""

    format: Literal["storycanvas"] = Field(description="What it is.", examples=["storycanvas"])
    version: Annotated[int, Field(ge=1, le=1)] = Field(description="Of the format.", examples=[1])
    project: ProjectInFileDTO = Field(description="The project.")
    characters: Annotated[list[CharacterFileDTO], Field(max_length=10_000)] = Field(
        default_factory=list, description="Its characters, and shared ones that it uses."
    )
    scenes: Annotated[list[SceneFileDTO], Field(max_length=10_000)] = Field(
        description="Its scenes, alternates among them."
    )
    clips: Annotated[list[ClipFileDTO], Field(max_length=100_000)] = Field(
        description="Their clips, alternates among them."
    )


class ProjectImportedDTO(ResponseDTO):
    project: ProjectResponseDTO = Field(description="The new project.")
    scenes: int = Field(description="Scenes that came with it, alternates too.", examples=[3])
    clips: int = Field(description="Clips that came with it, alternates too.", examples=[12])
    characters: int = Field(description="Characters that came with it.", examples=[1])
    takes: int = Field(description="Takes that came with it.", examples=[24])
    missing_files: int = Field(
        description="Files that are not on this server; what is known of their takes is kept.",
        examples=[0],
    )
