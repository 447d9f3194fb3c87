"""Clips and their galleries."""

from typing import Annotated, Any

from pydantic import Field

from backend.dtos.provenance_dto import ProvenanceDTO, TakeGraphDTO
from backend.dtos.scene_dto import Lyrics, Order, TimelineSummaryDTO
from backend.dtos.shared import example_ids
from backend.dtos.shared.common_dto import (
    OMITTED,
    Length,
    Name,
    Position,
    Prompt,
    RequestDTO,
    ResourceId,
    ResponseDTO,
    Timestamp,
    request_example,
)
from backend.dtos.shared.media_address import LinkedObject, MediaUrl, PlainParams
from backend.models.content import ContentType

Version = Annotated[int, Field(ge=1, le=1_000_000)]


class ClipCreateDTO(RequestDTO):
    model_config = request_example(
        scene_id=example_ids.SCENE,
        name="Wide: rooftop",
        length=4.5,
        image_prompt="a red car under neon, rain, 35 mm",
        video_prompt="slow dolly in",
        auto_generate=True,
    )

    scene_id: ResourceId = Field(
        description="The scene it belongs to: one of yours.", examples=[example_ids.SCENE]
    )
    name: Name = Field(
        default=OMITTED, description="Left out: 'Clip' and its number.", examples=["Wide: rooftop"]
    )
    lyrics: Lyrics = Field(default="", description="What is sung meanwhile.", examples=["and wait"])
    length: Length = Field(default=5.0, description="Seconds.", examples=[4.5])
    timeline_position: Position = Field(
        default=OMITTED,
        description="Seconds within the scene; left out: after the last clip.",
        examples=[12.5],
    )
    order: Order = Field(
        default=OMITTED, description="Left out: after the last clip.", examples=[3]
    )
    image_prompt: Prompt = Field(
        default="",
        description="What its images show. It queues a job, unless auto_generate is false.",
        examples=["a red car under neon, rain, 35 mm"],
    )
    video_prompt: Prompt = Field(
        default="",
        description="What happens in its videos. It queues a job if there is no image_prompt.",
        examples=["slow dolly in"],
    )
    character_id: ResourceId | None = Field(
        default=None,
        description="A character; its words, LoRA and reference go into the clip's generations.",
        examples=[None],
    )
    auto_generate: bool = Field(
        default=True,
        description="false: no job is queued, even when there is a prompt.",
        examples=[True],
    )


class ClipUpdateDTO(RequestDTO):
    """Fields left out stay as they are; null clears the character and the selections."""

    model_config = request_example(name="Close: hands", length=3.0, lyrics="and wait")

    name: Name = Field(
        default=OMITTED, description="1 to 200 characters.", examples=["Close: hands"]
    )
    lyrics: Lyrics = Field(
        default=OMITTED, description="What is sung meanwhile.", examples=["and wait"]
    )
    length: Length = Field(default=OMITTED, description="Seconds.", examples=[3.0])
    timeline_position: Position = Field(
        default=OMITTED,
        description="Seconds within the scene. Overlaps are not looked for here: "
        "PUT /clips/{clip_id}/timeline-position does that.",
        examples=[12.5],
    )
    order: Order = Field(default=OMITTED, description="Its place in the scene.", examples=[3])
    image_prompt: Prompt = Field(
        default=OMITTED,
        description="What its images show. No job is queued by a change.",
        examples=["a red car under neon, rain, 35 mm"],
    )
    video_prompt: Prompt = Field(
        default=OMITTED,
        description="What happens in its videos. No job is queued by a change.",
        examples=["slow dolly in"],
    )
    character_id: ResourceId | None = Field(
        default=None,
        description="A character; null takes the words of the one it has out of the prompts.",
        examples=[None],
    )
    selected_image_id: ResourceId | None = Field(
        default=None, description="The image it shows; null: none.", examples=[example_ids.TAKE]
    )
    selected_video_id: ResourceId | None = Field(
        default=None, description="The video it shows; null: none.", examples=[example_ids.TAKE]
    )
    active_version: Version = Field(
        default=OMITTED, description="For clients to act on.", examples=[1]
    )


class TimelinePositionDTO(RequestDTO):
    position: Position = Field(description="Seconds within the scene.", examples=[12.5])


class PromptsDTO(RequestDTO):
    """Only what is given changes."""

    image_prompt: Prompt = Field(
        default=OMITTED, description="What its images show.", examples=["a red car under neon"]
    )
    video_prompt: Prompt = Field(
        default=OMITTED, description="What happens in its videos.", examples=["slow dolly in"]
    )


class UsedLoraDTO(ResponseDTO):
    name: str = Field(description="The LoRA file.", examples=["film_grain.safetensors"])
    weight: float = Field(description="How strongly it counted.", examples=[0.6])


class GeneratedContentDTO(ResponseDTO):
    """One take. `url` serves with Range support, also when the ComfyUI server is gone."""

    id: str = Field(description="The take's id.", examples=[example_ids.TAKE])
    content_type: ContentType = Field(description="image or video.", examples=["image"])
    url: MediaUrl = Field(
        description="Where it is served.", examples=[f"{example_ids.MEDIA}/7c2b/51aa.png"]
    )
    thumbnail_url: MediaUrl | None = Field(
        description="A small picture of it.", examples=[f"{example_ids.MEDIA}/7c2b/51aa_t.webp"]
    )
    prompt: str = Field(
        description="What it was made from, the character's words included.",
        examples=["a red car under neon, rain, 35 mm"],
    )
    negative_prompt: str = Field(
        description="What it was not to show.", examples=["text, watermark"]
    )
    server_id: str | None = Field(
        description="The server that made it; null: uploaded.", examples=[example_ids.SERVER]
    )
    server_name: str | None = Field(
        description="What that server was called then.", examples=["Studio 4090"]
    )
    model_name: str | None = Field(
        description="The model file.", examples=["sd_xl_base_1.0.safetensors"]
    )
    model_type: str | None = Field(description="The model's family.", examples=["sdxl"])
    generation_params: PlainParams = Field(
        description="Text, numbers and truth values, with the seed really used.",
        examples=[{"steps": 20, "seed": 421_337}],
    )
    loras: list[UsedLoraDTO] = Field(description="The LoRAs it was made with.")
    structured_params: LinkedObject = Field(
        description="Parameters that are lists or objects, by name; LoRAs are not among them.",
        examples=[{}],
    )
    seed: int | None = Field(
        description="The seed really used; null: unknown, or over 2^63, and then in the graph.",
        examples=[421_337],
    )
    width: int | None = Field(description="Pixels.", examples=[1024])
    height: int | None = Field(description="Pixels.", examples=[576])
    duration: float | None = Field(description="Seconds; null for images.", examples=[None])
    fps: float | None = Field(description="Frames a second; null for images.", examples=[None])
    job_id: str | None = Field(description="The job that made it.", examples=[example_ids.JOB])
    provenance: ProvenanceDTO | None = Field(
        description="How it was made; null: uploaded, imported, or made where nobody tells."
    )
    is_selected: bool = Field(
        description="Whether the clip shows it, or it is the character's reference.",
        examples=[True],
    )
    created_at: Timestamp = Field(description="UTC.", examples=[example_ids.MOMENT])


class ClipResponseDTO(ResponseDTO):
    id: str = Field(description="The clip's id.", examples=[example_ids.CLIP])
    scene_id: str = Field(description="Its scene.", examples=[example_ids.SCENE])
    project_id: str = Field(description="Its scene's project.", examples=[example_ids.PROJECT])
    name: str = Field(description="For people.", examples=["Wide: rooftop"])
    lyrics: str = Field(description="What is sung meanwhile.", examples=["and wait"])
    length: float = Field(description="Seconds.", examples=[4.5])
    timeline_position: float = Field(description="Seconds within the scene.", examples=[12.5])
    order: int = Field(description="Its place in the scene.", examples=[3])
    image_prompt: str = Field(
        description="What its images show.", examples=["a red car under neon, rain, 35 mm"]
    )
    video_prompt: str = Field(description="What happens in its videos.", examples=["slow dolly in"])
    generated_images: list[GeneratedContentDTO] = Field(description="Its images, oldest first.")
    generated_videos: list[GeneratedContentDTO] = Field(description="Its videos, oldest first.")
    selected_image_id: str | None = Field(
        description="The image it shows.", examples=[example_ids.TAKE]
    )
    selected_video_id: str | None = Field(description="The video it shows.", examples=[None])
    character_id: str | None = Field(
        description="The character whose words it has.", examples=[example_ids.CHARACTER]
    )
    versions: list[dict[str, Any]] = Field(
        description="For clients to act on; none is made by itself.", examples=[[]]
    )
    active_version: int = Field(description="For clients to act on.", examples=[1])
    parent_clip_id: str | None = Field(
        description="The clip it is an alternate of.", examples=[None]
    )
    alternate_number: int = Field(
        description="1 is the first alternate; 0: it is none.", examples=[0]
    )
    is_alternate: bool = Field(
        description="Whether it stands beside the timeline.", examples=[False]
    )
    created_at: Timestamp = Field(description="UTC.", examples=[example_ids.MOMENT])
    updated_at: Timestamp = Field(description="UTC.", examples=[example_ids.MOMENT])


class ClipCreatedDTO(ClipResponseDTO):
    queued_job_ids: list[str] = Field(
        description="The jobs that this clip's prompt queued.", examples=[[example_ids.JOB]]
    )


class GalleryDTO(ResponseDTO):
    images: list[GeneratedContentDTO] = Field(description="The images, oldest first.")
    videos: list[GeneratedContentDTO] = Field(description="The videos, oldest first.")
    selected_image_id: str | None = Field(
        description="The image that the clip shows; of a character: its reference.",
        examples=[example_ids.TAKE],
    )
    selected_video_id: str | None = Field(description="The video it shows.", examples=[None])


class TakeWithGraphDTO(GeneratedContentDTO, TakeGraphDTO):
    """A take with the graph that made it."""


class GalleryWithGraphsDTO(GalleryDTO):
    """A gallery as `include=workflow` gives it."""

    images: list[TakeWithGraphDTO] = Field(description="The images, oldest first.")  # type: ignore[assignment]
    videos: list[TakeWithGraphDTO] = Field(description="The videos, oldest first.")  # type: ignore[assignment]


class ClipMovedDTO(ResponseDTO):
    message: str = Field(description="What was done, for people.", examples=["Clip moved."])
    clip_id: str = Field(description="The clip.", examples=[example_ids.CLIP])
    new_position: float = Field(description="Seconds within the scene.", examples=[12.5])
    timeline_summary: TimelineSummaryDTO = Field(description="The scene's timeline as it is now.")
