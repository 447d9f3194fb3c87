"""Generation requests."""

from typing import Annotated, Any, Literal, Self

from pydantic import AliasChoices, BeforeValidator, ConfigDict, Field, model_validator

from backend.dtos.clip_dto import GeneratedContentDTO
from backend.dtos.shared import example_ids
from backend.dtos.shared.common_dto import (
    Prompt,
    RequestDTO,
    ResourceId,
    ResponseDTO,
    request_example,
)
from backend.dtos.shared.media_address import AnyForm
from backend.models.content import ContentType

#: What other programs, and web clients after them, call samplers of ComfyUI.
_SAMPLERS = {
    "euler_a": "euler_ancestral",
    "dpm_2_a": "dpm_2_ancestral",
    "dpmpp_2s_a": "dpmpp_2s_ancestral",
}


def _own_sampler(given: Any) -> Any:
    return _SAMPLERS.get(given, given) if isinstance(given, str) else given


ModelFile = Annotated[str, Field(min_length=1, max_length=500)]
Choice = Annotated[str, Field(min_length=1, max_length=100)]
#: Under /uploads/: only our own pictures are sent to a server.
Picture = Annotated[str, Field(min_length=1, max_length=2000), AnyForm]
Side = Annotated[int, Field(ge=64, le=4096)]
#: A graph in ComfyUI's API format; what it is worth is for the services to judge.
WorkflowJson = dict[str, Any] | Annotated[str, Field(max_length=4_000_000)]

#: An order that any server with an image model can carry out.
RENDER: dict[str, Any] = {
    "prompt": "a red car under neon, rain, 35 mm",
    "negative_prompt": "text, watermark",
    "params": {"width": 1024, "height": 576, "steps": 20},
}


class LoraDTO(RequestDTO):
    name: ModelFile = Field(description="A LoRA file.", examples=["film_grain.safetensors"])
    weight: Annotated[float, Field(ge=-100, le=100)] = Field(
        default=1.0, description="How strongly it counts.", examples=[0.8]
    )
    clip_weight: Annotated[float, Field(ge=-100, le=100)] | None = Field(
        default=None,
        description="How strongly its part for the text encoder counts; left out: as `weight` "
        "for Stable Diffusion, not at all for other families.",
        examples=[0.8],
    )


class GenerationParamsDTO(RequestDTO):
    """What is left out comes from the preset of the model's family.

    Unknown parameters are ignored and named in the job's `ignored_params`.
    """

    model_config = ConfigDict(extra="allow")

    width: Side | None = Field(default=None, description="Pixels.", examples=[1024])
    height: Side | None = Field(default=None, description="Pixels.", examples=[576])
    steps: Annotated[int, Field(ge=1, le=200)] | None = Field(
        default=None, description="Sampling steps.", examples=[20]
    )
    cfg: Annotated[float, Field(ge=0, le=30)] | None = Field(
        default=None,
        description="How closely the prompt is followed; `cfg_scale` is taken too.",
        validation_alias=AliasChoices("cfg", "cfg_scale"),
        examples=[7.0],
    )
    sampler: Annotated[Choice, BeforeValidator(_own_sampler)] | None = Field(
        default=None, description="KSampler's sampler_name.", examples=["euler"]
    )
    scheduler: Choice | None = Field(
        default=None, description="KSampler's scheduler.", examples=["normal"]
    )
    seed: Annotated[int, Field(ge=-1, le=2**63 - 1)] | None = Field(
        default=None,
        description="-1 or null: a random one, which the take records.",
        examples=[421_337],
    )
    video_frames: Annotated[int, Field(ge=1, le=1000)] | None = Field(
        default=None, description="Length of a video in frames.", examples=[81]
    )
    video_fps: Annotated[float, Field(ge=1, le=120)] | None = Field(
        default=None, description="Frames a second of a video.", examples=[16]
    )
    motion_bucket_id: Annotated[int, Field(ge=1, le=1023)] | None = Field(
        default=None,
        description="How much moves; Stable Video Diffusion reads it.",
        examples=[127],
    )
    preset: Literal["fast", "quality"] | None = Field(
        default=None,
        description="Which preset of the family fills in what is left out.",
        examples=["fast"],
    )
    provider: Choice | None = Field(
        default=None,
        description="'openai': the OpenAI-compatible provider makes it, for money.",
        examples=[None],
    )
    input_reference_url: Annotated[str, Field(max_length=2000), AnyForm] | None = Field(
        default=None,
        description="A picture that videos begin from and editing models look at; other image "
        "models begin from it when `denoise` is given.",
        examples=["/uploads/faces/mara.png"],
    )
    denoise: Annotated[float, Field(ge=0, le=1)] | None = Field(
        default=None,
        description="How much of the picture that is begun from is painted over.",
        examples=[0.6],
    )
    init_image: Picture | None = Field(
        default=None,
        description="What is begun from, changed, or set in motion: `/uploads/…`.",
        examples=[None],
    )
    end_image: Picture | None = Field(
        default=None,
        description="The last frame of a video whose first is `init_image`.",
        examples=[None],
    )
    mask: Picture | None = Field(
        default=None,
        description="White is painted anew; `init_image` itself: where it is transparent.",
        examples=[None],
    )
    reference_images: Annotated[list[Picture], Field(max_length=3)] | None = Field(
        default=None,
        description="Somebody or something to be shown to models that look at pictures.",
        examples=[None],
    )
    family: Choice | None = Field(
        default=None,
        description="The model's family or variant, where its name does not say.",
        examples=[None],
    )
    guidance: Annotated[float, Field(ge=0, le=100)] | None = Field(
        default=None, description="Flux's and HunyuanVideo's own guidance.", examples=[3.5]
    )
    shift: Annotated[float, Field(ge=0, le=100)] | None = Field(
        default=None,
        description="How long the large forms are worked on, for families that have it.",
        examples=[8.0],
    )
    clip_skip: Annotated[int, Field(ge=1, le=12)] | None = Field(
        default=None,
        description="Stable Diffusion's text encoder ends at this layer from behind; 1: the last.",
        examples=[2],
    )
    refiner: ModelFile | None = Field(
        default=None, description="A refiner file for the last steps of SDXL.", examples=[None]
    )
    vae: ModelFile | None = Field(
        default=None, description="A VAE file in place of the model's own.", examples=[None]
    )
    batch_size: Annotated[int, Field(ge=1, le=64)] | None = Field(
        default=None, description="How many takes one job makes.", examples=[1]
    )
    use_custom_workflow: bool = Field(
        default=False,
        description="Render `workflow_json` instead of the model's own graph.",
        examples=[False],
    )
    workflow_json: WorkflowJson | None = Field(
        default=None,
        description="A graph in ComfyUI's API format, as an object or as text.",
        examples=[None],
    )
    workflow_id: ResourceId | None = Field(
        default=None,
        description="Render this saved workflow of the clip's project, as it is now.",
        examples=[None],
    )

    @model_validator(mode="after")
    def _one_graph(self) -> Self:
        if self.workflow_id is not None and self.workflow_json is not None:
            raise ValueError("give workflow_id or workflow_json, not both")
        return self

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
    negative_prompt: Prompt = Field(
        default="", description="What is not to be seen.", examples=["text, watermark"]
    )
    model: ModelFile | None = Field(
        default=None,
        description="A model file; left out: the first one that fits.",
        examples=["sd_xl_base_1.0.safetensors"],
    )
    lora: ModelFile | None = Field(
        default=None, description="Short for one entry of `loras`.", examples=[None]
    )
    loras: Annotated[list[LoraDTO], Field(max_length=20)] = Field(
        default_factory=list,
        description="LoRA files of the servers, up to 20.",
        examples=[[{"name": "film_grain.safetensors", "weight": 0.6}]],
    )
    params: GenerationParamsDTO = Field(
        default_factory=GenerationParamsDTO,
        description="Size, steps and the like; left out: the preset's.",
        examples=[{"width": 1024, "height": 576, "steps": 20}],
    )
    template_id: ResourceId | None = Field(
        default=None,
        description="A style template; its values apply under the request's own.",
        examples=[None],
    )
    server_id: ResourceId | None = Field(
        default=None,
        description="A server, or a worker that pulls. 'auto' or left out: the balancer picks.",
        examples=["auto"],
    )


class GenerateDTO(RenderOrderDTO):
    model_config = request_example(clip_id=example_ids.CLIP, generation_type="image", **RENDER)

    clip_id: ResourceId = Field(
        description="The clip that gets the take: one of yours.", examples=[example_ids.CLIP]
    )
    generation_type: ContentType = Field(
        default=ContentType.IMAGE, description="image or video.", examples=["image"]
    )


class GeneratedDTO(ResponseDTO):
    message: str = Field(
        description="What was made, for people.", examples=["One image generated."]
    )
    content: GeneratedContentDTO = Field(description="The take.")
    total_images: int = Field(
        description="Images that the clip, or the character, has now.", examples=[1]
    )
    total_videos: int = Field(
        description="Videos that the clip, or the character, has now.", examples=[0]
    )
    job_id: str = Field(description="The job that made it.", examples=[example_ids.JOB])


class GenerationQueuedDTO(ResponseDTO):
    job_id: str = Field(description="Ask GET /queue/jobs/{job_id}.", examples=[example_ids.JOB])
    status: str = Field(description="Where the job stands.", examples=["pending"])
    message: str = Field(
        description="What to do now, for people.",
        examples=["The job is in the queue; GET /queue/jobs/{id} tells how it goes."],
    )
