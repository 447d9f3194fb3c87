"""Model families as clients read them. Pure: everything comes from `families`."""

from collections.abc import Sequence
from typing import Any

from backend.models.render import PresetName
from backend.services.families import FAMILIES, VARIANTS
from backend.services.families.base import GraphKind, ModelFamily
from backend.services.families.detection import detect
from backend.utils.errors import ResourceNotFoundError

_PURPOSE = {"fast": "For trying things out", "quality": "For the film"}


class ModelConfig:
    """What models are rendered with: families, presets, parameters, defaults.

    `families` are listed, `variants` are found by their keys.
    """

    def __init__(
        self,
        families: Sequence[ModelFamily] = FAMILIES,
        variants: Sequence[ModelFamily] = VARIANTS,
    ) -> None:
        self._families = families
        self._by_key = {family.key: family for family in variants}

    def types(self) -> dict[str, object]:
        """List the families, whatever the servers have."""
        return {"types": [_type_of(family) for family in self._families]}

    def presets_of(self, name: str) -> dict[str, object]:
        """Give every preset of a model's family."""
        family = self.family_named(name)
        presets = {preset: _preset_of(family, preset) for preset in family.presets}
        return {"model_name": name, "base_model": family.id, "presets": presets}

    def parameters_of(self, name: str, preset: PresetName | None = None) -> dict[str, Any]:
        """Give a preset's settings, of the family's default preset when none is named."""
        family = self.family_named(name)
        chosen = preset or family.default_preset
        return {
            "model_name": name,
            "model_type": family.id,
            "preset": chosen,
            "parameters": _settings(family, chosen),
        }

    def defaults_of(self, name: str) -> dict[str, Any]:
        """Give what a model is rendered with when nothing is asked for."""
        settings = self.parameters_of(name)
        return {**settings, "defaults": settings["parameters"]}

    def family_named(self, name: str) -> ModelFamily:
        """Find a family by its id, or by the name of a model file.

        ResourceNotFoundError with code MODEL_UNKNOWN lists the ids.
        """
        family = self._by_key.get(name.strip().lower())
        if family is not None:
            return family
        detection = detect(name)
        if detection.family is None:
            ids = [family.id for family in self._families]
            raise ResourceNotFoundError(
                f"'{name}' is none of the families {', '.join(ids)}, and as a file"
                f" {detection.reason}.",
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
