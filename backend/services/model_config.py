"""Model families: what each really makes, and settings that suit it.

Sources: the official templates of ComfyUI 0.3.64 (comfyui-workflow-templates 0.1.95) for the
quality presets, the node code for size and frame rules. The fast presets are our own choice:
fewer steps, otherwise the same picture.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from backend.models.content import ContentType
from backend.models.render import PresetName

Folder = Literal["checkpoints", "diffusion_models"]


@dataclass(frozen=True)
class Preset:
    """Sampler settings; `frames` only for video."""

    steps: int
    cfg: float
    sampler: str
    scheduler: str
    frames: int | None = None


@dataclass(frozen=True)
class FrameRule:
    """The model makes step x n + 1 frames (Wan: its VAE packs 4 frames into one)."""

    step: int

    def nearest(self, frames: int) -> int:
        """Round to what is made; between two the longer, so that a clip is not cut short."""
        return max(0, (frames - 1 + self.step // 2) // self.step) * self.step + 1


@dataclass(frozen=True)
class ModelFamily:
    """Sizes are pixels; `default_fps` is frames a second, None for stills."""

    id: str
    label: str
    kinds: frozenset[ContentType]
    folder: Folder
    size_multiple: int
    default_width: int
    default_height: int
    presets: Mapping[PresetName, Preset]
    frame_rule: FrameRule | None = None
    default_fps: float | None = None
    #: ModelSamplingSD3's shift, for families that take one.
    shift: float | None = None
    default_preset: PresetName = "quality"

    def preset(self, name: PresetName | None) -> Preset:
        return self.presets[name or self.default_preset]

    def side(self, wanted: int | None, default: int) -> int:
        """Round a side down to the multiple, as the latent nodes do; never below one multiple."""
        value = default if wanted is None else wanted
        return max(1, value // self.size_multiple) * self.size_multiple


_IMAGE = frozenset({ContentType.IMAGE})
_VIDEO = frozenset({ContentType.VIDEO})

SD15 = ModelFamily(
    id="sd15",
    label="Stable Diffusion 1.5",
    kinds=_IMAGE,
    folder="checkpoints",
    size_multiple=8,
    default_width=512,
    default_height=512,
    presets={
        "fast": Preset(12, 7.0, "dpmpp_2m", "karras"),
        "quality": Preset(20, 8.0, "euler", "normal"),
    },
)
SDXL = ModelFamily(
    id="sdxl",
    label="Stable Diffusion XL",
    kinds=_IMAGE,
    folder="checkpoints",
    size_multiple=8,
    default_width=1024,
    default_height=1024,
    presets={
        "fast": Preset(14, 6.0, "dpmpp_2m", "karras"),
        "quality": Preset(25, 7.0, "dpmpp_2m", "karras"),
    },
)
WAN_2_1 = ModelFamily(
    id="wan_2_1",
    label="Wan 2.1 text to video",
    kinds=_VIDEO,
    folder="diffusion_models",
    size_multiple=16,
    default_width=832,
    default_height=480,
    presets={
        "fast": Preset(15, 6.0, "uni_pc", "simple", frames=33),
        "quality": Preset(30, 6.0, "uni_pc", "simple", frames=81),
    },
    frame_rule=FrameRule(4),
    default_fps=16.0,
    shift=8.0,
)
#: A checkpoint whose name says nothing. Such names are mostly older: finetunes of 1.5. Files that
#: are SDXL inside work too, and are given its defaults when at least one side asked for is large.
PLAIN_CHECKPOINT = replace(SD15, id="checkpoint", label="Checkpoint of an unknown family")
LARGE_CHECKPOINT = replace(SDXL, id="checkpoint", label="Checkpoint of an unknown family")
_LARGE_SIDE = 832

#: In the order in which a model is chosen when none is named.
FAMILIES: tuple[ModelFamily, ...] = (SDXL, SD15, WAN_2_1)

_EXTENSION = re.compile(r"\.(safetensors|sft|ckpt|pth|pt|bin|gguf)$")
#: Needs another graph than the families here: a start picture, two stages, other encoders.
_OTHER_GRAPH = re.compile(
    r"i2v|ti2v|flf2v|vace|fun[._-]|refiner|inpaint|svd|ltx|flux|hunyuan|hidream|qwen|chroma"
    r"|mochi|cosmos|sd_?3|wan[._-]?2[._-]?2|cascade|upscale|turbo|lightning|hyper|lcm"
)
_NAMES: tuple[tuple[ModelFamily, re.Pattern[str]], ...] = (
    (WAN_2_1, re.compile(r"wan[._-]?2[._-]?1.*t2v|wan.*t2v[._-]?(1[._]3b|14b)")),
    (SDXL, re.compile(r"sd[._-]?xl|xl(?![a-z])|pony|illustrious|noobai|animagine")),
    (
        SD15,
        re.compile(
            r"sd[._-]?v?1[._-]?[45]|v1[._-]?[45](?!\d)|1[._]5|dreamshaper|deliberate|revanimated"
            r"|realistic[._-]?vision|epicrealism|anything[._-]?v?[345]|absolutereality|majicmix"
        ),
    ),
)


def detect_family(file_name: str) -> ModelFamily | None:
    """Tell a model's family by its file name; None when the name does not say.

    Distilled models (turbo, lightning, LCM) stay unknown: their steps and cfg are others.
    """
    base = file_name.replace("\\", "/").rpartition("/")[2].lower()
    stem = _EXTENSION.sub("", base)
    if _OTHER_GRAPH.search(stem):
        return None
    return next((family for family, names in _NAMES if names.search(stem)), None)


def family_of_checkpoint(file_name: str, width: int | None, height: int | None) -> ModelFamily:
    """Give the family whose settings a checkpoint file gets, known or not."""
    known = detect_family(file_name)
    if known is not None and known.folder == "checkpoints":
        return known
    large = max(width or 0, height or 0) >= _LARGE_SIDE or "xl" in file_name.lower()
    return LARGE_CHECKPOINT if large else PLAIN_CHECKPOINT


def needs_other_graph(file_name: str) -> bool:
    """Tell whether the plain graphs would surely give nonsense with this file."""
    base = file_name.replace("\\", "/").rpartition("/")[2].lower()
    return detect_family(file_name) is None and _OTHER_GRAPH.search(base) is not None
