"""A recipe: everything a built-in graph needs, decided and checked against the server."""

from collections.abc import Iterable
from dataclasses import dataclass

from backend.models.render import RenderRequest
from backend.services.model_config import ModelFamily, Preset
from backend.services.server_catalog import ServerCatalog, nearest
from backend.utils.errors import WorkflowError


@dataclass(frozen=True)
class Recipe:
    """File names are in the server's own spelling. `frames` is 1 and `fps` None for stills."""

    model: str
    loras: tuple[tuple[str, float], ...]
    prompt: str
    negative_prompt: str
    width: int
    height: int
    frames: int
    fps: float | None
    steps: int
    cfg: float
    sampler: str
    scheduler: str
    seed: int
    batch_size: int
    filename_prefix: str
    shift: float | None = None
    text_encoder: str = ""
    vae: str = ""


def settings_of(request: RenderRequest, family: ModelFamily) -> Preset:
    """Lay the request's own settings over the family's preset."""
    preset = family.preset(request.preset)
    return Preset(
        steps=request.steps or preset.steps,
        cfg=preset.cfg if request.cfg is None else float(request.cfg),
        sampler=request.sampler or preset.sampler,
        scheduler=request.scheduler or preset.scheduler,
        frames=_frames(request, family, preset),
    )


def frame_rate(request: RenderRequest, family: ModelFamily) -> float | None:
    if family.frame_rule is None:
        return None
    return request.fps or family.default_fps


def check_choices(settings: Preset, catalog: ServerCatalog) -> None:
    """Raise WorkflowError for a sampler or scheduler that this server does not offer."""
    wanted = (
        ("sampler", "sampler_name", settings.sampler, catalog.samplers),
        ("scheduler", "scheduler", settings.scheduler, catalog.schedulers),
    )
    errors = [
        {
            "loc": ["params", name],
            "msg": f"{name} '{value}' is not one of this server's{_hint(value, offered)}",
            "type": "value_not_in_list",
            "class_type": "KSampler",
            "input": input_name,
        }
        for name, input_name, value, offered in wanted
        if offered and value not in offered
    ]
    if errors:
        raise WorkflowError(f"The {errors[0]['msg']}.", errors=errors)


def _frames(request: RenderRequest, family: ModelFamily, preset: Preset) -> int | None:
    if family.frame_rule is None:
        return None
    return family.frame_rule.nearest(request.frames or preset.frames or 1)


def _hint(value: str, offered: Iterable[str]) -> str:
    close = nearest(value, offered)
    return f"; near to it: {', '.join(close)}" if close else ""
