"""What a picture is, told by its content: its blocks are walked, then every frame is decoded.

Walking tells where a picture ends: what lies behind is not the picture. Sources: the PNG
specification (ISO 15948), ISO 10918-1 for JPEG and CIPA DC-007 for several of them in one file,
the GIF89a specification, Google's WebP container specification.
"""

import mmap
import re
import struct
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from backend.services.media.media_probe import MAX_PIXELS
from backend.utils.errors import UnsupportedMediaError

Data = bytes | mmap.mmap

TAKEN = "png, jpeg, webp and gif are taken"
_PNG = b"\x89PNG\r\n\x1a\n"
#: In a JPEG's entropy-coded data: a marker that is neither a stuffed byte nor a restart.
_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
_JPEG_END, _JPEG_SCAN = 0xD9, 0xDA
#: How far into a file the index of a multi-picture JPEG may be: its header's segments.
_MPF_WITHIN = 1 << 20


class TruncatedFileError(Exception):
    """The file ends before the picture does."""


def sniff_image(head: bytes) -> None:
    """Take the first bytes of a file; UnsupportedMediaError when none of the four begins so."""
    if picture_format(head) is None:
        raise UnsupportedMediaError(f"This is no picture of a kind that is known: {TAKEN}.")


def picture_format(head: bytes) -> str | None:
    """Give Pillow's name of the format that begins so."""
    if head.startswith(_PNG):
        return "PNG"
    if head.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if head[:6] in {b"GIF87a", b"GIF89a"}:
        return "GIF"
    return "WEBP" if head[:4] == b"RIFF" and head[8:12] == b"WEBP" else None


def check_whole(data: Data, name: str) -> None:
    """Walk a picture to its end, which must be the file's; zeros behind it are mere padding."""
    try:
        end = _ENDS[name](data)
    except (TruncatedFileError, IndexError) as error:
        raise UnsupportedMediaError("The picture is cut short: its end is missing.") from error
    if end > len(data):
        raise UnsupportedMediaError("The picture is cut short: its end is missing.")
    if data[end:].strip(b"\0"):
        raise UnsupportedMediaError(
            "The file holds more than the picture: something else follows it."
        )


def _end_of_png(data: Data) -> int:
    at = len(_PNG)
    while at + 12 <= len(data):
        size, name = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
        at += size + 12
        if name == b"IEND":
            return at
    raise TruncatedFileError


def _end_of_webp(data: Data) -> int:
    size = int.from_bytes(data[4:8], "little")
    return size + 8 + (size & 1)


def _end_of_jpeg(data: Data) -> int:
    """Phones put a depth map or an HDR gain map behind a photo, and list it in its header."""
    end = _end_of_one_jpeg(data, 0)
    if data.find(b"MPF\0", 0, min(end, _MPF_WITHIN)) < 0:
        return end
    while (start := _next_jpeg(data, end)) is not None:
        end = _end_of_one_jpeg(data, start)
    return end


def _next_jpeg(data: Data, at: int) -> int | None:
    found = data.find(b"\xff\xd8\xff", at)
    return found if found >= 0 and not data[at:found].strip(b"\0") else None


def _end_of_one_jpeg(data: Data, start: int) -> int:
    at = start + 2
    while True:
        while data[at] == 0xFF and data[at + 1] == 0xFF:  # fill bytes
            at += 1
        if data[at] != 0xFF:
            raise UnsupportedMediaError("The picture is damaged: no marker where one must be.")
        marker = data[at + 1]
        if marker == _JPEG_END:
            return at + 2
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        if marker == _JPEG_SCAN:
            found = _MARKER.search(data, at)
            if found is None:
                raise TruncatedFileError
            at = found.start()


def _end_of_gif(data: Data) -> int:
    at = 13 + _color_table(data[10])
    while data[at] != 0x3B:
        if data[at] == 0x21:  # an extension
            at = _after_sub_blocks(data, at + 2)
        elif data[at] == 0x2C:  # a frame
            at = _after_sub_blocks(data, at + 11 + _color_table(data[at + 9]))
        else:
            raise UnsupportedMediaError("The picture is damaged: no block where one must be.")
    return at + 1


def _color_table(flags: int) -> int:
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0


def _after_sub_blocks(data: Data, at: int) -> int:
    while size := data[at]:
        at += size + 1
    return at + 1


_ENDS: dict[str, Callable[[Data], int]] = {
    "PNG": _end_of_png,
    "JPEG": _end_of_jpeg,
    "GIF": _end_of_gif,
    "WEBP": _end_of_webp,
}


#: All frames of an animation together: 240 frames of 1920 x 1080, a few seconds' decoding.
MAX_ANIMATION_PIXELS = 500_000_000
#: Frames of an animation; a small file may claim millions of nothing.
MAX_FRAMES = 5_000
_EXTENSIONS = {"PNG": "png", "JPEG": "jpg", "WEBP": "webp", "GIF": "gif"}
_ORIENTATION = 0x0112
#: EXIF orientations that turn a picture on its side.
_TURNED = {5, 6, 7, 8}
#: What Pillow raises, beside OSError, while it reads broken files; it warns of some, which
#: raises where warnings are errors.
_BROKEN = (
    SyntaxError, ValueError, EOFError, IndexError, KeyError, TypeError, OverflowError,
    struct.error, zlib.error, Warning,
)  # fmt: skip


class ImageFacts(NamedTuple):
    """Pixels as the picture is shown: EXIF's orientation is taken into account."""

    extension: str
    width: int
    height: int


def probe_image(path: Path) -> ImageFacts:
    """Decode a picture. Blocking: call it in a thread.

    UnsupportedMediaError when it is none we take, broken, cut short, glued to something else, or
    so large that decoding it would take the memory of everything else.
    """
    name = _walk(path)
    with _readable(path, name) as picture:
        picture.verify()
    with _readable(path, name) as picture:
        width, height = picture.size
        turned = _orientation(picture) in _TURNED
        _load_all(picture)
    return ImageFacts(_EXTENSIONS[name], *((height, width) if turned else (width, height)))


def _walk(path: Path) -> str:
    with path.open("rb") as handle, mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ) as data:
        head = data[:16]
        sniff_image(head)
        name = picture_format(head) or ""
        check_whole(data, name)
    return name


@contextmanager
def _readable(path: Path, name: str) -> Iterator[Image.Image]:
    """Open with one reader, once the header says that the picture is of a sane size."""
    try:
        with Image.open(path, formats=[name]) as picture:
            _check_size(*picture.size)
            yield picture
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _too_large() from error
    except (*_BROKEN, OSError) as error:
        # Pillow's words for broken files; a disk that fails is not one of them.
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise UnsupportedMediaError("The picture is damaged and can't be decoded.") from error


def _load_all(picture: Image.Image) -> None:
    frames = getattr(picture, "n_frames", 1)
    if frames > MAX_FRAMES:
        raise UnsupportedMediaError(f"An animation may have {MAX_FRAMES:,} frames at most.")
    total = 0
    for index in range(frames):
        picture.seek(index)
        _check_size(*picture.size)
        total += picture.width * picture.height
        if frames > 1 and total > MAX_ANIMATION_PIXELS:
            raise UnsupportedMediaError(
                f"An animation may have {MAX_ANIMATION_PIXELS // 1_000_000} megapixels at most, "
                "all its frames together."
            )
        picture.load()


def _orientation(picture: Image.Image) -> int:
    """Give EXIF's orientation; a damaged note beside a sound picture counts as none."""
    try:
        value = picture.getexif().get(_ORIENTATION, 1)
    except (*_BROKEN, OSError):
        return 1
    return value if isinstance(value, int) else 1


def _check_size(width: int, height: int) -> None:
    if width < 1 or height < 1 or width * height > MAX_PIXELS:
        raise _too_large()


def _too_large() -> UnsupportedMediaError:
    return UnsupportedMediaError(
        f"A picture may have {MAX_PIXELS // 1_000_000} megapixels at most.", max_pixels=MAX_PIXELS
    )
