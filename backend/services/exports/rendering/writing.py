"""Files that every editor and player reads: mp4, H.264, AAC, the index in front."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import av
from av.container import OutputContainer
from av.video.stream import VideoStream

#: BT.709 in FFmpeg's numbering of primaries, transfer and matrix; MPEG is the limited range.
_BT709, _MPEG_RANGE = 1, 1
_DISK_FULL = {errno.ENOSPC, errno.EDQUOT}


@contextmanager
def writing(target: Path) -> Iterator[OutputContainer]:
    """Write an mp4 that is safe on the disk at the end. OSError when there is no room."""
    try:
        with av.open(
            str(target), "w", format="mp4", options={"movflags": "+faststart"}
        ) as container:
            yield container
    except av.FFmpegError as error:
        if error.errno in _DISK_FULL:
            raise OSError(error.errno, "no room for the video") from error
        raise
    flush_to_disk(target)


def flush_to_disk(path: Path) -> None:
    with path.open("rb+") as handle:
        os.fsync(handle.fileno())


def add_video(
    container: OutputContainer, rate: Fraction, size: tuple[int, int], *, quality: dict[str, str]
) -> VideoStream:
    """Constant rate, closed groups of a second, no B-frames: it begins at 0 and cuts anywhere."""
    nominal = -(-rate.numerator // rate.denominator)
    closed = f"keyint={nominal}:open-gop=0:bframes=0:rc-lookahead=10"
    options = {**quality, "x264-params": closed}
    stream = container.add_stream("libx264", rate=rate, options=options)
    stream.width, stream.height = size
    stream.pix_fmt = "yuv420p"
    stream.time_base = 1 / rate
    context = stream.codec_context
    context.time_base = 1 / rate
    context.color_primaries = context.color_trc = context.colorspace = _BT709
    context.color_range = _MPEG_RANGE
    return stream
