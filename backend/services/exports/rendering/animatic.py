"""A film to watch: stills held, videos played, gaps black, the music under them."""

import io
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from itertools import islice, repeat
from pathlib import Path

import av
from av.container import OutputContainer
from PIL import Image

from backend.models.exports.frame_rate import FrameRate
from backend.services.exports.formats import placeholder
from backend.services.exports.rendering.burn_in import Slate
from backend.services.exports.rendering.planes import Canvas, Planes
from backend.services.exports.rendering.sound import SoundTrack, music, samples_of
from backend.services.exports.rendering.sources import frames, still
from backend.services.exports.rendering.tasks import Animatic, Shot
from backend.services.exports.rendering.writing import add_video, writing
from backend.services.media.media_probe import BrokenMediaError

Report = Callable[[float], None]

_QUALITY = {"crf": "20", "preset": "veryfast"}
_REPORT_SECONDS = 0.3


def render(task: Animatic, report: Report) -> None:
    """Write it; what can't be read becomes a card with the clip's name.

    `report` is told the finished part, 0 to 1. OSError when the disk is full.
    """
    rate = Fraction(*task.rate)
    canvas = Canvas(*task.size)
    with writing(Path(task.target)) as container:
        stream = add_video(container, rate, task.size, quality=_QUALITY)
        with _sound(container, task, rate) as sound:
            told = 0.0
            for number, frame in enumerate(_frames(task, canvas)):
                frame.pts, frame.time_base = number, 1 / rate
                container.mux(stream.encode(frame))
                sound.up_to(samples_of(number + 1, rate))
                if time.monotonic() > told + _REPORT_SECONDS:
                    told = time.monotonic()
                    report(number / task.frames)
            container.mux(stream.encode(None))


@contextmanager
def _sound(container: OutputContainer, task: Animatic, rate: Fraction) -> Iterator[SoundTrack]:
    """There is always a sound track, silent where there is no music."""
    heard: Iterator[av.AudioFrame] = iter(())
    if task.music:
        quiet, length = samples_of(task.music_at, rate), samples_of(task.music_frames, rate)
        heard = music(Path(task.music), quiet=quiet, length=length)
    track = SoundTrack(container, heard, samples=samples_of(task.frames, rate))
    yield track
    track.close()


def _frames(task: Animatic, canvas: Canvas) -> Iterator[av.VideoFrame]:
    """Every frame of the film; one that stands is encoded from the same memory again."""
    slate = Slate(canvas, FrameRate(*task.rate), wanted=task.burn_in, drop_frame=task.drop_frame)
    number = 0
    for shot in task.shots:
        before, made = None, None
        for planes in islice(_pictures(shot, canvas, Fraction(*task.rate)), shot.frames):
            if made is None or planes is not before or slate.changes_each_frame:
                made = canvas.frame(slate.burnt(planes, shot.name, number))
            before = planes
            yield made
            number += 1


def _pictures(shot: Shot, canvas: Canvas, rate: Fraction) -> Iterator[Planes]:
    """The pictures of a shot, without an end."""
    try:
        if shot.kind == "gap":
            yield from repeat(canvas.black)
        elif shot.kind == "still":
            yield from repeat(canvas.letterboxed(still(Path(shot.source))))
        elif shot.kind == "video":
            yield from _played(shot, canvas, rate)
    except BrokenMediaError:
        pass
    yield from repeat(_card(shot.name, canvas))


def _played(shot: Shot, canvas: Canvas, rate: Fraction) -> Iterator[Planes]:
    before, planes = None, canvas.black
    for picture in frames(Path(shot.source), rate, first=shot.source_in):
        if picture is not before:
            before, planes = picture, canvas.letterboxed(picture)
        yield planes


def _card(name: str, canvas: Canvas) -> Planes:
    png = placeholder.draw(name, size=(canvas.width, canvas.height))
    with Image.open(io.BytesIO(png)) as picture:
        return canvas.letterboxed(av.VideoFrame.from_image(picture.convert("RGB")))  # type: ignore[no-untyped-call]
