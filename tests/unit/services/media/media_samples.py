"""Small real media files, made on the spot."""

import io
from typing import Any

import av
from PIL import Image


def picture(image_format: str = "PNG", size: tuple[int, int] = (64, 48), **options: Any) -> bytes:
    out = io.BytesIO()
    Image.effect_noise(size, 60).convert("RGB").save(out, image_format, **options)
    return out.getvalue()


def animation(
    image_format: str = "WEBP",
    *,
    frames: int = 5,
    milliseconds: int = 125,
    size: tuple[int, int] = (64, 48),
) -> bytes:
    stills = [Image.new("RGB", size, (40 * index % 256, 90, 200)) for index in range(frames)]
    out = io.BytesIO()
    first, *rest = stills
    first.save(out, image_format, save_all=True, append_images=rest, duration=milliseconds)
    return out.getvalue()


def video(container: str = "mp4", *, frames: int = 9, rate: int = 16) -> bytes:
    """mp4 with H.264 as SaveVideo writes it (index at the end), or webm with VP9."""
    out = io.BytesIO()
    with av.open(out, "w", format=container) as writer:
        stream: Any = writer.add_stream(
            "libx264" if container == "mp4" else "libvpx-vp9", rate=rate
        )
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for index in range(frames):
            still = Image.new("RGB", (64, 48), (25 * index % 256, 90, 200))
            writer.mux(stream.encode(av.VideoFrame.from_image(still)))  # type: ignore[no-untyped-call]
        writer.mux(stream.encode(None))
    return out.getvalue()
