"""Clips and their galleries."""

from typing import Annotated, Any

from pydantic import Field

from backend.dtos.common_dto import (
    OMITTED,
    Length,
    Name,
    Position,
    Prompt,
    RequestDTO,
    ResourceId,
    ResponseDTO,
    Timestamp,
)
from backend.dtos.scene_dto import Lyrics, Order, TimelineSummaryDTO
from backend.models.content import ContentType

Version = Annotated[int, Field(ge=1, le=1_000_000)]


class ClipCreateDTO(RequestDTO):
    scene_id: ResourceId = Field(examples=["7c2b7a31-3b64-4a6a-9b0c-f6f1f2a7a001"])
    name: Name = Field(
        default=OMITTED, description="Left out: 'Clip' and its number.", examples=["Wide: rooftop"]
    )
    lyrics: Lyrics = Field(default="", examples=["and wait"])
    length: Length = Field(default=5.0, description="Seconds.", examples=[4.5])
    timeline_position: Position = Field(
        default=OMITTED, description="Seconds within the scene; left out: after the last clip."
    )
    order: Order = Field(default=OMITTED, description="Left out: after the last clip.")
    image_prompt: Prompt = Field(default="", examples=["a red car under neon, rain, 35 mm"])
    video_prompt: Prompt = Field(default="", examples=["slow dolly in"])
    character_id: ResourceId | None = None
    auto_generate: bool = Field(
        default=True, description="false: no job is queued, even when there is a prompt."
    )


class ClipUpdateDTO(RequestDTO):
    """Fields left out stay as they are; null clears the character and the selections."""

    name: Name = Field(default=OMITTED, examples=["Close: hands"])
    lyrics: Lyrics = OMITTED
    length: Length = OMITTED
    timeline_position: Position = OMITTED
    order: Order = OMITTED
    image_prompt: Prompt = OMITTED
    video_prompt: Prompt = OMITTED
    character_id: ResourceId | None = None
    selected_image_id: ResourceId | None = None
    selected_video_id: ResourceId | None = None
    active_version: Version = OMITTED


class TimelinePositionDTO(RequestDTO):
    position: Position = Field(description="Seconds within the scene.", examples=[12.5])


class PromptsDTO(RequestDTO):
    """Only what is given changes."""

    image_prompt: Prompt = Field(default=OMITTED, examples=["a red car under neon"])
    video_prompt: Prompt = Field(default=OMITTED, examples=["slow dolly in"])


class GeneratedContentDTO(ResponseDTO):
    """One take. `url` serves with Range support, also when the ComfyUI server is gone."""

    id: str
    content_type: ContentType
    url: str = Field(examples=["/uploads/projects/0d3c/7c2b/51aa.png"])
    thumbnail_url: str | None
    prompt: str
    negative_prompt: str
    server_id: str | None
    server_name: str | None
    model_name: str | None
    model_type: str | None
    generation_params: dict[str, Any] = Field(description="With the seed really used.")
    seed: int | None
    width: int | None
    height: int | None
    duration: float | None = Field(description="Seconds; null for images.")
    fps: float | None
    job_id: str | None
    is_selected: bool
    created_at: Timestamp


class ClipResponseDTO(ResponseDTO):
    id: str
    scene_id: str
    project_id: str
    name: str
    lyrics: str
    length: float
    timeline_position: float
    order: int
    image_prompt: str
    video_prompt: str
    generated_images: list[GeneratedContentDTO]
    generated_videos: list[GeneratedContentDTO]
    selected_image_id: str | None
    selected_video_id: str | None
    character_id: str | None
    versions: list[dict[str, Any]]
    active_version: int
    parent_clip_id: str | None
    alternate_number: int
    is_alternate: bool
    created_at: Timestamp
    updated_at: Timestamp


class ClipCreatedDTO(ClipResponseDTO):
    queued_job_ids: list[str] = Field(description="The jobs that this clip's prompt queued.")


class GalleryDTO(ResponseDTO):
    images: list[GeneratedContentDTO]
    videos: list[GeneratedContentDTO]
    selected_image_id: str | None
    selected_video_id: str | None


class ClipMovedDTO(ResponseDTO):
    message: str
    clip_id: str
    new_position: float
    timeline_summary: TimelineSummaryDTO
