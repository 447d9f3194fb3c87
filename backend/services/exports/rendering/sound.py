"""Sound of a file laid along a film: 48 kHz, stereo, AAC, exactly as long as the picture."""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer

RATE = 48_000
_FORMAT, _LAYOUT = "fltp", "stereo"
#: What AAC takes at once.
_BLOCK = 1024


def samples_of(frames: int, rate: Fraction) -> int:
    """Samples in so many pictures, the nearest whole number."""
    return round(frames / rate * RATE)


def from_file(container: InputContainer) -> Iterator[av.AudioFrame]:
    """The sound of a file as it is mixed here; what can't be read ends it."""
    resampler = av.AudioResampler(format=_FORMAT, layout=_LAYOUT, rate=RATE)
    try:
        for frame in container.decode(container.streams.audio[0]):
            yield from _unplaced(resampler.resample(frame))
        yield from _unplaced(resampler.resample(None))
    except (av.FFmpegError, ValueError):
        return


def music(path: Path, *, quiet: int, length: int) -> Iterator[av.AudioFrame]:
    """`quiet` samples of nothing, then up to `length` of a file."""
    yield from silence(quiet)
    try:
        with av.open(str(path), metadata_errors="replace") as container:
            if container.streams.audio:
                yield from _cut(from_file(container), length)
    except (av.FFmpegError, OSError):
        return


class SoundTrack:
    """Encodes sound up to where the picture is; silence where the sound has ended."""

    def __init__(
        self, container: OutputContainer, sound: Iterator[av.AudioFrame], *, samples: int
    ) -> None:
        self._container = container
        self._stream: AudioStream = container.add_stream("aac", rate=RATE, layout=_LAYOUT)
        self._stream.bit_rate = 192_000
        self._sound = sound
        self._fifo = av.AudioFifo()
        self._left = samples
        self._written = 0
        self._ended = False

    def up_to(self, sample: int) -> None:
        """Write whole blocks until this sample is reached."""
        while self._left and self._written < sample:
            self._write(self._block(min(_BLOCK, self._left)))

    def close(self) -> None:
        self.up_to(self._written + self._left)
        self._container.mux(self._stream.encode(None))

    def _block(self, samples: int) -> av.AudioFrame:
        while self._fifo.samples < samples:
            frame = next(self._sound, None)
            if frame is None:
                (frame,) = silence(samples - self._fifo.samples)
            self._fifo.write(frame)
        block = self._fifo.read(samples)
        if block is None:
            raise AssertionError("the fifo has so many samples")
        return block

    def _write(self, block: av.AudioFrame) -> None:
        block.pts, block.time_base = self._written, Fraction(1, RATE)
        self._container.mux(self._stream.encode(block))
        self._written += block.samples
        self._left -= block.samples


def _cut(frames: Iterator[av.AudioFrame], length: int) -> Iterator[av.AudioFrame]:
    fifo = av.AudioFifo()
    for frame in frames:
        if length <= 0:
            return
        fifo.write(frame)
        block = fifo.read(min(length, fifo.samples))
        if block is not None:
            length -= block.samples
            yield from _unplaced([block])


def _unplaced(frames: list[av.AudioFrame]) -> Iterator[av.AudioFrame]:
    """A fifo takes frames without a time as they come."""
    for frame in frames:
        frame.pts = None
        yield frame


def silence(samples: int) -> Iterator[av.AudioFrame]:
    """So many samples of nothing, a second at a time."""
    while samples > 0:
        block = min(samples, RATE)
        frame = av.AudioFrame(format=_FORMAT, layout=_LAYOUT, samples=block)
        frame.sample_rate = RATE
        for plane in frame.planes:
            plane.update(bytes(plane.buffer_size))
        samples -= block
        yield frame
