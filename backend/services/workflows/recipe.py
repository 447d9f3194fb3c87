"""A recipe: everything a built-in graph needs, decided and checked against the server."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from backend.models.render import LoraUse, RenderRequest
from backend.services.comfyui.catalog import ServerCatalog, nearest
from backend.services.families.base import FrameRule, GraphKind, ModelFamily, Preset
from backend.services.workflows.files import FoundFile
from backend.utils.errors import WorkflowError


@dataclass(frozen=True)
class Lora:
    """A LoRA file of the server.

    `clip_weight` None: its text encoder part follows the family's rule. `stage` None: for both
    stages, where there are two.
    """

    name: str
    weight: float
    clip_weight: float | None = None
    stage: str | None = None


@dataclass(frozen=True)
class Pictures:
    """What is given to begin from, as sources (`/uploads/…`)."""

    start: str | None = None
    end: str | None = None
    mask: str | None = None
    references: tuple[str, ...] = ()

    @property
    def shown(self) -> tuple[str, ...]:
        """All that an editing model looks at, the one to be edited first, each once."""
        start = (self.start,) if self.start else ()
        return tuple(dict.fromkeys((*start, *self.references)))


@dataclass(frozen=True)
class Recipe:
    """File names are in the server's own spelling, by role. Stills: `length` 1, `fps` None.

    `sized` tells whether the size was asked for: editing models else take it from the picture.
    `length` is the latent's: frames that are cut off again count.
    """

    family: ModelFamily
    kind: GraphKind
    files: Mapping[str, FoundFile]
    settings: Preset
    prompt: str
    negative_prompt: str
    width: int
    height: int
    seed: int
    filename_prefix: str
    loras: tuple[Lora, ...] = ()
    pictures: Pictures = field(default_factory=Pictures)
    sized: bool = False
    length: int = 1
    fps: float | None = None
    #: As asked for; None: the family's own.
    wanted_fps: float | None = None
    batch_size: int = 1
    denoise: float = 1.0
    clip_skip: int = 1
    motion_bucket_id: int = 127

    def file(self, role: str) -> str:
        return self.files[role].name


def pictures_of(request: RenderRequest) -> Pictures:
    return Pictures(
        start=request.init_image,
        end=request.end_image,
        mask=request.mask,
        references=request.reference_images,
    )


def settings_of(request: RenderRequest, family: ModelFamily) -> Preset:
    """Lay the request's own settings over the family's preset."""
    preset = family.preset(request.preset, refined=request.refiner is not None)
    scheduler = None if family.own_scheduler else request.scheduler
    return replace(
        preset,
        steps=request.steps or preset.steps,
        cfg=preset.cfg if request.cfg is None else float(request.cfg),
        sampler=request.sampler or preset.sampler,
        scheduler=scheduler or preset.scheduler,
        frames=_frames(request, family, preset),
        shift=_given(request.shift, preset.shift),
        guidance=_given(request.guidance, preset.guidance),
    )


def frame_rate(request: RenderRequest, family: ModelFamily) -> float | None:
    if family.frame_rule is None:
        return None
    return request.fps or family.default_fps


def length_of(family: ModelFamily, frames: int | None) -> int:
    return (family.frame_rule or FrameRule(1)).length(frames or 1)


def denoise_of(request: RenderRequest, family: ModelFamily, kind: GraphKind) -> float:
    """Give how much is painted over: everything, where there is no picture to keep."""
    if kind not in {GraphKind.IMAGE_TO_IMAGE, GraphKind.INPAINT}:
        return 1.0
    return family.default_denoise if request.denoise is None else request.denoise


def lora_of(use: LoraUse, name: str, stage: str | None) -> Lora:
    return Lora(name=name, weight=use.weight, clip_weight=use.clip_weight, stage=stage)


def check_choices(settings: Preset, family: ModelFamily, catalog: ServerCatalog) -> None:
    """Raise WorkflowError for a sampler or scheduler that this server does not offer."""
    wanted = [("sampler", "sampler_name", settings.sampler, catalog.samplers)]
    if not family.own_scheduler:
        wanted.append(("scheduler", "scheduler", settings.scheduler, catalog.schedulers))
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


def _given(wanted: float | None, preset: float | None) -> float | None:
    """A setting that the family does not have stays away, whatever is asked for."""
    return preset if wanted is None or preset is None else float(wanted)


def _hint(value: str, offered: Iterable[str]) -> str:
    close = nearest(value, offered)
    return f"; near to it: {', '.join(close)}" if close else ""
