"""Reads CMX3600 EDLs as editors write them: columns may slip, comments tell the names."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction

from backend.models.exports.cut import Cut, CutItem
from backend.models.exports.frame_rate import FrameRate
from backend.services.exports.cuts.unreadable import unreadable
from backend.utils.errors import InvalidRequestError, UnprocessableError

_TIMECODE = r"(\d{2}[:;.,]\d{2}[:;.,]\d{2}[:;.,]\d{2})"
_EVENT = re.compile(
    r"(?P<number>\d{1,6})\s+(?P<reel>\S+)\s+(?P<channel>\S+)\s+(?P<how>C|D|W\d{1,3}|KB?|KO)\s"
    rf"\s*(?:\d{{1,3}}\s+)?{_TIMECODE}\s+{_TIMECODE}\s+{_TIMECODE}\s+{_TIMECODE}\s*",
    re.ASCII,
)
#: A line that is meant to be an event begins with its number and has times.
_LIKE_AN_EVENT = re.compile(r"\d{1,6}\s.*\d{2}[:;]\d{2}[:;]\d{2}[:;]\d{2}", re.ASCII)
_NAME = re.compile(r"\*\s*(?:FROM|TO) CLIP NAME:\s*(.*)", re.ASCII | re.IGNORECASE)


@dataclass(slots=True)
class _Event:
    reel: str
    source_in: int
    record_in: int
    record_out: int
    names: list[str] = field(default_factory=list)
    has_speed: bool = False


def read(text: str, rate: FrameRate) -> Cut:
    """The picture events; an EDL does not name its rate, so it is the project's.

    Record time from 01:00:00:00 is taken as the film's beginning when all events lie behind it.
    UnprocessableError for a line that is meant to be an event and is none.
    """
    events = list(_Lines(rate).events(text))
    first = min((event.record_in for event in events), default=0)
    is_drop = "FCM: DROP" in text.upper() and rate.supports_drop_frame
    hour = rate.hour(drop_frame=is_drop)
    origin = hour if first >= hour else 0
    items = (_item(event, origin, rate) for event in events)
    return Cut("edl", tuple(sorted(items, key=lambda item: item.start)))


def _item(event: _Event, origin: int, rate: FrameRate) -> CutItem:
    def seconds(frames: int) -> Fraction:
        return frames * rate.frame_duration

    # The last name is the one that a dissolve goes to.
    return CutItem(
        names=(*reversed(event.names), event.reel),
        start=seconds(event.record_in - origin),
        duration=seconds(event.record_out - event.record_in),
        source_in=seconds(event.source_in),
        has_speed=event.has_speed,
    )


class _Lines:
    def __init__(self, rate: FrameRate) -> None:
        self._rate = rate
        self._is_drop = False

    def events(self, text: str) -> Iterator[_Event]:
        """Events with what the lines behind them say of them."""
        current: _Event | None = None
        for number, line in enumerate(text.splitlines(), start=1):
            words = line.strip()
            found = _EVENT.fullmatch(words)
            if found:
                if current:
                    yield current
                current = self._event(found, number)
            elif _LIKE_AN_EVENT.match(words) and not words.startswith("*"):
                raise unreadable(f"line {number} is no event: '{words[:80]}'")
            else:
                self._remark(words, current)
        if current:
            yield current

    def _event(self, found: re.Match[str], number: int) -> _Event | None:
        """None for sound, and for the first half of a dissolve, which lasts no time."""
        channel = found["channel"].upper()
        if "V" not in channel and channel != "B":
            return None
        times = [self._frame(found[group], number) for group in range(5, 9)]
        source_in, _, record_in, record_out = times
        if record_out < record_in:
            raise unreadable(f"the event of line {number} ends before it begins")
        if record_out == record_in:
            return None
        return _Event(found["reel"], source_in, record_in, record_out)

    def _remark(self, words: str, event: _Event | None) -> None:
        if words.upper().startswith("FCM:"):
            self._is_drop = "NON" not in words.upper() and self._rate.supports_drop_frame
            return
        if event is None:
            return
        name = _NAME.fullmatch(words)
        if name and name[1].strip():
            event.names.append(name[1].strip())
        elif words.upper().startswith("M2"):
            event.has_speed = True

    def _frame(self, text: str, line: int) -> int:
        mark = ";" if self._is_drop else ":"
        label = f"{text[:2]}:{text[3:5]}:{text[6:8]}{mark}{text[9:]}"
        try:
            return self._rate.parse_timecode(label)
        except (InvalidRequestError, UnprocessableError) as error:
            raise unreadable(f"line {line}: {error.message}") from error
