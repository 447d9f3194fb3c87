"""Projects."""

from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from backend.dtos.clip_dto import ClipResponseDTO
from backend.dtos.scene_dto import SceneResponseDTO
from backend.dtos.shared import example_ids
from backend.dtos.shared.common_dto import (
    OMITTED,
    Name,
    RequestDTO,
    ResponseDTO,
    Seconds,
    Timestamp,
    request_example,
)
from backend.dtos.shared.media_address import AnyFormOfFile, MediaFileUrl, MediaUrl
from backend.models.exports.frame_rate import DROP_FRAME_FPS, SUPPORTED_FPS


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
MusicPath = Annotated[str, Field(max_length=1000), AnyFormOfFile]


class ProjectCreateDTO(RequestDTO):
    name: Name = Field(description="1 to 200 characters.", examples=["Night Drive"])
    description: Description = Field(
        default="", description="For people.", examples=["Three minutes, one car, no dialogue."]
    )
    fps: Fps = Field(default=24, description="Frames a second of the timeline.", examples=[24])
    drop_frame: bool = Field(
        default=False,
        description="Drop-frame timecode; only at 29.97 and 59.94.",
        examples=[False],
    )
    width: Pixels = Field(
        default=1920, description="Width of the timeline in pixels.", examples=[1920]
    )
    height: Pixels = Field(
        default=1080, description="Height of the timeline in pixels.", examples=[1080]
    )

    @model_validator(mode="after")
    def _drop_frame_fits(self) -> Self:
        if self.drop_frame and self.fps not in DROP_FRAME_FPS:
            raise PydanticCustomError("drop_frame", "drop_frame needs fps 29.97 or 59.94")
        return self


class ProjectUpdateDTO(RequestDTO):
    """Fields left out stay as they are; null removes the music."""

    model_config = request_example(name="Night Drive, cut 2", fps=25)

    name: Name = Field(
        default=OMITTED, description="1 to 200 characters.", examples=["Night Drive, cut 2"]
    )
    description: Description = Field(
        default=OMITTED, description="For people.", examples=["Two minutes, one car."]
    )
    fps: Fps = Field(default=OMITTED, description="Frames a second of the timeline.", examples=[25])
    drop_frame: bool = Field(
        default=OMITTED,
        description="Drop-frame timecode; only at 29.97 and 59.94.",
        examples=[False],
    )
    width: Pixels = Field(
        default=OMITTED, description="Width of the timeline in pixels.", examples=[1080]
    )
    height: Pixels = Field(
        default=OMITTED, description="Height of the timeline in pixels.", examples=[1920]
    )
    music_file_path: MusicPath | None = Field(
        default=None,
        description="null takes the music off; music comes by upload, so no other one is taken.",
        examples=[None],
    )


class ProjectResponseDTO(ResponseDTO):
    id: str = Field(description="The project's id.", examples=[example_ids.PROJECT])
    name: str = Field(description="For people.", examples=["Night Drive"])
    description: str = Field(
        description="For people.", examples=["Three minutes, one car, no dialogue."]
    )
    music_file_path: MediaFileUrl | None = Field(
        description="The same as `music_file_url`.",
        examples=[f"{example_ids.MEDIA}/music/9b2e.mp3"],
    )
    music_file_url: MediaUrl | None = Field(
        description="Where the music is served.",
        examples=[f"{example_ids.MEDIA}/music/9b2e.mp3"],
    )
    music_duration: float | None = Field(description="Seconds.", examples=[182.413])
    fps: float = Field(description="Frames a second of the timeline.", examples=[24])
    drop_frame: bool = Field(description="Drop-frame timecode.", examples=[False])
    width: int = Field(description="Pixels.", examples=[1920])
    height: int = Field(description="Pixels.", examples=[1080])
    scene_count: int = Field(description="Its scenes, without alternates.", examples=[3])
    clip_count: int = Field(description="Its clips, without alternates.", examples=[12])
    duration: Seconds = Field(description="Seconds: the sum of its scenes.", examples=[54.5])
    created_at: Timestamp = Field(description="UTC.", examples=[example_ids.MOMENT])
    updated_at: Timestamp = Field(
        description="UTC; changes of its scenes and clips count.", examples=[example_ids.MOMENT]
    )


class ProjectListDTO(ResponseDTO):
    projects: list[ProjectResponseDTO] = Field(description="One page, newest change first.")
    total: int = Field(description="How many match, beyond this page.", examples=[1])


class SceneWithClipsDTO(SceneResponseDTO):
    clips: list[ClipResponseDTO] | None = Field(
        default=None, description="By timeline position; only with include_clips=true."
    )


class ProjectWithScenesDTO(ProjectResponseDTO):
    scenes: list[SceneWithClipsDTO] = Field(description="In order, alternates among them.")
