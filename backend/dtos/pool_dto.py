"""The pool: what a project keeps for later."""

from typing import Annotated, Any

from pydantic import AfterValidator, AliasChoices, BeforeValidator, Field, StringConstraints

from backend.dtos.clip_dto import UsedLoraDTO
from backend.dtos.shared import example_ids
from backend.dtos.shared.common_dto import (
    OMITTED,
    RequestDTO,
    ResourceId,
    ResponseDTO,
    Timestamp,
    request_example,
)
from backend.dtos.shared.json_object import JsonObject
from backend.dtos.shared.media_address import AnyForm, LinkedObject, MediaUrl, PlainParams
from backend.models.content import ContentType
from backend.models.pool_item import PoolSource


def _once_each(tags: list[str]) -> list[str]:
    return list(dict.fromkeys(tags))


def _without_blanks(tags: Any) -> Any:
    """Leave out what a form that was not filled in sends for a tag."""
    return [tag for tag in tags if not _is_blank(tag)] if isinstance(tags, list) else tags


def _is_blank(tag: Any) -> bool:
    return tag is None or (isinstance(tag, str) and not tag.strip())


#: Room for a clip's name with more behind it.
PoolName = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=300)]
#: Room for a prompt.
Description = Annotated[str, Field(max_length=10_000)]
#: Room for the name of a clip or of a model's file.
Tag = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]
Tags = Annotated[
    list[Tag], Field(max_length=50), BeforeValidator(_without_blanks), AfterValidator(_once_each)
]
SourceUrl = Annotated[str, Field(min_length=1, max_length=2000), AnyForm]


class PoolItemCreateDTO(RequestDTO):
    """Names a take of a clip (`source_clip_id`), or a file by its /uploads/ path (`media_url`).

    The pool keeps a copy of its own, so that the source may go.
    """

    model_config = request_example(
        project_id=example_ids.PROJECT,
        source_clip_id=example_ids.CLIP,
        name="Neon rooftop",
        tags=["night", "rain"],
    )

    project_id: ResourceId = Field(description="Whose pool it is.", examples=[example_ids.PROJECT])
    name: PoolName = Field(
        default=OMITTED,
        description="Left out: the clip's or the file's name.",
        examples=["Neon rooftop"],
    )
    description: Description = Field(
        default="", description="Up to 10,000 characters.", examples=["Rain stands out best here."]
    )
    content_type: ContentType = Field(
        default=OMITTED,
        description="Left out: what the media is. Another one than that is refused.",
        examples=["image"],
    )
    source_type: PoolSource = Field(
        default=OMITTED,
        description="Left out: clip_generation with a source_clip_id, else manual_upload. The "
        "older words clip, upload and generated are taken too.",
        examples=["clip_generation"],
    )
    source_clip_id: ResourceId | None = Field(
        default=None,
        description="A clip of the project; its selected take unless another one is named.",
        examples=[example_ids.CLIP],
    )
    content_id: ResourceId | None = Field(
        default=None,
        description="Which take of that clip.",
        validation_alias=AliasChoices("content_id", "source_content_id"),
        examples=[example_ids.TAKE],
    )
    media_url: SourceUrl | None = Field(
        default=None,
        description="Of a take of that clip, or of any file of ours without a clip; with or"
        " without the server's address.",
        examples=["/uploads/projects/0d3c/7c2b/51aa.png"],
    )
    generation_params: JsonObject = Field(
        default=OMITTED, description="Left out: the take's own.", examples=[{"steps": 20}]
    )
    tags: Tags = Field(
        default_factory=list,
        description="Up to 50, each once; empty ones are left out.",
        examples=[["night", "rain"]],
    )
    metadata: JsonObject = Field(
        default_factory=dict, description="Whatever the client keeps.", examples=[{"rating": 5}]
    )


class PoolItemUpdateDTO(RequestDTO):
    """Fields left out stay as they are; the media stays what it is."""

    name: PoolName = Field(
        default=OMITTED, description="1 to 300 characters.", examples=["Rooftop 2"]
    )
    description: Description = Field(
        default=OMITTED, description="Up to 10,000 characters.", examples=["Wetter."]
    )
    generation_params: JsonObject = Field(
        default=OMITTED, description="Replaces all of them.", examples=[{"steps": 20}]
    )
    tags: Tags = Field(default=OMITTED, description="Replaces all of them.", examples=[["rain"]])
    metadata: JsonObject = Field(
        default=OMITTED, description="Replaces all of it.", examples=[{"rating": 4}]
    )


class PoolItemResponseDTO(ResponseDTO):
    id: str = Field(description="Its id.", examples=[example_ids.POOL_ITEM])
    project_id: str = Field(description="Whose pool it is.", examples=[example_ids.PROJECT])
    name: str = Field(description="For people.", examples=["Neon rooftop"])
    description: str = Field(description="For people.", examples=["Rain stands out best here."])
    content_type: ContentType = Field(description="What the media is.", examples=["image"])
    source_type: PoolSource = Field(description="Where it came from.", examples=["clip_generation"])
    source_clip_id: str | None = Field(
        description="The clip it came from, which may be gone.", examples=[example_ids.CLIP]
    )
    media_url: MediaUrl = Field(
        description="The pool's own copy.", examples=[f"{example_ids.MEDIA}/pool/5be1.png"]
    )
    thumbnail_url: MediaUrl | None = Field(
        description="A small picture of it.", examples=[f"{example_ids.MEDIA}/pool/5be1_t.webp"]
    )
    generation_params: PlainParams = Field(
        description="How it was made: text, numbers and truth values.",
        examples=[{"steps": 20, "seed": 7}],
    )
    loras: list[UsedLoraDTO] = Field(description="The LoRAs it was made with.")
    structured_params: LinkedObject = Field(
        description="Parameters that are lists or objects, by name; LoRAs are not among them.",
        examples=[{}],
    )
    tags: list[str] = Field(description="Each once.", examples=[["night", "rain"]])
    metadata: dict[str, Any] = Field(description="The client's own.", examples=[{"rating": 5}])
    created_at: Timestamp = Field(description="UTC.", examples=[example_ids.MOMENT])
