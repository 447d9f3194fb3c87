"""Parameters that were given and that the graph has no use for: a job names them. Pure."""

from collections.abc import Iterator

from backend.models.content import ContentType
from backend.models.render import RenderRequest
from backend.services.model_config import Kind, LoraRule, ModelFamily, NegativeRule
from backend.services.workflows.wishes import family_for, kind_of, with_hint
from backend.utils.errors import WorkflowError


def unread_params(request: RenderRequest) -> frozenset[str]:
    """Name them as clients do.

    Empty while no model is named, since then nobody knows yet who will read them, and for a custom
    graph, which reads what it has placeholders for. One that no server could render reads all.
    """
    if request.workflow_json is not None or request.model is None:
        return frozenset()
    try:
        family = family_for(request, request.model)
        hinted = with_hint(request, family)
        kind = kind_of(hinted, family, request.model)
    except WorkflowError:
        return frozenset()
    given = {
        "input_reference_url": request.input_reference_url is not None and hinted is request,
        "batch_size": request.batch_size > 1 and kind.makes is ContentType.VIDEO,
        "loras": bool(request.loras) and family.lora_rule is LoraRule.NONE,
        "negative_prompt": bool(request.negative_prompt) and family.negative is NegativeRule.NONE,
        **{
            name: getattr(request, field) is not None
            for name, field in _idle(request, family, kind)
        },
    }
    return frozenset(name for name, said in given.items() if said)


def _idle(request: RenderRequest, family: ModelFamily, kind: Kind) -> Iterator[tuple[str, str]]:
    """Give name and field of each parameter that this kind of this family does not read."""
    preset = family.preset(request.preset, refined=request.refiner is not None)
    if kind not in {Kind.IMAGE_TO_IMAGE, Kind.INPAINT}:
        yield "denoise", "denoise"
    if not family.motion_bucket:
        yield "motion_bucket_id", "motion_bucket_id"
    if family.clip_skip is None:
        yield "clip_skip", "clip_skip"
    if preset.guidance is None:
        yield "guidance", "guidance"
    if preset.shift is None:
        yield "shift", "shift"
    if family.own_scheduler:
        yield "scheduler", "scheduler"
    if family.frame_rule is None:
        yield "video_frames", "frames"
        yield "video_fps", "fps"
    if not family.own_vae and all(slot.role != "vae" for slot in family.files):
        yield "vae", "vae"
    if family.id == "hunyuan_video":  # its guider knows no cfg
        yield "cfg", "cfg"
