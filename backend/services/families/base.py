"""What a model family is: immutable data that detection, builders, routes and documents share."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

from backend.models.content import ContentType
from backend.models.render import PresetName

Folder = Literal["checkpoints", "diffusion_models"]
Size = tuple[int, int]


class GraphKind(StrEnum):
    """What a graph makes, and from what."""

    TEXT_TO_IMAGE = "text_to_image"
    IMAGE_TO_IMAGE = "image_to_image"
    INPAINT = "inpaint"
    EDIT = "edit"
    TEXT_TO_VIDEO = "text_to_video"
    IMAGE_TO_VIDEO = "image_to_video"
    FIRST_LAST_FRAME = "first_last_frame"

    @property
    def makes(self) -> ContentType:
        return ContentType.VIDEO if self in _VIDEO_KINDS else ContentType.IMAGE


_VIDEO_KINDS = frozenset(
    {GraphKind.TEXT_TO_VIDEO, GraphKind.IMAGE_TO_VIDEO, GraphKind.FIRST_LAST_FRAME}
)
#: What every family does whose latent can be begun from a picture.
STILL_KINDS = frozenset({GraphKind.TEXT_TO_IMAGE, GraphKind.IMAGE_TO_IMAGE, GraphKind.INPAINT})


class LoraRule(StrEnum):
    """What a LoRA changes, and so which node loads it."""

    #: LoraLoader: model and text encoder, each with its own strength.
    MODEL_AND_CLIP = "model_and_clip"
    #: LoraLoaderModelOnly; LoraLoader for one that is given a strength for the text encoder.
    MODEL = "model"
    #: LoraLoaderModelOnly on both models; one named for a stage goes to that stage alone.
    BOTH_STAGES = "both_stages"
    NONE = "none"


class NegativeRule(StrEnum):
    USED = "used"
    #: Guidance is off (cfg 1), so what it says changes nothing.
    WITHOUT_EFFECT = "without_effect"
    NONE = "none"


class VramClass(StrEnum):
    """By the gigabytes that the official files want without offloading; our own estimate."""

    SMALL = "small"
    MEDIUM = "medium"
    LARGE = "large"

    @classmethod
    def of(cls, gigabytes: int) -> "VramClass":
        if gigabytes <= 8:
            return cls.SMALL
        return cls.MEDIUM if gigabytes <= 16 else cls.LARGE


@dataclass(frozen=True)
class FileSlot:
    """A file beside the model. The first of `names` is the official one, the others do as well.

    `role` is what builders know it by.
    """

    role: str
    folder: str
    names: tuple[str, ...]
    class_type: str
    input_name: str


@dataclass(frozen=True)
class Preset:
    """Sampler settings. `frames` are those that come out, None for stills.

    `switch` is the share of the steps after which the second model takes over. `loras` must be
    there for these settings to work, at strength 1.
    """

    steps: int
    cfg: float
    sampler: str
    scheduler: str
    frames: int | None = None
    shift: float | None = None
    guidance: float | None = None
    switch: float | None = None
    loras: tuple[FileSlot, ...] = ()


Presets = Mapping[PresetName, Preset]


@dataclass(frozen=True)
class FrameRule:
    """The model makes step x n + 1 frames (Wan: its VAE packs 4 frames into one).

    `dropped` frames at the front are made and cut off again.
    """

    step: int
    minimum: int = 1
    maximum: int = 4093
    dropped: int = 0

    def nearest(self, frames: int) -> int:
        """Round to what comes out; between two the longer, so that a clip is not cut short."""
        wanted = min(max(frames, self.minimum), self.maximum)
        return max(0, (wanted - 1 + self.step // 2) // self.step) * self.step + 1

    def length(self, frames: int) -> int:
        """Give the latent's length for frames that come out."""
        return frames + self.dropped


@dataclass(frozen=True, eq=False)
class ModelFamily:
    """Sizes are pixels; `default_fps` is frames a second, None for stills.

    A variant is the same family with other settings or files: `variant` is "" for the plain one.
    It compares and hashes by identity, so that answers can be kept per family.
    """

    id: str
    label: str
    kinds: frozenset[GraphKind]
    folder: Folder
    size_multiple: int
    default_width: int
    default_height: int
    presets: Presets
    #: The file that ComfyUI's own template names.
    official_model: str
    vram_gb: int
    variant: str = ""
    files: tuple[FileSlot, ...] = ()
    sizes: tuple[Size, ...] = ()
    frame_rule: FrameRule | None = None
    default_fps: float | None = None
    lora_rule: LoraRule = LoraRule.MODEL
    negative: NegativeRule = NegativeRule.USED
    #: Also comes as one checkpoint that has encoder and VAE in it.
    single_file: bool = False
    #: How much of a start picture is painted over when the request does not say.
    default_denoise: float = 0.6
    #: Layers of the text encoder left out, counted from 1 (all used); None: it takes no such thing.
    clip_skip: int | None = None
    #: Takes a VAE file in place of the checkpoint's own.
    own_vae: bool = False
    #: Pictures of somebody or something that it can be shown, beside the one to begin from.
    max_references: int = 0
    #: Files that showing references takes on top.
    reference_files: tuple[FileSlot, ...] = ()
    #: With a refiner the settings are these.
    refined: Presets = field(default_factory=dict)
    #: Its graph has a scheduler of its own; the request's is not read.
    own_scheduler: bool = False
    motion_bucket: bool = False
    min_side: int = 16
    #: What helps it to understand a prompt.
    hint: str = ""
    default_preset: PresetName = "quality"

    @property
    def key(self) -> str:
        """The id of a family and its variant: "hidream", "hidream_dev"."""
        return f"{self.id}_{self.variant}" if self.variant else self.id

    @property
    def makes(self) -> frozenset[ContentType]:
        return frozenset(kind.makes for kind in self.kinds)

    @property
    def vram_class(self) -> VramClass:
        return VramClass.of(self.vram_gb)

    @property
    def shift(self) -> float | None:
        return self.preset(None).shift

    def preset(self, name: PresetName | None, *, refined: bool = False) -> Preset:
        presets = self.refined if refined and self.refined else self.presets
        return presets[name or self.default_preset]

    def side(self, wanted: int | None, default: int) -> int:
        """Round a side down to the multiple, as the latent nodes do; never below the smallest."""
        value = default if wanted is None else wanted
        smallest = math.ceil(self.min_side / self.size_multiple)
        return max(smallest, value // self.size_multiple) * self.size_multiple
