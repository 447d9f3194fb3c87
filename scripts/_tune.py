"""A short tune, made of sine waves: nobody's copyright, and no file to ship."""

import math
import wave
from array import array
from functools import lru_cache
from pathlib import Path

#: Hz; what video editors work in.
SAMPLE_RATE = 48_000

_NOTE_SECONDS = 0.25
_LOUDNESS = 9_000
#: A minor, F, C, G: two bars of eight notes a chord, as semitones from A3 (220 Hz).
_CHORDS = ((0, 3, 7, 12), (-4, 0, 3, 8), (3, 7, 10, 15), (-2, 2, 5, 10))
_FIGURE = (0, 1, 2, 3, 2, 1, 2, 1)


def write_tune(path: Path, seconds: float) -> None:
    """Write so many seconds as a 16-bit mono WAV file."""
    samples = _tune(round(seconds / _NOTE_SECONDS))
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE)
        file.writeframes(samples.tobytes())


def _tune(notes: int) -> "array[int]":
    samples = array("h")
    for number in range(notes):
        chord = _CHORDS[number // 16 % len(_CHORDS)]
        last = number == notes - 1
        samples.extend(_note(chord[_FIGURE[number % 8]], chord[0] - 12, fades=last))
    return samples


@lru_cache
def _note(semitone: int, bass: int, *, fades: bool) -> "array[int]":
    """A plucked note over a quiet bass; both die away before the next begins."""
    count = round(SAMPLE_RATE * _NOTE_SECONDS)
    high, low = _hertz(semitone), _hertz(bass)
    samples = array("h")
    for index in range(count):
        at = index / SAMPLE_RATE
        left = 1 - index / count
        pluck = math.sin(math.tau * high * at) + 0.3 * math.sin(2 * math.tau * high * at)
        value = 0.7 * pluck * left * left + 0.5 * math.sin(math.tau * low * at) * left
        attack = min(1.0, index / 240)
        samples.append(round(_LOUDNESS * value * attack * (left if fades else 1)))
    return samples


def _hertz(semitone: int) -> float:
    return float(220 * 2 ** (semitone / 12))
