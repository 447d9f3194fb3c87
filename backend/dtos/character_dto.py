"""Characters."""

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from backend.dtos.generation_dto import (
    RENDER,
    GeneratedDTO,
    GenerationParamsDTO,
    GenerationQueuedDTO,
    RenderOrderDTO,
)
from backend.dtos.shared import example_ids
from backend.dtos.shared.common_dto import (
    OMITTED,
    Name,
    Prompt,
    RequestDTO,
    ResourceId,
    ResponseDTO,
    Timestamp,
    request_example,
)
from backend.dtos.shared.kept_params import (
    Cleared,
    Description,
    KeptParams,
    LabelOrNone,
    LoraWeight,
    MediaAddress,
    MediaAddressOrNone,
    ModelFileOrNone,
    Notes,
)
from backend.dtos.shared.media_address import LinkedObject, MediaUrl
from backend.models.content import ContentType

_PARAMS = [{"steps": 28, "cfg": 6.5}]
_WORDS = ["ohwx woman, red scarf"]


def _joined(value: Any) -> Any:
    """Join a list of texts; anything else is for the field's own type to judge."""
    if value is None:
        return ""
    if isinstance(value, list) and all(isinstance(part, str) for part in value):
        return ", ".join(part for word in value if (part := word.strip()))
    return value


_Words = Annotated[str, Field(max_length=2000)]
#: Joined they may have 2,000 characters, so that there cannot be more.
_WordList = Annotated[list[_Words], Field(max_length=2000)]
TriggerWords = Annotated[
    _Words, BeforeValidator(_joined, json_schema_input_type=_Words | _WordList | None)
]
References = Annotated[list[MediaAddress], Field(max_length=50)]
ProjectIdOrNone = Annotated[ResourceId | None, Cleared]


class CharacterCreateDTO(RequestDTO):
    name: Name = Field(description="1 to 200 characters.", examples=["Mara"])
    project_id: ProjectIdOrNone = Field(
        default=None,
        description="Null: a character of every project.",
        examples=[example_ids.PROJECT],
    )
    description: Description = Field(
        default="", description="For people.", examples=["The driver, early thirties."]
    )
    reference_images: References = Field(
        default_factory=list,
        description="http(s) addresses or paths under /uploads/; the first is the reference"
        " of later generations.",
        examples=[["/uploads/faces/mara.png"]],
    )
    face_image: MediaAddressOrNone = Field(
        default=None,
        description="The reference when there is no other.",
        examples=["/uploads/faces/mara_face.png"],
    )
    lora: ModelFileOrNone = Field(
        default=None,
        description="A LoRA file of the ComfyUI servers.",
        examples=["example_character.safetensors"],
    )
    lora_weight: LoraWeight = Field(default=1.0, description="-100 to 100.", examples=[0.8])
    trigger_words: TriggerWords = Field(
        default="",
        description="Go before the prompts of its clips. A list is joined with ', '.",
        examples=_WORDS,
    )
    style_notes: Notes = Field(
        default="",
        description="Go behind the prompts of its clips.",
        examples=["freckles, film grain"],
    )
    generation_method: LabelOrNone = Field(
        default=None, description="For people and clients; kept as it is.", examples=["lora"]
    )
    generation_params: KeptParams = Field(
        default_factory=GenerationParamsDTO,
        description="What a generation request of its clips leaves out.",
        examples=_PARAMS,
    )


class CharacterUpdateDTO(RequestDTO):
    """Fields left out stay as they are; null clears, except name, weight and lists."""

    name: Name = Field(default=OMITTED, description="1 to 200 characters.", examples=["Mara, 40"])
    project_id: ProjectIdOrNone = Field(
        default=None,
        description="Null: a character of every project. Clips of other projects must not have it.",
        examples=[None],
    )
    description: Description = Field(
        default=OMITTED, description="For people.", examples=["The driver, ten years on."]
    )
    reference_images: References = Field(
        default=OMITTED,
        description="All of them: the list is replaced.",
        examples=[["/uploads/faces/mara_40.png"]],
    )
    face_image: MediaAddressOrNone = Field(
        default=None, description="Null clears it.", examples=["/uploads/faces/mara_40.png"]
    )
    lora: ModelFileOrNone = Field(
        default=None, description="Null clears it.", examples=["example_character.safetensors"]
    )
    lora_weight: LoraWeight = Field(default=OMITTED, description="-100 to 100.", examples=[0.7])
    trigger_words: TriggerWords = Field(
        default=OMITTED,
        description="Clips that have the old ones keep them until it is applied again.",
        examples=_WORDS,
    )
    style_notes: Notes = Field(
        default=OMITTED,
        description="Clips that have the old ones keep them until it is applied again.",
        examples=["grey hair, film grain"],
    )
    generation_method: LabelOrNone = Field(
        default=None, description="Null clears it.", examples=["reference"]
    )
    generation_params: KeptParams = Field(
        default=OMITTED, description="All of them: the set is replaced.", examples=_PARAMS
    )


def _picture_only(value: Any) -> Any:
    if value == ContentType.VIDEO:
        raise ValueError("only pictures are made of a character: a video needs a clip")
    return value


class CharacterPictureDTO(RenderOrderDTO):
    """All of it may be left out: then the character's words are the prompt."""

    model_config = request_example(**RENDER)

    prompt: Prompt = Field(
        default="",
        description="The character's words are added to it. Empty: its trigger words, description"
        " and style notes.",
        examples=["portrait, looking over her shoulder"],
    )
    generation_type: Annotated[Literal["image"], BeforeValidator(_picture_only)] = Field(
        default="image", description="image: videos are for clips.", examples=["image"]
    )

    samples: Annotated[int, Field(ge=1, le=16)] | None = Field(
        default=None,
        description="How many pictures; the same as `params.batch_size`, which wins.",
        examples=[4],
    )

    @model_validator(mode="after")
    def _samples_are_a_batch(self) -> Self:
        if self.samples is not None and self.params.batch_size is None:
            self.params = self.params.model_copy(update={"batch_size": self.samples})
        return self


class SampleDTO(ResponseDTO):
    url: MediaUrl = Field(
        description="Where it is served.",
        examples=["http://127.0.0.1:8001/uploads/characters/5be0/51aa.png"],
    )
    method: str = Field(description="The family of the model that made it.", examples=["sdxl"])
    prompt: str = Field(
        description="What it was made from.", examples=["ohwx woman, red scarf, portrait"]
    )


class CharacterGeneratedDTO(GeneratedDTO):
    samples: list[SampleDTO] = Field(description="Every picture that the job made.")
    total_generated: int = Field(description="How many those are.", examples=[1])


class CharacterQueuedDTO(GenerationQueuedDTO):
    samples: list[SampleDTO] = Field(description="None yet.", examples=[[]])
    total_generated: int = Field(description="None yet.", examples=[0])


class CharacterResponseDTO(ResponseDTO):
    id: str = Field(description="Opaque.", examples=[example_ids.CHARACTER])
    project_id: str | None = Field(
        description="Null: a character of every project.",
        examples=[example_ids.PROJECT],
    )
    name: str = Field(description="1 to 200 characters.", examples=["Mara"])
    description: str = Field(description="For people.", examples=["The driver, early thirties."])
    reference_images: list[MediaUrl] = Field(
        description="The first is the reference of later generations.",
        examples=[[f"{example_ids.FACES}/mara.png"]],
    )
    face_image: MediaUrl | None = Field(
        description="The reference when there is no other.",
        examples=[f"{example_ids.FACES}/mara_face.png"],
    )
    lora: str | None = Field(description="A LoRA file.", examples=["example_character.safetensors"])
    lora_weight: float = Field(description="-100 to 100.", examples=[0.8])
    trigger_words: str = Field(description="Separated by commas.", examples=_WORDS)
    style_notes: str = Field(description="Behind the prompts.", examples=["freckles, film grain"])
    generation_method: str | None = Field(description="As it was sent.", examples=["lora"])
    generation_params: LinkedObject = Field(
        description="What a generation request of its clips leaves out.", examples=_PARAMS
    )
    created_at: Timestamp = Field(description="UTC.", examples=[example_ids.MOMENT])
    updated_at: Timestamp = Field(description="UTC.", examples=[example_ids.MOMENT])
