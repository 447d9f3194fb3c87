"""Model families and their settings."""

from typing import Any

from pydantic import Field

from backend.dtos.shared import example_ids
from backend.dtos.shared.common_dto import ResponseDTO
from backend.models.content import ContentType
from backend.models.model_file import ModelFileType


class ModelServerDTO(ResponseDTO):
    id: str = Field(description="The server's id.", examples=[example_ids.SERVER])
    name: str = Field(description="For people.", examples=["Studio 4090"])
    is_online: bool = Field(description="Whether it answered last time.", examples=[True])


class LibraryModelDTO(ResponseDTO):
    id: str = Field(
        description="The same for the same kind and file, whichever servers have it.",
        examples=["5b0c8f6e-53c5-5d0f-9f0e-0a4c6a1d7b21"],
    )
    name: str = Field(
        description="The file, as generation requests take it.",
        examples=["sd_xl_base_1.0.safetensors"],
    )
    type: ModelFileType = Field(
        description="What kind of file it is, by the folder below models/ that it lies in.",
        examples=["checkpoint"],
    )
    family: str = Field(
        description="Its family, as far as its name says: of a LoRA the one that it was made for, "
        "of a VAE the first that uses it. Else 'unknown', as for all that serves several.",
        examples=["sdxl"],
    )
    servers: list[ModelServerDTO] = Field(
        description="Who has it, those that are online first; one that is offline had it when it "
        "was last seen."
    )
    server_source: str = Field(
        description="The name of the first of `servers`.", examples=["Studio 4090"]
    )
    is_active: bool = Field(description="Whether a server that is online has it.", examples=[True])
    is_available: bool = Field(description="The same as `is_active`.", examples=[True])


class ModelSizeDTO(ResponseDTO):
    width: int = Field(description="Pixels.", examples=[1024])
    height: int = Field(description="Pixels.", examples=[1024])


class ModelTypeDTO(ResponseDTO):
    id: str = Field(description="The family's id: a take's `model_type`.", examples=["sdxl"])
    name: str = Field(description="For people.", examples=["Stable Diffusion XL"])
    generation_types: list[ContentType] = Field(description="What it makes.", examples=[["image"]])
    kinds: list[str] = Field(
        description="From what: `text_to_image`, `image_to_video` and the like.",
        examples=[["text_to_image", "image_to_image", "inpaint"]],
    )
    folder: str = Field(description="Where its files lie in models/.", examples=["checkpoints"])
    presets: list[str] = Field(description="Names of its presets.", examples=[["fast", "quality"]])
    default_preset: str = Field(description="Taken when none is named.", examples=["quality"])
    sizes: list[ModelSizeDTO] = Field(description="Sizes that it was trained on.")
    size_multiple: int = Field(description="Sides are rounded down to it.", examples=[8])
    frame_step: int | None = Field(
        description="Videos have `frame_step` x n + 1 frames; null for images.", examples=[4]
    )
    default_fps: float | None = Field(
        description="Frames a second; null for images.", examples=[16]
    )
    lora_rule: str = Field(
        description="What a LoRA changes: `model_and_clip`, `model`, `both_stages`, or `none`.",
        examples=["model_and_clip"],
    )
    negative_prompt: str = Field(
        description="Whether it is `used`, `without_effect`, or there is `none`.",
        examples=["used"],
    )
    max_references: int = Field(
        description="Pictures of somebody or something that it can be shown.", examples=[0]
    )
    vram_gb: int = Field(
        description="What the official files want without offloading; an estimate.", examples=[8]
    )
    vram_class: str = Field(
        description="`small` (to 8 GB), `medium` (to 16 GB), `large`.", examples=["small"]
    )
    variants: list[str] = Field(
        description="The family and its variants, as `params.family` takes them.",
        examples=[["sdxl", "sdxl_inpaint", "sdxl_distilled", "sdxl_turbo"]],
    )
    hint: str = Field(description="How it likes its prompts.", examples=["Phrases or sentences."])


class ModelTypesDTO(ResponseDTO):
    types: list[ModelTypeDTO] = Field(
        description="In the order in which a model is chosen when none is named."
    )


class ModelParametersDTO(ResponseDTO):
    """As `params` of a generation request takes them; null: the family has no such thing."""

    steps: int = Field(description="Sampling steps.", examples=[25])
    cfg: float = Field(description="Guidance.", examples=[7.0])
    cfg_scale: float = Field(description="The same as `cfg`.", examples=[7.0])
    sampler: str = Field(description="KSampler's sampler_name.", examples=["dpmpp_2m"])
    scheduler: str = Field(description="KSampler's scheduler.", examples=["karras"])
    width: int = Field(description="Pixels.", examples=[1024])
    height: int = Field(description="Pixels.", examples=[1024])
    video_fps: float | None = Field(description="Frames a second; null for images.", examples=[16])
    video_frames: int | None = Field(description="Frames; null for images.", examples=[81])


class ModelPresetDTO(ModelParametersDTO):
    id: str = Field(description="Family and name of the preset.", examples=["sdxl_quality"])
    name: str = Field(description="For people.", examples=["Quality"])
    description: str = Field(description="What it is for.", examples=["25 steps, 1024 x 1024."])
    additional_params: dict[str, Any] = Field(
        description="What else the family's graph is set to.", examples=[{"shift": 8.0}]
    )
    is_default: bool = Field(description="Taken when no preset is named.", examples=[True])


class ModelPresetsDTO(ResponseDTO):
    model_name: str = Field(description="As asked for.", examples=["sd_xl_base_1.0.safetensors"])
    base_model: str = Field(description="Its family's id.", examples=["sdxl"])
    presets: dict[str, ModelPresetDTO] = Field(description="By name: fast, quality.")


class ModelSettingsDTO(ResponseDTO):
    model_name: str = Field(description="As asked for.", examples=["sd_xl_base_1.0.safetensors"])
    model_type: str = Field(description="Its family's id.", examples=["sdxl"])
    preset: str = Field(description="The preset they are of.", examples=["quality"])
    parameters: ModelParametersDTO = Field(description="The settings of that preset.")


class ModelDefaultsDTO(ModelSettingsDTO):
    defaults: ModelParametersDTO = Field(description="The same as `parameters`.")
