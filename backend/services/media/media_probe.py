"""Finds out what a media file is by its content, never by its name or a header.

Blocking: call it in a thread. A file that is garbage, cut short or a bomb raises BrokenMediaError.
"""

import errno
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
from av.container import InputContainer, OutputContainer
from av.video.stream import VideoStream
from PIL import Image, ImageOps, UnidentifiedImageError

from backend.models.content import ContentType

THUMBNAIL_SIDE = 512
#: 8192 x 8192: above it a decoded picture takes more than 256 MB.
MAX_PIXELS = 67_108_864
#: Of all frames of an animated picture together: an hour of work for one small file otherwise.
_MAX_ANIMATION_PIXELS = 8_000_000_000
#: So many frames of a video are decoded, which is every frame of what these models make; of a
#: longer one the rest is only demuxed.
_DECODED_FRAMES = 400
#: File rates of ComfyUI's SaveAnimatedWEBP, which stores int(1000 / fps) milliseconds a frame.
_COMMON_RATES = (24, 30, 16, 12, 15, 48, 60)

#: What Pillow raises, beside OSError, while it reads broken files.
_BROKEN = (SyntaxError, ValueError, EOFError, IndexError, TypeError, struct.error, zlib.error)
_IMAGE_FORMATS = {
    "PNG": ("png", "image/png"),
    "JPEG": ("jpg", "image/jpeg"),
    "WEBP": ("webp", "image/webp"),
    "GIF": ("gif", "image/gif"),
}
_VIDEO_FORMATS = {
    "mp4": ("mp4", "video/mp4"),
    "webm": ("webm", "video/webm"),
    "matroska": ("mkv", "video/x-matroska"),
}
_STILL_BRANDS = (b"avif", b"heic", b"heix", b"mif1")
#: Every extension a stored file can have.
EXTENSIONS = tuple(ext for ext, _ in (*_VIDEO_FORMATS.values(), *_IMAGE_FORMATS.values()))


class BrokenMediaError(Exception):
    """The file is not media that we keep; the message says why."""


@dataclass(frozen=True)
class MediaInfo:
    """Sizes in pixels, `duration` in seconds; stills have no duration, fps or frames."""

    content_type: ContentType
    media_type: str
    extension: str
    width: int
    height: int
    duration: float | None = None
    fps: float | None = None
    frames: int | None = None

    @property
    def is_animated_picture(self) -> bool:
        return self.content_type is ContentType.VIDEO and self.media_type.startswith("image/")


def probe(path: Path) -> MediaInfo:
    """Decode the file and tell what it is."""
    with path.open("rb") as handle:
        head = handle.read(64)
    if head[4:8] == b"ftyp" and head[8:12] not in _STILL_BRANDS:
        return _probe_video(path, "mp4")
    if head.startswith(b"\x1aE\xdf\xa3"):
        return _probe_video(path, "webm" if b"webm" in head else "matroska")
    return _probe_picture(path)


def first_frame(path: Path, *, at_least: tuple[int, int] | None = None) -> Image.Image:
    """The first picture of a file, told by its content, upright.

    `at_least` in pixels lets a JPEG be decoded smaller than it is.
    """
    with path.open("rb") as handle:
        head = handle.read(64)
    if demuxer := _demuxer(head):
        with _video(path, demuxer) as (container, _):
            first = next(container.decode(video=0))
            frame: Image.Image = first.to_image()  # type: ignore[no-untyped-call]
            return frame
    with _picture(path) as picture:
        if at_least:
            picture.draft("RGB", at_least)
        picture.load()
        return ImageOps.exif_transpose(picture)


def write_thumbnail(source: Path, info: MediaInfo, target: Path) -> None:
    """Write the first frame as WebP, its longest side at most THUMBNAIL_SIDE pixels."""
    frame: Image.Image
    if info.media_type.startswith("image/"):
        with _picture(source) as picture:
            frame = picture.convert("RGBA" if picture.has_transparency_data else "RGB")
    else:
        with _video(source, "mp4" if info.extension == "mp4" else "matroska") as (container, _):
            first = next(container.decode(video=0))
            frame = first.to_image()  # type: ignore[no-untyped-call]
    frame.thumbnail((THUMBNAIL_SIDE, THUMBNAIL_SIDE))
    frame.save(target, "WEBP", quality=82)


def _demuxer(head: bytes) -> str | None:
    """None for what is no video, by its first bytes."""
    if head[4:8] == b"ftyp" and head[8:12] not in _STILL_BRANDS:
        return "mp4"
    return "matroska" if head.startswith(b"\x1aE\xdf\xa3") else None


def convert_to_mp4(source: Path, info: MediaInfo, target: Path) -> MediaInfo:
    """Write an animated picture as H.264, which every player and editor reads; tell the new info.

    yuv420p needs even sides: an odd one loses its last row or column. Transparency becomes black.
    """
    width, height = info.width // 2 * 2, info.height // 2 * 2
    if not width or not height:
        raise BrokenMediaError("the animation is too small for a video")
    rate = Fraction(info.fps or 1).limit_denominator(1001)
    with _picture(source) as picture, _encoding(target) as container:
        stream = container.add_stream("libx264", rate=rate, options={"crf": "16"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for index in range(info.frames or 1):
            picture.seek(index)
            still = picture.convert("RGB").crop((0, 0, width, height))
            frame = av.VideoFrame.from_image(still)  # type: ignore[no-untyped-call]
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return _probe_video(target, "mp4")


@contextmanager
def _encoding(target: Path) -> Iterator[OutputContainer]:
    try:
        with av.open(
            str(target), "w", format="mp4", options={"movflags": "+faststart"}
        ) as container:
            yield container
    except av.FFmpegError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise OSError(error.errno, "no room for the converted video") from error
        raise BrokenMediaError("it can't be converted to a video") from error


def _probe_picture(path: Path) -> MediaInfo:
    with _picture(path) as picture:
        picture.verify()
    with _picture(path) as picture:
        extension, media_type = _IMAGE_FORMATS[picture.format or ""]
        frames = getattr(picture, "n_frames", 1)
        if frames > 1:
            return _probe_animation(picture, frames, extension, media_type)
        picture.load()
        size = picture.size
    return MediaInfo(ContentType.IMAGE, media_type, extension, *size)


def _probe_animation(
    picture: Image.Image, frames: int, extension: str, media_type: str
) -> MediaInfo:
    if frames * picture.width * picture.height > _MAX_ANIMATION_PIXELS:
        raise BrokenMediaError(f"it has too many frames ({frames})")
    milliseconds: list[float] = []
    for index in range(frames):
        picture.seek(index)
        picture.load()
        milliseconds.append(float(picture.info.get("duration") or 100))
    fps = _rate(milliseconds)
    return MediaInfo(
        ContentType.VIDEO,
        media_type,
        extension,
        *picture.size,
        duration=round(frames / fps, 3),
        fps=fps,
        frames=frames,
    )


def _rate(milliseconds: list[float]) -> float:
    """Undo the rounding to whole milliseconds where all frames last as long as a common rate's."""
    mean = sum(milliseconds) / len(milliseconds)
    if len(set(milliseconds)) == 1 and 1000 % mean:
        for rate in _COMMON_RATES:
            if int(1000 / rate) == int(mean):
                return float(rate)
    return round(min(max(1000 / mean, 0.1), 120.0), 3)


@contextmanager
def _picture(path: Path) -> Iterator[Image.Image]:
    """Open a picture of a kind that we keep, once its header says that it is of a sane size."""
    try:
        with Image.open(path, formats=list(_IMAGE_FORMATS)) as picture:
            _check_size(*picture.size)
            yield picture
    except UnidentifiedImageError as error:
        raise BrokenMediaError("it is neither an image nor a video") from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise BrokenMediaError("it has too many pixels") from error
    except (*_BROKEN, OSError) as error:
        # Pillow's words for broken files; a full disk is not one of them.
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise BrokenMediaError(f"it is damaged: {error}") from error


def _probe_video(path: Path, kind: str) -> MediaInfo:
    with _video(path, "mp4" if kind == "mp4" else "matroska") as (container, stream):
        frames, end = _walk(container, stream)
        _check_complete(container, stream, frames, end)
        fps = float(stream.average_rate or stream.guessed_rate or 0)
        extension, media_type = _VIDEO_FORMATS[kind]
        return MediaInfo(
            ContentType.VIDEO,
            media_type,
            extension,
            stream.width,
            stream.height,
            duration=round(frames / fps, 3) if fps else round(end, 3),
            fps=round(fps, 3) or None,
            frames=frames,
        )


def _walk(container: InputContainer, stream: VideoStream) -> tuple[int, float]:
    """Read to the end, decoding the first frames; give the frame count and the end in seconds."""
    frames, end, decoded = 0, 0.0, 0
    for packet in container.demux(stream):
        if packet.pts is not None and packet.time_base is not None:
            frames += 1
            length = packet.duration or 0
            end = max(end, float((packet.pts + length) * packet.time_base))
        if decoded < _DECODED_FRAMES:
            decoded += len(packet.decode())
    if not decoded:
        raise BrokenMediaError("it has no frame that can be decoded")
    return frames, end


def _check_complete(
    container: InputContainer, stream: VideoStream, frames: int, end: float
) -> None:
    """Compare with what the header promises: a file cut short demuxes without an error."""
    promised = 0.0
    if stream.duration and stream.time_base:
        promised = float(stream.duration * stream.time_base)
    elif container.duration and len(container.streams) == 1:
        promised = container.duration / av.time_base
    if frames < stream.frames or end < promised - 1.0:
        raise BrokenMediaError("it is cut short")


@contextmanager
def _video(path: Path, demuxer: str) -> Iterator[tuple[InputContainer, VideoStream]]:
    """Open with one demuxer and an open file: a playlist can't make FFmpeg fetch anything."""
    try:
        with (
            path.open("rb") as handle,
            av.open(handle, "r", format=demuxer, metadata_errors="replace") as container,
        ):
            stream = next(iter(container.streams.video), None)
            if stream is None or not getattr(stream, "width", 0):  # no decoder: no width either
                raise BrokenMediaError("it has no picture that can be decoded")
            _check_size(stream.width, stream.height)
            yield container, stream
    except (av.FFmpegError, EOFError, StopIteration) as error:
        raise BrokenMediaError("it is damaged or not a video") from error


def _check_size(width: int, height: int) -> None:
    if width < 1 or height < 1 or width * height > MAX_PIXELS:
        raise BrokenMediaError(f"its size of {width} x {height} pixels is out of range")
