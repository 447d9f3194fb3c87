"""Generation requests."""

from typing import Annotated, Any, Literal

from pydantic import AliasChoices, ConfigDict, Field

from backend.dtos.clip_dto import GeneratedContentDTO
from backend.dtos.common_dto import Prompt, RequestDTO, ResourceId, ResponseDTO
from backend.models.content import ContentType

ModelFile = Annotated[str, Field(min_length=1, max_length=500)]
Choice = Annotated[str, Field(min_length=1, max_length=100)]
Side = Annotated[int, Field(ge=64, le=4096)]


class LoraDTO(RequestDTO):
    name: ModelFile = Field(examples=["film_grain.safetensors"])
    weight: Annotated[float, Field(ge=-100, le=100)] = Field(default=1.0, examples=[0.8])


class GenerationParamsDTO(RequestDTO):
    """What is left out comes from the preset of the model's family.

    Unknown parameters are ignored and named in the job's `ignored_params`.
    """

    model_config = ConfigDict(extra="allow")

    width: Side | None = Field(default=None, examples=[1024])
    height: Side | None = Field(default=None, examples=[576])
    steps: Annotated[int, Field(ge=1, le=200)] | None = Field(default=None, examples=[20])
    cfg: Annotated[float, Field(ge=0, le=30)] | None = Field(
        default=None, validation_alias=AliasChoices("cfg", "cfg_scale")
    )
    sampler: Choice | None = Field(default=None, examples=["euler"])
    scheduler: Choice | None = Field(default=None, examples=["normal"])
    seed: Annotated[int, Field(ge=-1, le=2**63 - 1)] | None = Field(
        default=None, description="-1 or null: a random one, which the take records."
    )
    video_frames: Annotated[int, Field(ge=1, le=1000)] | None = None
    video_fps: Annotated[float, Field(ge=1, le=120)] | None = None
    motion_bucket_id: Annotated[int, Field(ge=1, le=1023)] | None = None
    preset: Literal["fast", "quality"] | None = None
    provider: Choice | None = None
    input_reference_url: Annotated[str, Field(max_length=2000)] | None = None
    denoise: Annotated[float, Field(ge=0, le=1)] | None = None
    batch_size: Annotated[int, Field(ge=1, le=64)] | None = None
    use_custom_workflow: bool = Field(
        default=False, description="Render `workflow_json` instead of the model's own graph."
    )
    workflow_json: dict[str, Any] | Annotated[str, Field(max_length=4_000_000)] | None = Field(
        default=None, description="A graph in ComfyUI's API format, as an object or as text."
    )

    @property
    def unknown(self) -> tuple[str, ...]:
        """Names that the client sent and nobody reads."""
        return tuple(sorted(set(self.model_extra or ()) - {"cfg_scale"}))


class RenderOrderDTO(RequestDTO):
    """What to render, whoever asks: shared by generation and queue."""

    prompt: Prompt = Field(
        default="",
        description="Empty: the clip's own prompt of that kind.",
        examples=["a red car under neon, rain, 35 mm"],
    )
    negative_prompt: Prompt = Field(default="", examples=["text, watermark"])
    model: ModelFile | None = Field(
        default=None,
        description="A model file; left out: the first one that fits.",
        examples=["sd_xl_base_1.0.safetensors"],
    )
    lora: ModelFile | None = Field(default=None, description="Short for one entry of `loras`.")
    loras: Annotated[list[LoraDTO], Field(max_length=20)] = Field(default_factory=list)
    params: GenerationParamsDTO = Field(
        default_factory=GenerationParamsDTO,
        examples=[{"width": 1024, "height": 576, "steps": 20}],
    )
    template_id: ResourceId | None = Field(
        default=None,
        description="A style template; its values apply under the request's own.",
        examples=[None],
    )
    server_id: ResourceId | None = Field(
        default=None, description="'auto' or left out: the balancer picks.", examples=["auto"]
    )


class GenerateDTO(RenderOrderDTO):
    clip_id: ResourceId = Field(examples=["a1d0c7de-0f60-4f6e-8f2b-6f6c2b6f0001"])
    generation_type: ContentType = Field(default=ContentType.IMAGE, examples=["image"])


class GeneratedDTO(ResponseDTO):
    message: str
    content: GeneratedContentDTO
    total_images: int
    total_videos: int
    job_id: str


class GenerationQueuedDTO(ResponseDTO):
    job_id: str
    status: str
    message: str
