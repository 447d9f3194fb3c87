"""Model families as clients read them. Pure: everything comes from model_config."""

from typing import Any

from backend.models.render import PresetName
from backend.services.model_config import FAMILIES, ModelFamily, detect_family
from backend.utils.errors import ResourceNotFoundError

_PURPOSE = {"fast": "For trying things out", "quality": "For the film"}


def types() -> dict[str, object]:
    return {"types": [_type_of(family) for family in FAMILIES]}


def presets_of(name: str) -> dict[str, object]:
    family = family_named(name)
    presets = {preset: _preset_of(family, preset) for preset in family.presets}
    return {"model_name": name, "base_model": family.id, "presets": presets}


def parameters_of(name: str, preset: PresetName | None = None) -> dict[str, Any]:
    """Give a preset's settings, of the family's default preset when none is named."""
    family = family_named(name)
    chosen = preset or family.default_preset
    return {
        "model_name": name,
        "model_type": family.id,
        "preset": chosen,
        "parameters": _settings(family, chosen),
    }


def defaults_of(name: str) -> dict[str, Any]:
    settings = parameters_of(name)
    return {**settings, "defaults": settings["parameters"]}


def family_named(name: str) -> ModelFamily:
    """Find a family by its id, or by the name of a model file.

    ResourceNotFoundError with code MODEL_UNKNOWN lists the ids.
    """
    by_id = {family.id: family for family in FAMILIES}
    family = by_id.get(name.strip().lower()) or detect_family(name)
    if family is None:
        raise ResourceNotFoundError(
            f"'{name}' is neither one of the families {', '.join(by_id)},"
            " nor does a file's name like that tell which one it is.",
            code="MODEL_UNKNOWN",
            families=list(by_id),
        )
    return family


def _type_of(family: ModelFamily) -> dict[str, object]:
    return {
        "id": family.id,
        "name": family.label,
        "generation_types": sorted(family.kinds),
        "folder": family.folder,
        "presets": list(family.presets),
        "default_preset": family.default_preset,
    }


def _preset_of(family: ModelFamily, preset: PresetName) -> dict[str, object]:
    settings = _settings(family, preset)
    size = f"{settings['width']} x {settings['height']}"
    frames = f", {settings['video_frames']} frames" if settings["video_frames"] else ""
    return {
        "id": f"{family.id}_{preset}",
        "name": preset.capitalize(),
        "description": f"{_PURPOSE[preset]}: {settings['steps']} steps, {size}{frames}.",
        "additional_params": {} if family.shift is None else {"shift": family.shift},
        "is_default": preset == family.default_preset,
        **settings,
    }


def _settings(family: ModelFamily, name: PresetName) -> dict[str, Any]:
    preset = family.preset(name)
    return {
        "steps": preset.steps,
        "cfg": preset.cfg,
        "cfg_scale": preset.cfg,
        "sampler": preset.sampler,
        "scheduler": preset.scheduler,
        "width": family.default_width,
        "height": family.default_height,
        "video_fps": family.default_fps,
        "video_frames": preset.frames,
    }
