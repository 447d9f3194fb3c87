"""Style templates."""

from typing import Annotated

from pydantic import Field, StringConstraints

from backend.dtos.generation_dto import GenerationParamsDTO, LoraDTO
from backend.dtos.shared import example_ids
from backend.dtos.shared.common_dto import OMITTED, Name, RequestDTO, ResponseDTO, Timestamp
from backend.dtos.shared.kept_params import (
    Description,
    KeptParams,
    LabelOrNone,
    MediaAddressOrNone,
    ModelFileOrNone,
    NegativePrompt,
)
from backend.dtos.shared.media_address import LinkedObject, MediaUrl

_PARAMS = [{"steps": 30, "cfg": 5, "sampler": "dpmpp_2m", "scheduler": "karras"}]
_LORAS = [[{"name": "film_grain.safetensors", "weight": 0.6}]]

Category = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100)]
StyleLoras = Annotated[list[LoraDTO], Field(max_length=20)]


class TemplateCreateDTO(RequestDTO):
    name: Name = Field(description="1 to 200 characters.", examples=["Neon noir"])
    description: Description = Field(
        default="", description="For people.", examples=["Wet streets, magenta and teal."]
    )
    category: Category = Field(
        default="general", description="Any word to sort by.", examples=["cinematic"]
    )
    model: ModelFileOrNone = Field(
        default=None,
        description="For requests that name no model.",
        examples=["sd_xl_base_1.0.safetensors"],
    )
    negative_prompt: NegativePrompt = Field(
        default="", description="For requests that have none.", examples=["text, watermark"]
    )
    loras: StyleLoras = Field(
        default_factory=list,
        description="Added to the request's own; one named there keeps the request's weight.",
        examples=_LORAS,
    )
    params: KeptParams = Field(
        default_factory=GenerationParamsDTO,
        description="What a generation request leaves out.",
        examples=_PARAMS,
    )
    preview_url: MediaAddressOrNone = Field(
        default=None,
        description="An http(s) address or a path under /uploads/.",
        examples=["/uploads/previews/neon_noir.png"],
    )
    is_public: bool = Field(default=True, description="For clients to act on.", examples=[True])
    created_by: LabelOrNone = Field(default=None, description="Whoever made it.", examples=["Ada"])


class TemplateUpdateDTO(RequestDTO):
    """Fields left out stay as they are; null clears texts, model, preview and author."""

    name: Name = Field(default=OMITTED, description="1 to 200 characters.", examples=["Neon day"])
    description: Description = Field(
        default=OMITTED, description="For people.", examples=["The same streets at noon."]
    )
    category: Category = Field(
        default=OMITTED, description="Any word to sort by.", examples=["cinematic"]
    )
    model: ModelFileOrNone = Field(
        default=None, description="Null clears it.", examples=["sd_xl_base_1.0.safetensors"]
    )
    negative_prompt: NegativePrompt = Field(
        default=OMITTED, description="For requests that have none.", examples=["text"]
    )
    loras: StyleLoras = Field(
        default=OMITTED, description="All of them: the list is replaced.", examples=_LORAS
    )
    params: KeptParams = Field(
        default=OMITTED, description="All of them: the set is replaced.", examples=_PARAMS
    )
    preview_url: MediaAddressOrNone = Field(
        default=None, description="Null clears it.", examples=["/uploads/previews/neon_day.png"]
    )
    is_public: bool = Field(default=OMITTED, description="For clients to act on.", examples=[False])
    created_by: LabelOrNone = Field(default=None, description="Null clears it.", examples=["Ada"])


class TemplateLoraDTO(ResponseDTO):
    name: str = Field(description="A LoRA file.", examples=["film_grain.safetensors"])
    weight: float = Field(description="-100 to 100.", examples=[0.6])


class TemplateResponseDTO(ResponseDTO):
    id: str = Field(description="Opaque.", examples=[example_ids.TEMPLATE])
    name: str = Field(description="1 to 200 characters.", examples=["Neon noir"])
    description: str = Field(description="For people.", examples=["Wet streets, magenta and teal."])
    category: str = Field(description="Any word to sort by.", examples=["cinematic"])
    model: str | None = Field(
        description="For requests that name no model.", examples=["sd_xl_base_1.0.safetensors"]
    )
    negative_prompt: str = Field(
        description="For requests that have none.", examples=["text, watermark"]
    )
    loras: list[TemplateLoraDTO] = Field(description="Added to the request's own.", examples=_LORAS)
    params: LinkedObject = Field(
        description="What a generation request leaves out.", examples=_PARAMS
    )
    preview_url: MediaUrl | None = Field(
        description="Where its picture is.",
        examples=["http://127.0.0.1:8001/uploads/previews/neon_noir.png"],
    )
    is_public: bool = Field(description="For clients to act on.", examples=[True])
    created_by: str | None = Field(description="Whoever made it.", examples=["Ada"])
    use_count: int = Field(description="How often it was used.", ge=0, examples=[12])
    created_at: Timestamp = Field(description="UTC.", examples=[example_ids.MOMENT])
    updated_at: Timestamp = Field(
        description="UTC; uses do not change it.", examples=[example_ids.MOMENT]
    )


class TemplateUsedDTO(ResponseDTO):
    message: str = Field(description="A sentence.", examples=["'Neon noir' was used."])
    use_count: int = Field(description="This use included.", ge=1, examples=[13])
