"""Pictures of a file, one for each frame of the timeline.

Blocking, like all of this package but `process`. What can't be read is a BrokenMediaError.
"""

import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from itertools import chain, islice
from pathlib import Path
from typing import TypeVar

import av
from av.container import InputContainer
from PIL import Image, ImageSequence, UnidentifiedImageError

from backend.services.media.media_probe import MAX_PIXELS, BrokenMediaError

T = TypeVar("T")

#: The containers that a stored video can have; nothing else is tried, so no playlist is read.
_DEMUXERS = ((4, b"ftyp", "mp4"), (0, b"\x1aE\xdf\xa3", "matroska"))
_PICTURES = ("PNG", "JPEG", "WEBP", "GIF")
_DEFAULT_MILLISECONDS = 100


@contextmanager
def faults() -> Iterator[None]:
    """Call whatever FFmpeg and Pillow raise for bad files by one name."""
    try:
        yield
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise BrokenMediaError("it has too many pixels") from error
    except UnidentifiedImageError as error:
        raise BrokenMediaError("it is neither an image nor a video") from error
    except FileNotFoundError as error:
        raise BrokenMediaError("it is not there") from error
    except (av.FFmpegError, SyntaxError, ValueError, EOFError, IndexError, TypeError) as error:
        raise BrokenMediaError(f"it is damaged: {error}") from error
    except OSError as error:
        if error.errno is not None:  # of the disk, not of the file
            raise
        raise BrokenMediaError(f"it is damaged: {error}") from error


@contextmanager
def opened(path: Path) -> Iterator[InputContainer | None]:
    """Open a video by the demuxer that its content names; None for a picture."""
    with faults(), path.open("rb") as handle:
        head = handle.read(16)
        demuxers = (name for at, magic, name in _DEMUXERS if head[at:].startswith(magic))
        demuxer = next(demuxers, None)
        if demuxer is None:
            yield None
            return
        handle.seek(0)
        with av.open(handle, "r", format=demuxer, metadata_errors="replace") as container:
            yield container


def still(path: Path) -> av.VideoFrame:
    """A picture as RGB, transparent parts black."""
    with faults(), Image.open(path, formats=_PICTURES) as picture:
        return _frame(picture)


def frames(path: Path, rate: Fraction, *, first: int = 0) -> Iterator[av.VideoFrame]:
    """The pictures of a video at a rate, without an end: the last one is held.

    BrokenMediaError at the first picture that can't be read, and if there is none.
    """
    with opened(path) as container:
        timed = _of_picture(path) if container is None else _of_video(container)
        yield from islice(held(at_rate(timed, rate)), first, None)


def at_rate(timed: Iterable[tuple[Fraction, T]], rate: Fraction) -> Iterator[T]:
    """Each picture from the frame on whose beginning is nearest to its own.

    Containers round times (Matroska to milliseconds), so the nearest is right, and the last one
    before would stutter.
    """
    shown: T | None = None
    at = 0
    for seconds, picture in timed:
        begins = math.floor(seconds * rate + Fraction(1, 2))
        while shown is not None and at < begins:
            yield shown
            at += 1
        shown = picture
    if shown is not None:
        yield shown


def held(pictures: Iterator[T]) -> Iterator[T]:
    """The last one again and again; BrokenMediaError if there is none."""
    last = next(pictures, None)
    if last is None:
        raise BrokenMediaError("it has no frame that can be decoded")
    yield last
    for picture in pictures:
        last = picture
        yield picture
    while True:
        yield last


def _of_video(container: InputContainer) -> Iterator[tuple[Fraction, av.VideoFrame]]:
    stream = next(iter(container.streams.video), None)
    if stream is None or not 0 < stream.width * stream.height <= MAX_PIXELS:
        raise BrokenMediaError("it has no picture that can be decoded")
    stream.thread_type = "AUTO"
    rate = stream.average_rate or stream.guessed_rate or Fraction(24)
    begin: Fraction | None = None
    for number, frame in enumerate(container.decode(stream)):
        at = Fraction(number) / rate
        if frame.pts is not None and frame.time_base is not None:
            at = frame.pts * frame.time_base
        begin = at if begin is None else begin
        yield max(at - begin, Fraction(0)), frame


def _of_picture(path: Path) -> Iterator[tuple[Fraction, av.VideoFrame]]:
    """Animated pictures, which FFmpeg before 9.0 can't decode as WebP. The last lasts its time."""
    at = Fraction(0)
    with Image.open(path, formats=_PICTURES) as picture:
        for still_picture in ImageSequence.Iterator(picture):
            shown = _frame(still_picture)
            yield at, shown
            length = still_picture.info.get("duration") or _DEFAULT_MILLISECONDS
            at += Fraction(length).limit_denominator(1000) / 1000


def _frame(picture: Image.Image) -> av.VideoFrame:
    if picture.width * picture.height > MAX_PIXELS:
        raise BrokenMediaError("it has too many pixels")
    if picture.has_transparency_data:
        seen = picture.convert("RGBA")
        black = Image.new("RGBA", seen.size, (0, 0, 0, 255))
        picture = Image.alpha_composite(black, seen)
    return av.VideoFrame.from_image(picture.convert("RGB"))  # type: ignore[no-untyped-call,no-any-return]


def first_and_rest(items: Iterator[T]) -> tuple[T, Iterator[T]]:
    """Look at the first of an iterator that has one."""
    first = next(items)
    return first, chain((first,), items)
