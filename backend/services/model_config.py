"""Model families as clients read them. Pure: everything comes from model_config."""

from typing import Any

from backend.models.render import PresetName
from backend.services.families import FAMILIES, VARIANTS
from backend.services.families.base import GraphKind, ModelFamily
from backend.services.families.detection import detect
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
    by_key = {family.key: family for family in VARIANTS}
    family = by_key.get(name.strip().lower())
    if family is not None:
        return family
    detection = detect(name)
    if detection.family is None:
        ids = [family.id for family in FAMILIES]
        raise ResourceNotFoundError(
            f"'{name}' is none of the families {', '.join(ids)}, and as a file {detection.reason}.",
            code="MODEL_UNKNOWN",
            families=ids,
        )
    return detection.family


def _type_of(family: ModelFamily) -> dict[str, object]:
    return {
        "id": family.id,
        "name": family.label,
        "generation_types": sorted(_makes(family)),
        "kinds": [kind for kind in GraphKind if kind in _kinds(family)],
        "folder": family.folder,
        "presets": list(family.presets),
        "default_preset": family.default_preset,
        "sizes": [{"width": width, "height": height} for width, height in family.sizes],
        "size_multiple": family.size_multiple,
        "frame_step": family.frame_rule.step if family.frame_rule else None,
        "default_fps": family.default_fps,
        "lora_rule": family.lora_rule,
        "negative_prompt": family.negative,
        "max_references": family.max_references,
        "vram_gb": family.vram_gb,
        "vram_class": family.vram_class,
        "variants": [one.key for one in VARIANTS if one.id == family.id],
        "hint": family.hint,
    }


def _kinds(family: ModelFamily) -> frozenset[GraphKind]:
    """List what any of a family's files does."""
    return frozenset(kind for one in VARIANTS if one.id == family.id for kind in one.kinds)


def _makes(family: ModelFamily) -> frozenset[str]:
    return frozenset(kind.makes for kind in _kinds(family))


def _preset_of(family: ModelFamily, preset: PresetName) -> dict[str, object]:
    settings = _settings(family, preset)
    size = f"{settings['width']} x {settings['height']}"
    frames = f", {settings['video_frames']} frames" if settings["video_frames"] else ""
    return {
        "id": f"{family.key}_{preset}",
        "name": preset.capitalize(),
        "description": f"{_PURPOSE[preset]}: {settings['steps']} steps, {size}{frames}.",
        "additional_params": _more(family, preset),
        "is_default": preset == family.default_preset,
        **settings,
    }


def _more(family: ModelFamily, name: PresetName) -> dict[str, object]:
    preset = family.preset(name)
    found = {
        "shift": preset.shift,
        "guidance": preset.guidance,
        "clip_skip": family.clip_skip,
        "loras": [slot.names[0] for slot in preset.loras] or None,
    }
    return {key: value for key, value in found.items() if value is not None}


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
