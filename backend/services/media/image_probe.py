"""Finds out what a picture is: reads its blocks to its end, then decodes every frame."""

import mmap
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from backend.services.media.media_probe import MAX_PIXELS
from backend.utils.errors import UnsupportedMediaError
from backend.utils.file_validator import (
    check_whole,
    picture_format,
    sniff_image,
)

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
