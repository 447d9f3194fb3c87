"""CMX3600 edit decision lists, as Premiere Pro reads them.

ASCII, CRLF, one video track from record time 01:00:00:00, then the music. The format ends at
event 999, so a longer film becomes several lists: numbers restart, record time runs on.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from backend.models.exports.timeline import Media, Timeline
from backend.services.exports.formats.names import ascii_only, reel

MAX_EVENTS = 999
_TITLE_LENGTH = 70
#: Premiere's word for media without a tape.
_AUXILIARY = "AX"


def write(timeline: Timeline, *, unique_reels: bool = False) -> list[bytes]:
    """At least one list, each of 1 to 999 events (a film without media: one list of none).

    Holes are left open in the record time. `unique_reels` gives each file a reel of its own,
    which Resolve and Avid conform by; Premiere goes by the clip name and wants AX.
    UnprocessableError if the film passes 24:00:00:00, which from 01:00:00:00 is after 23 hours.
    """
    lines = _Lines(timeline, reels_of(timeline) if unique_reels else {})
    events = list(_events(timeline))
    starts = range(0, max(1, len(events)), MAX_EVENTS)
    return [lines.part(events[start : start + MAX_EVENTS]) for start in starts]


def title_of(name: str) -> str:
    """What remains of a name in 70 characters of ASCII."""
    return ascii_only(name)[:_TITLE_LENGTH].strip() or "UNTITLED"


class _Event(NamedTuple):
    channel: str
    media: Media
    source_in: int
    record_in: int
    duration: int


class _Lines:
    def __init__(self, timeline: Timeline, reels: dict[str, str]) -> None:
        self._reels = reels
        self._known: dict[int, str] = {}
        self._rate = timeline.rate
        self._drop_frame = timeline.drop_frame
        fcm = "DROP FRAME" if timeline.drop_frame else "NON-DROP FRAME"
        self._head = (f"TITLE: {title_of(timeline.name)}", f"FCM: {fcm}")
        self._record_start = timeline.rate.hour(drop_frame=timeline.drop_frame)

    def part(self, events: Sequence[_Event]) -> bytes:
        body = (line for number, event in enumerate(events, 1) for line in self._of(number, event))
        return "".join(f"{line}\r\n" for line in (*self._head, *body)).encode("ascii")

    def _of(self, number: int, event: _Event) -> tuple[str, str]:
        """The 76 columns of an event, then the file name that Premiere relinks by."""
        name = self._reels.get(event.media.id, _AUXILIARY)
        source = self._span(event.source_in, event.duration)
        record = self._span(self._record_start + event.record_in, event.duration)
        columns = f"{number:03d}  {name:<8} {event.channel:<4}  C        {source} {record}"
        return columns, f"* FROM CLIP NAME: {event.media.name}"

    def _span(self, start: int, duration: int) -> str:
        """In and out; out is exclusive."""
        first, last = start, start + duration
        return f"{self._timecode(first)} {self._timecode(last)}"

    def _timecode(self, frame: int) -> str:
        """Remembered: an event begins where the one before ends, and most sources at zero."""
        known = self._known.get(frame)
        if known is None:
            known = self._rate.timecode(frame, drop_frame=self._drop_frame)
            self._known[frame] = known
        return known


def _events(timeline: Timeline) -> Iterator[_Event]:
    for clip in timeline.clips:
        yield _Event("V", clip.media, clip.source_in, clip.offset, clip.duration)
    music = timeline.music
    if music:
        yield _Event("AA", music.media, 0, music.offset, music.duration)


def reels_of(timeline: Timeline) -> dict[str, str]:
    """The reel of each medium by its id, where each has one of its own."""
    return {media.id: reel(number) for number, media in enumerate(timeline.media, start=1)}
