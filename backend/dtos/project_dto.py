"""Projects."""

from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from backend.dtos.clip_dto import ClipResponseDTO
from backend.dtos.common_dto import OMITTED, Name, RequestDTO, ResponseDTO, Seconds, Timestamp
from backend.dtos.scene_dto import SceneResponseDTO
from backend.models.frame_rate import DROP_FRAME_FPS, SUPPORTED_FPS


def _known_rate(fps: float) -> float:
    if fps not in SUPPORTED_FPS:
        choices = ", ".join(f"{rate:g}" for rate in SUPPORTED_FPS)
        raise PydanticCustomError("frame_rate", f"fps must be one of {choices}")
    return fps


Fps = Annotated[
    float, AfterValidator(_known_rate), Field(json_schema_extra={"enum": list(SUPPORTED_FPS)})
]
Description = Annotated[str, Field(max_length=2000)]
Pixels = Annotated[int, Field(ge=16, le=16_384)]


class ProjectCreateDTO(RequestDTO):
    name: Name = Field(description="1 to 200 characters.", examples=["Night Drive"])
    description: Description = Field(default="", examples=["Three minutes, one car, no dialogue."])
    fps: Fps = Field(default=24, description="Frames a second of the timeline.", examples=[24])
    drop_frame: bool = Field(
        default=False, description="Drop-frame timecode; only at 29.97 and 59.94."
    )
    width: Pixels = Field(default=1920, description="Width of the timeline in pixels.")
    height: Pixels = Field(default=1080, description="Height of the timeline in pixels.")

    @model_validator(mode="after")
    def _drop_frame_fits(self) -> Self:
        if self.drop_frame and self.fps not in DROP_FRAME_FPS:
            raise PydanticCustomError("drop_frame", "drop_frame needs fps 29.97 or 59.94")
        return self


class ProjectUpdateDTO(RequestDTO):
    """Fields left out stay as they are; null removes the music."""

    name: Name = Field(default=OMITTED, examples=["Night Drive, cut 2"])
    description: Description = OMITTED
    fps: Fps = OMITTED
    drop_frame: bool = OMITTED
    width: Pixels = OMITTED
    height: Pixels = OMITTED
    music_file_path: Annotated[str, Field(max_length=1000)] | None = Field(
        default=None,
        description="null takes the music off; music comes by upload, so no other path is taken.",
    )


class ProjectResponseDTO(ResponseDTO):
    id: str
    name: str
    description: str
    music_file_path: str | None = Field(description="Relative to UPLOAD_DIR.")
    music_file_url: str | None
    music_duration: float | None = Field(description="Seconds.")
    fps: float
    drop_frame: bool
    width: int
    height: int
    scene_count: int
    clip_count: int
    duration: Seconds = Field(description="Seconds: the sum of its scenes.")
    created_at: Timestamp
    updated_at: Timestamp


class ProjectListDTO(ResponseDTO):
    projects: list[ProjectResponseDTO]
    total: int = Field(description="How many match, beyond this page.")


class SceneWithClipsDTO(SceneResponseDTO):
    clips: list[ClipResponseDTO] | None = Field(
        default=None, description="By timeline position; only with include_clips=true."
    )


class ProjectWithScenesDTO(ProjectResponseDTO):
    scenes: list[SceneWithClipsDTO]
