"""Files: PNG with ComfyUI's text chunks, animated WebP, MP4 and WebM. Blocking; run in a thread."""

import io
import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import av
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from backend.comfyui_simulator.drawing import draw_frames, draw_preview, draw_still
from backend.comfyui_simulator.graph import DrawnPicture

VIDEO_CODECS = {".mp4": "libx264", ".webm": "libvpx-vp9"}
CODEC_OPTIONS = {
    "libx264": {"preset": "ultrafast", "crf": "23"},
    "libvpx-vp9": {"deadline": "realtime"},
}


@dataclass(frozen=True)
class OutputKind:
    """How one class of output node saves: file suffix, one file or one a picture."""

    suffix: str
    animated: bool


KINDS: Mapping[str, OutputKind] = {
    "SaveImage": OutputKind(".png", animated=False),
    "PreviewImage": OutputKind(".png", animated=False),
    "SaveAnimatedWEBP": OutputKind(".webp", animated=True),
    "SaveVideo": OutputKind(".mp4", animated=True),
    "SaveWEBM": OutputKind(".webm", animated=True),
}


def png_chunks(graph: Mapping[str, Any], extra_data: Mapping[str, Any]) -> PngInfo:
    """`prompt`, and each key of extra_pnginfo (`workflow`): what leaks with every real file."""
    info = PngInfo()
    info.add_text("prompt", json.dumps(graph))
    for key, value in (extra_data.get("extra_pnginfo") or {}).items():
        info.add_text(key, json.dumps(value))
    info.add_text("Software", "StoryCanvas ComfyUI simulator")
    return info


def write_png(path: Path, picture: DrawnPicture, index: int, chunks: PngInfo) -> None:
    draw_still(picture, index).save(path, "PNG", pnginfo=chunks, compress_level=1)


def write_animation(path: Path, picture: DrawnPicture, stop: threading.Event) -> None:
    if path.suffix == ".webp":
        write_webp(path, picture)
    else:
        write_video(path, picture, stop)


def write_webp(path: Path, picture: DrawnPicture) -> None:
    size = (picture.frames.width, picture.frames.height)
    first, *rest = draw_frames(picture, picture.frames.count, size)
    duration = int(1000.0 / picture.fps)
    first.save(path, save_all=True, append_images=rest, duration=duration, quality=80, method=0)


def write_video(path: Path, picture: DrawnPicture, stop: threading.Event) -> None:
    """4:2:0 needs even sides, so an odd size loses one pixel. `stop` ends it early."""
    frames = picture.frames
    size = (max(2, frames.width // 2 * 2), max(2, frames.height // 2 * 2))
    codec = VIDEO_CODECS[path.suffix]
    with av.open(str(path), "w") as container:
        rate = Fraction(picture.fps).limit_denominator(1001)
        stream = cast(
            av.VideoStream, container.add_stream(codec, rate=rate, options=CODEC_OPTIONS[codec])
        )
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p"
        for image in draw_frames(picture, frames.count, size):
            if stop.is_set():
                break
            frame = av.VideoFrame.from_image(image)  # type: ignore[no-untyped-call]
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def preview_jpeg(picture: DrawnPicture, step: int, steps: int) -> bytes:
    buffer = io.BytesIO()
    draw_preview(picture, step, steps).save(buffer, "JPEG", quality=85)
    return buffer.getvalue()


def reencoded(path: Path, preview: str, channel: str) -> tuple[bytes, str]:
    """`preview=webp;90` of /view: bytes and content type. Raises OSError when it is no picture."""
    kind, *rest = preview.split(";")
    if kind not in {"webp", "jpeg"} or "a" in channel:
        kind = "webp"
    quality = int(rest[-1]) if rest and rest[-1].isdigit() else 90
    with Image.open(path) as image:
        shown = image.convert("RGB") if kind == "jpeg" or channel == "rgb" else image
        buffer = io.BytesIO()
        shown.save(buffer, kind, quality=quality)
    return buffer.getvalue(), f"image/{kind}"


def one_channel(path: Path, channel: str) -> bytes:
    """`channel=rgb` or `a` of /view, as PNG."""
    with Image.open(path) as image:
        if channel == "rgb":
            shown = image.convert("RGB")
        else:
            shown = Image.new("RGBA", image.size)
            shown.putalpha(image.convert("RGBA").getchannel("A"))
        buffer = io.BytesIO()
        shown.save(buffer, "PNG")
    return buffer.getvalue()
