"""What is to be rendered, before any server or model family has a say."""

from typing import Annotated, Any, Literal, NamedTuple

from pydantic import Field

from backend.models.base import FrozenModel
from backend.models.content import ContentType
from backend.models.provenance import GraphPlan

#: KSampler's own range.
MAX_SEED = 2**64 - 1
#: What results are called at a server, but for what tells jobs apart.
FILE_PREFIX = "storycanvas"

PresetName = Literal["fast", "quality"]


class LoraUse(NamedTuple):
    """`clip_weight` None: what the model's family does with a LoRA's part for the text encoder."""

    name: str
    weight: float
    clip_weight: float | None = None


class RenderRequest(FrozenModel):
    """What is None comes from the preset of the model's family.

    `loras` have weights from -100 to 100. `model` None: the first fitting one of the server;
    `family` None: as the model's name says. Pictures are `/uploads/…`; `init_image` is what is
    begun from or changed, `mask` is white where it is painted anew, `input_reference_url` is used
    where the family has a use for it. `clip_skip` counts from 1, which leaves nothing out. `fps`
    is frames a second. `workflow_json` is a graph in ComfyUI's API format, which is then rendered
    instead of a built-in one; `plan` is one that was kept with a take, and is sent as it is.
    `attempt` counts from 1.
    """

    kind: ContentType
    prompt: str = ""
    negative_prompt: str = ""
    model: str | None = None
    family: str | None = None
    loras: tuple[LoraUse, ...] = ()
    width: Annotated[int, Field(ge=1, le=16384)] | None = None
    height: Annotated[int, Field(ge=1, le=16384)] | None = None
    steps: Annotated[int, Field(ge=1, le=10000)] | None = None
    cfg: Annotated[float, Field(ge=0, le=100)] | None = None
    sampler: str | None = None
    scheduler: str | None = None
    seed: Annotated[int, Field(ge=0, le=MAX_SEED)]
    frames: Annotated[int, Field(ge=1, le=16384)] | None = None
    fps: Annotated[float, Field(ge=1, le=120)] | None = None
    preset: PresetName | None = None
    denoise: Annotated[float, Field(ge=0, le=1)] | None = None
    batch_size: Annotated[int, Field(ge=1, le=64)] = 1
    guidance: Annotated[float, Field(ge=0, le=100)] | None = None
    shift: Annotated[float, Field(ge=0, le=100)] | None = None
    clip_skip: Annotated[int, Field(ge=1, le=24)] | None = None
    motion_bucket_id: Annotated[int, Field(ge=1, le=1023)] | None = None
    refiner: str | None = None
    vae: str | None = None
    init_image: str | None = None
    end_image: str | None = None
    mask: str | None = None
    reference_images: tuple[str, ...] = ()
    input_reference_url: str | None = None
    workflow_json: dict[str, Any] | None = None
    plan: GraphPlan | None = None
    attempt: Annotated[int, Field(ge=1)] = 1
    filename_prefix: Annotated[str, Field(pattern=r"^[\w-]+(/[\w-]+)*$")] = FILE_PREFIX
