"""The eight frame rates of editors, as exact ratios, and how they count time.

A rate is never a float here: 23.976 is 24000/1001. Timecode follows SMPTE 12M: the frame part
counts to the nominal rate (24 for 23.976), and drop frame leaves out labels, not pictures.
"""

import math
import re
from dataclasses import dataclass
from fractions import Fraction

from backend.utils.errors import InvalidRequestError, UnprocessableError

#: How far a stored float may be from the ratio it means: 23.98 is 23.976, 24 is not.
_TOLERANCE = 0.005
_TIMECODE = re.compile(r"([0-9]{2}):([0-5][0-9]):([0-5][0-9])([:;])([0-9]{2})", re.ASCII)


@dataclass(frozen=True, slots=True)
class FrameRate:
    """Frames a second as `numerator / denominator`; take one from `FrameRate.of`."""

    numerator: int
    denominator: int = 1

    @classmethod
    def of(cls, fps: float) -> "FrameRate":
        """The rate that a number such as 29.97 means; UnprocessableError when it is none."""
        for rate in RATES:
            if abs(rate.fps - fps) < _TOLERANCE:
                return rate
        raise UnprocessableError(
            f"{fps} is no frame rate that editors know.",
            code="UNSUPPORTED_FRAME_RATE",
            supported=[round(rate.fps, 3) for rate in RATES],
        )

    @property
    def exact(self) -> Fraction:
        return Fraction(self.numerator, self.denominator)

    @property
    def fps(self) -> float:
        return self.numerator / self.denominator

    @property
    def frame_duration(self) -> Fraction:
        """Seconds."""
        return Fraction(self.denominator, self.numerator)

    @property
    def nominal(self) -> int:
        """Frames in one second of timecode: 30 for 29.97."""
        return -(-self.numerator // self.denominator)

    @property
    def supports_drop_frame(self) -> bool:
        return self.denominator == 1001 and self.nominal in (30, 60)

    def frames(self, seconds: float) -> int:
        """The frame nearest to a position of the timeline, halves up."""
        return self.frames_of_ms(milliseconds(seconds))

    def frames_of_ms(self, ms: int) -> int:
        """floor(ms / 1000 * rate + 1/2), in whole numbers."""
        unit = 1000 * self.denominator
        return (2 * ms * self.numerator + unit) // (2 * unit)

    def nearest_frame(self, seconds: Fraction) -> int:
        """The frame nearest to an exact time, halves up."""
        return math.floor(seconds * self.exact + Fraction(1, 2))

    def ms_of_frame(self, frame: int) -> int:
        """The millisecond nearest to a frame's beginning; `frames_of_ms` gives the frame back."""
        return (2000 * frame * self.denominator + self.numerator) // (2 * self.numerator)

    def whole_frames(self, seconds: Fraction) -> int:
        """How many frames fit wholly into a length, so that nothing reads past its end."""
        return math.floor(seconds * self.numerator / self.denominator)

    def timecode(self, frame: int, *, drop_frame: bool = False) -> str:
        """`HH:MM:SS:FF`, or `HH:MM:SS;FF` for drop frame. Timecode ends at 24 hours."""
        if not self.has_timecode(frame, drop_frame=drop_frame):
            raise UnprocessableError(
                "Timecode covers 24 hours and this timeline leaves them.",
                code="TIMECODE_OUT_OF_RANGE",
                frame=frame,
            )
        label = frame + self._labels_dropped_before(frame) if drop_frame else frame
        seconds, part = divmod(label, self.nominal)
        minutes, second = divmod(seconds, 60)
        hour, minute = divmod(minutes, 60)
        separator = ";" if drop_frame else ":"
        return f"{hour:02d}:{minute:02d}:{second:02d}{separator}{part:02d}"

    def has_timecode(self, frame: int, *, drop_frame: bool = False) -> bool:
        """Whether a frame lies within the 24 hours that timecode can name."""
        return 0 <= frame < self._frames_a_day(drop_frame=drop_frame)

    def hour(self, *, drop_frame: bool = False) -> int:
        """The frame of 01:00:00:00, or 01:00:00;00, where editors let a programme begin."""
        return 3600 * self.nominal - self._drop(drop_frame) * 54

    def parse_timecode(self, text: str) -> int:
        """The frame a label names; `;` means drop frame. InvalidRequestError if none has it."""
        match = _TIMECODE.fullmatch(text)
        if match is None:
            raise InvalidRequestError(f"{text!r} is no timecode.", code="INVALID_TIMECODE")
        hour, minute, second, part = (int(match[group]) for group in (1, 2, 3, 5))
        drop_frame = match[4] == ";"
        minutes = hour * 60 + minute
        label = (minutes * 60 + second) * self.nominal + part
        frame = label - self._drop(drop_frame) * (minutes - minutes // 10)
        if hour > 23 or part >= self.nominal or self.timecode(frame, drop_frame=drop_frame) != text:
            raise InvalidRequestError(
                f"No frame has the timecode {text!r} at {self.fps:.6g} fps.",
                code="INVALID_TIMECODE",
            )
        return frame

    def fcpxml_time(self, frames: int) -> str:
        """Seconds as Apple writes them: `Ns`, or `N/Ds` over the rate (`1001/24000s`).

        Whole rates count in hundredths of a frame (`100/2400s`), as Final Cut Pro does.
        """
        scale = 100 if self.denominator == 1 else 1
        seconds, rest = divmod(frames * self.denominator, self.numerator)
        if not rest:
            return f"{seconds}s"
        return f"{frames * self.denominator * scale}/{self.numerator * scale}s"

    def _drop(self, drop_frame: bool) -> int:
        """Labels left out each minute but every tenth: 2 at 29.97, 4 at 59.94."""
        if drop_frame and not self.supports_drop_frame:
            raise UnprocessableError(
                "Drop frame exists at 29.97 and 59.94 only.", code="NO_DROP_FRAME"
            )
        return self.nominal // 15 if drop_frame else 0

    def _frames_a_day(self, *, drop_frame: bool) -> int:
        return 86_400 * self.nominal - self._drop(drop_frame) * 9 * 144

    def _labels_dropped_before(self, frame: int) -> int:
        drop = self._drop(drop_frame=True)
        tens, rest = divmod(frame, 600 * self.nominal - 9 * drop)
        minutes = max(0, rest - drop) // (60 * self.nominal - drop)
        return drop * (9 * tens + minutes)


#: 23.976, 24, 25, 29.97, 30, 50, 59.94 and 60: what Final Cut Pro, Premiere and Resolve share.
RATES = (
    FrameRate(24000, 1001),
    FrameRate(24),
    FrameRate(25),
    FrameRate(30000, 1001),
    FrameRate(30),
    FrameRate(50),
    FrameRate(60000, 1001),
    FrameRate(60),
)


def milliseconds(seconds: float) -> int:
    """Positions are stored to the millisecond, so this loses nothing and ends float error."""
    return round(seconds * 1000)


#: The rates as people write them: 23.976, 24, … 60.
SUPPORTED_FPS = tuple(round(rate.fps, 3) for rate in RATES)
DROP_FRAME_FPS = tuple(round(rate.fps, 3) for rate in RATES if rate.supports_drop_frame)
