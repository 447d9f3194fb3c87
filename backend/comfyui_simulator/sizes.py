"""What single node classes do to a stack of pictures, as their code in ComfyUI 0.3.64 does."""

import math
from dataclasses import dataclass, replace
from typing import Any

#: comfy_extras/nodes_flux.py, PREFERED_KONTEXT_RESOLUTIONS; the turned ones are added below.
_KONTEXT = (
    (672, 1568), (688, 1504), (720, 1456), (752, 1392), (800, 1328), (832, 1248), (880, 1184),
    (944, 1104), (1024, 1024),
)  # fmt: skip
_KONTEXT_SIZES = tuple(dict.fromkeys((*_KONTEXT, *((high, wide) for wide, high in _KONTEXT))))
_MEGAPIXEL = 1024 * 1024


@dataclass(frozen=True)
class Frames:
    """A stack of pictures: pixels, how many batch members, how many frames each."""

    width: int
    height: int
    batch: int = 1
    length: int = 1

    @property
    def count(self) -> int:
        return self.batch * self.length


def changed(class_type: str, inputs: dict[str, Any], frames: Frames) -> Frames:
    """Give what comes out of a node that a stack goes through; most leave it as it is."""
    if class_type.startswith("VAEEncode"):
        return replace(frames, width=floor(frames.width, 8), height=floor(frames.height, 8))
    if class_type == "RepeatLatentBatch":
        return replace(frames, batch=frames.batch * whole(inputs.get("amount"), 1))
    if class_type == "ImageFromBatch":
        return _cut(frames, whole(inputs.get("batch_index"), 0), whole(inputs.get("length"), 1))
    if class_type == "ImageScaleToTotalPixels":
        return _with_pixels(frames, float(inputs.get("megapixels") or 1.0))
    if class_type == "FluxKontextImageScale":
        ratio = frames.width / frames.height
        width, height = min(_KONTEXT_SIZES, key=lambda size: abs(ratio - size[0] / size[1]))
        return replace(frames, width=width, height=height)
    return frames


def floor(value: int, multiple: int) -> int:
    return max(multiple, value // multiple * multiple)


def whole(value: Any, otherwise: int) -> int:
    return int(value) if isinstance(value, int | float) else otherwise


def _cut(frames: Frames, start: int, length: int) -> Frames:
    """ImageFromBatch clamps both, and gives at least one picture."""
    start = min(start, frames.count - 1)
    return replace(frames, batch=1, length=max(1, min(frames.count - start, length)))


def _with_pixels(frames: Frames, megapixels: float) -> Frames:
    scale = math.sqrt(megapixels * _MEGAPIXEL / (frames.width * frames.height))
    return replace(frames, width=round(frames.width * scale), height=round(frames.height * scale))
