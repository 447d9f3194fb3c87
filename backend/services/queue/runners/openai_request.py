"""What a job asks of the video provider: model, length and size, in the provider's terms.

- **Which jobs**: `provider` "openai" in the job's params, or no provider and a model whose name
  starts with "sora".
- **seconds**: `video_frames` / `video_fps` (24 when left out), else the clip's length. Models
  named "sora…" make 4, 8 or 12 seconds: the shortest that covers the wish, 12 for more. Others
  get whole seconds, rounded up.
- **size**: models named "sora…" have fixed sizes (two of them only in "…-pro"): the nearest of
  the same orientation, 1280x720 when none was asked for. Others get width x height as given,
  the other side in 16:9 when only one is, and no size at all when none is.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from backend.models.content import ContentType
from backend.models.job import Job
from backend.utils.errors import UnprocessableError

#: The provider's name in params, and the `server_id` of its jobs and takes.
PROVIDER_ID = "openai"
PROVIDER_NAME = "OpenAI-compatible provider"
#: The params that reach the provider; a job should name all others as ignored.
PROVIDER_READS = frozenset(
    {"provider", "width", "height", "video_frames", "video_fps", "input_reference_url"}
)

_SORA = "sora"
_SORA_SECONDS = (4, 8, 12)
_SORA_SIZES = ((1280, 720), (720, 1280))
_SORA_PRO_SIZES = (*_SORA_SIZES, (1792, 1024), (1024, 1792))
_DEFAULT_FPS = 24.0
_WIDE = 16 / 9
_LONGEST = 3600


@dataclass(frozen=True)
class VideoOrder:
    """One create call; `size` None leaves it to the provider.

    With `exact_reference` a reference picture must have just this size.
    """

    model: str
    prompt: str
    seconds: int
    size: tuple[int, int] | None
    exact_reference: bool = False

    @property
    def fields(self) -> dict[str, str]:
        """The form fields of the wire shape, without the picture."""
        fields = {"model": self.model, "prompt": self.prompt, "seconds": str(self.seconds)}
        if self.size:
            fields["size"] = f"{self.size[0]}x{self.size[1]}"
        return fields


def is_provider_job(job: Job) -> bool:
    """Tell whether a job goes to the video provider rather than to a ComfyUI server."""
    provider = job.params.get("provider")
    if provider is not None:
        return bool(provider == PROVIDER_ID)
    return _is_sora(job.model or "") and job.workflow_json is None


def check_provider_job(job: Job) -> None:
    """Raise UnprocessableError for what the provider cannot make, before it is queued."""
    if job.generation_type is not ContentType.VIDEO:
        raise UnprocessableError("The provider makes videos only.", code="PROVIDER_ONLY_VIDEO")
    if job.workflow_json is not None:
        raise UnprocessableError(
            "A custom workflow runs on ComfyUI servers only.", code="PROVIDER_NO_WORKFLOW"
        )
    if not job.prompt.strip():
        raise UnprocessableError("The provider needs a prompt.", code="PROMPT_MISSING")


def video_order(job: Job, *, clip_length: float, default_model: str) -> VideoOrder:
    """Map a job to a create call; `clip_length` is seconds. Raises as `check_provider_job`."""
    check_provider_job(job)
    model = job.model or default_model
    wished = _wished_seconds(job.params, clip_length)
    if not _is_sora(model):
        seconds = min(max(1, _rounded_up(wished)), _LONGEST)
        return VideoOrder(model, job.prompt, seconds, _given_size(job.params))
    covering = (allowed for allowed in _SORA_SECONDS if allowed >= round(wished, 3))
    seconds = next(covering, _SORA_SECONDS[-1])
    sizes = _SORA_PRO_SIZES if model.lower().endswith("pro") else _SORA_SIZES
    size = _nearest(_given_size(job.params) or sizes[0], sizes)
    return VideoOrder(model, job.prompt, seconds, size, exact_reference=True)


def facts_of(order: VideoOrder) -> dict[str, Any]:
    """What the take will say of how it was made; the shape knows no seed, so there is none."""
    params: dict[str, Any] = {"seconds": order.seconds}
    if order.size:
        params |= {"width": order.size[0], "height": order.size[1], "size": order.fields["size"]}
    return {
        "model_name": order.model,
        "model_type": PROVIDER_ID,
        "seed": None,
        "params": params,
        "nodes": {},
    }


def _is_sora(model: str) -> bool:
    return model.strip().lower().startswith(_SORA)


def _wished_seconds(params: Mapping[str, Any], clip_length: float) -> float:
    frames = params.get("video_frames")
    if not frames:
        return clip_length
    return float(frames) / float(params.get("video_fps") or _DEFAULT_FPS)


def _rounded_up(seconds: float) -> int:
    """48 frames at 23.976 are 2.002 s: that is 2 seconds, not 3."""
    return math.ceil(seconds - 0.05)


def _given_size(params: Mapping[str, Any]) -> tuple[int, int] | None:
    width, height = int(params.get("width") or 0), int(params.get("height") or 0)
    if not width and not height:
        return None
    return width or _even(height * _WIDE), height or _even(width / _WIDE)


def _even(side: float) -> int:
    return 2 * round(side / 2)


def _nearest(wish: tuple[int, int], sizes: tuple[tuple[int, int], ...]) -> tuple[int, int]:
    """The allowed size of that orientation whose shape and area together are least far away."""

    def distance(size: tuple[int, int]) -> tuple[float, float]:
        shape = abs(math.log((size[0] / size[1]) / (wish[0] / wish[1])))
        area = abs(math.log((size[0] * size[1]) / (wish[0] * wish[1])))
        return (size[0] >= size[1]) != (wish[0] >= wish[1]), shape + area

    return min(sizes, key=distance)
