"""What is to be rendered, before any server or model family has a say."""

from typing import Annotated, Any, Literal

from pydantic import Field

from backend.models.base import FrozenModel
from backend.models.content import ContentType

#: KSampler's own range.
MAX_SEED = 2**64 - 1

PresetName = Literal["fast", "quality"]


class RenderRequest(FrozenModel):
    """What is None comes from the preset of the model's family.

    `loras` are (file name, weight from -100 to 100). `model` None: the first fitting one of the
    server. `fps` is frames a second. `workflow_json` is a graph in ComfyUI's API format, which is
    then rendered instead of a built-in one.
    """

    kind: ContentType
    prompt: str = ""
    negative_prompt: str = ""
    model: str | None = None
    loras: tuple[tuple[str, float], ...] = ()
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
    batch_size: Annotated[int, Field(ge=1, le=4096)] = 1
    workflow_json: dict[str, Any] | None = None
    filename_prefix: Annotated[str, Field(pattern=r"^[\w-]+(/[\w-]+)*$")] = "storycanvas"
