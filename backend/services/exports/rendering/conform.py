"""A video as editors like it: the timeline's rate, H.264, even sides, its sound kept."""

from collections.abc import Iterator
from contextlib import ExitStack
from fractions import Fraction
from itertools import chain, islice
from pathlib import Path

import av
from av.container import InputContainer, OutputContainer

from backend.services.exports.rendering.planes import as_video
from backend.services.exports.rendering.sound import (
    RATE,
    SoundTrack,
    from_file,
    samples_of,
    silence,
)
from backend.services.exports.rendering.sources import faults, first_and_rest, frames, opened
from backend.services.exports.rendering.tasks import Conform
from backend.services.exports.rendering.writing import add_video, writing
from backend.services.media.media_probe import BrokenMediaError

_QUALITY = {"crf": "16", "preset": "fast"}


def conform(task: Conform) -> None:
    """BrokenMediaError for a source that can't be decoded as far as it is needed.

    yuv420p needs even sides: an odd one becomes a pixel smaller.
    """
    rate = Fraction(*task.rate)
    source = Path(task.source)
    first, pictures = first_and_rest(frames(source, rate))
    size = (first.width // 2 * 2, first.height // 2 * 2)
    if 0 in size:
        raise BrokenMediaError("it is too small for a video")
    with ExitStack() as stack:
        container = stack.enter_context(writing(Path(task.target)))
        stream = add_video(container, rate, size, quality=_QUALITY)
        sound = _sound(stack, container, source, samples_of(task.frames, rate))
        for number, frame in enumerate(_converted(islice(pictures, task.frames), size)):
            frame.pts, frame.time_base = number, 1 / rate
            container.mux(stream.encode(frame))
            if sound:
                sound.up_to(samples_of(number + 1, rate))
        container.mux(stream.encode(None))
        if sound:
            sound.close()


def look(path: Path) -> dict[str, int]:
    """`width` and `height` of what `conform` wrote, and `channels`, 0 where it is silent."""
    with faults(), av.open(str(path), "r", format="mp4") as container:
        picture = container.streams.video[0]
        sound = container.streams.audio[0] if container.streams.audio else None
        size = {"width": picture.width, "height": picture.height}
        return {**size, "channels": sound.channels if sound else 0}


def _converted(pictures: Iterator[av.VideoFrame], size: tuple[int, int]) -> Iterator[av.VideoFrame]:
    """Each converted once, however long it stands."""
    before, made = None, None
    for picture in pictures:
        if made is None or picture is not before:
            before, made = picture, as_video(picture, *size)
        yield made


def _sound(
    stack: ExitStack, container: OutputContainer, source: Path, samples: int
) -> SoundTrack | None:
    heard = stack.enter_context(opened(source))
    if heard is None or not heard.streams.audio:
        return None
    return SoundTrack(container, chain(silence(_late(heard)), from_file(heard)), samples=samples)


def _late(source: InputContainer) -> int:
    """How many samples after the picture its sound begins."""
    begins = [
        Fraction(stream.start_time or 0) * (stream.time_base or 0)
        for stream in (source.streams.audio[0], source.streams.video[0])
    ]
    return max(0, round((begins[0] - begins[1]) * RATE))
