"""Parameters that were given and that the graph has no use for: a job names them. Pure."""

from collections.abc import Iterator
from contextlib import suppress
from functools import lru_cache

from backend.models.content import ContentType
from backend.models.render import RenderRequest
from backend.services.families import VARIANTS
from backend.services.families.base import GraphKind, LoraRule, ModelFamily, NegativeRule
from backend.services.workflows.intent import family_for, kind_of, with_hint
from backend.utils.errors import WorkflowError

#: Answers that are remembered.
_KEPT = 256


def unused_params_of(request: RenderRequest) -> frozenset[str]:
    """Name them as clients do.

    While no model is named, those that no family reads which could be chosen. Empty for a custom
    graph, which reads what it has placeholders for, and for what no server could render.
    """
    if request.workflow_json is not None:
        return frozenset()
    # Words, seed and file decide nothing: the jobs of a batch ask the same thousands of times.
    negative = "-" if request.negative_prompt else ""
    alike = {"prompt": "", "negative_prompt": negative, "seed": 0, "filename_prefix": "any"}
    return _unused_by_shape(request.model_copy(update=alike))


@lru_cache(maxsize=_KEPT)
def _unused_by_shape(request: RenderRequest) -> frozenset[str]:
    if request.model is None:
        told = [_unused(request, family, family.official_model) for family in VARIANTS]
    else:
        told = [_unused(request, *found) for found in _named(request, request.model)]
    sets = [names for names in told if names is not None]
    return frozenset.intersection(*sets) if sets else frozenset()


def _named(request: RenderRequest, model: str) -> Iterator[tuple[ModelFamily, str]]:
    with suppress(WorkflowError):
        yield family_for(request, model), model


def _unused(request: RenderRequest, family: ModelFamily, model: str) -> frozenset[str] | None:
    """Give what one family does not read; None when it can't do what is asked."""
    hinted = with_hint(request, family)
    try:
        kind = kind_of(hinted, family, model)
    except WorkflowError:
        return None
    idle = _idle(request, family, kind)
    given = {
        "input_reference_url": request.input_reference_url is not None and hinted is request,
        "batch_size": request.batch_size > 1 and kind.makes is ContentType.VIDEO,
        "loras": bool(request.loras) and family.lora_rule is LoraRule.NONE,
        "negative_prompt": bool(request.negative_prompt) and family.negative is NegativeRule.NONE,
        **{name: getattr(request, field) is not None for name, field in idle},
    }
    return frozenset(name for name, said in given.items() if said)


def _idle(
    request: RenderRequest, family: ModelFamily, kind: GraphKind
) -> Iterator[tuple[str, str]]:
    """Give name and field of each parameter that this kind of this family does not read.

    What only repeats the preset, as clients send it back, is not held against them.
    """
    preset = family.preset(request.preset, refined=request.refiner is not None)
    if kind not in {GraphKind.IMAGE_TO_IMAGE, GraphKind.INPAINT}:
        yield "denoise", "denoise"
    if not family.motion_bucket:
        yield "motion_bucket_id", "motion_bucket_id"
    if family.clip_skip is None:
        yield "clip_skip", "clip_skip"
    if preset.guidance is None:
        yield "guidance", "guidance"
    if preset.shift is None:
        yield "shift", "shift"
    if family.own_scheduler and request.scheduler != preset.scheduler:
        yield "scheduler", "scheduler"
    if family.frame_rule is None:
        yield "video_frames", "frames"
        yield "video_fps", "fps"
    if not family.own_vae and all(slot.role != "vae" for slot in family.files):
        yield "vae", "vae"
    if family.id == "hunyuan_video" and request.cfg != preset.cfg:  # its guider knows no cfg
        yield "cfg", "cfg"
