"""The shot list as CSV: one row a clip, for spreadsheets and for production."""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence

from backend.models.clip import Clip
from backend.models.exports.timeline import ClipItem, Item, Timeline
from backend.models.scene import Scene
from backend.services.exports.formats.names import xml_text

COLUMNS = (
    "shot",
    "scene",
    "clip",
    "record_in",
    "record_out",
    "start_seconds",
    "length_seconds",
    "length_frames",
    "media",
    "kind",
    "source_in",
    "source_out",
    "lyrics",
    "image_prompt",
    "video_prompt",
    "problems",
    "clip_id",
)
#: Excel takes UTF-8 for the system's code page unless it finds this first.
_BOM = "\ufeff"
#: A spreadsheet runs what begins like this as a formula (OWASP, CSV injection).
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def write(timeline: Timeline, *, scenes: Sequence[Scene], clips: Sequence[Clip]) -> bytes:
    """UTF-8 with a byte order mark, CRLF, in story order; record times from 01:00:00:00.

    Seconds are exact to the microsecond. Text that a spreadsheet would take for a formula gets an
    apostrophe in front. Beyond 24 hours there is no timecode, and its cells are empty.
    """
    buffer = io.StringIO(newline="")
    table = csv.writer(buffer, lineterminator="\r\n")
    table.writerow(COLUMNS)
    rows = _Rows(timeline, scenes, clips)
    table.writerows(rows.all())
    return (_BOM + buffer.getvalue()).encode()


class _Rows:
    def __init__(self, timeline: Timeline, scenes: Iterable[Scene], clips: Iterable[Clip]) -> None:
        self._timeline = timeline
        self._scenes = {scene.id: scene.name for scene in scenes}
        self._clips = {clip.id: clip for clip in clips}
        self._problems: dict[str, list[str]] = {}
        for problem in timeline.problems:
            if problem.clip_id:
                self._problems.setdefault(problem.clip_id, []).append(problem.message)
        self._hour = timeline.rate.hour(drop_frame=timeline.drop_frame)

    def all(self) -> Iterator[list[str | int]]:
        shown = (item for item in self._timeline.items if item.clip_id)
        for number, item in enumerate(shown, start=1):
            yield self._row(number, item)

    def _row(self, number: int, item: Item) -> list[str | int]:
        clip = self._clips[item.clip_id or ""]
        rate = self._timeline.rate
        record = [self._timecode(self._hour + frame) for frame in (item.offset, item.end)]
        seconds = [f"{frames / rate.fps:.6f}" for frames in (item.offset, item.duration)]
        words = (clip.lyrics, clip.image_prompt, clip.video_prompt)
        return [
            number,
            _cell(self._scenes.get(clip.scene_id, "")),
            _cell(clip.name),
            *record,
            *seconds,
            item.duration,
            *self._source(item),
            *(_cell(text) for text in words),
            _cell(" ".join(self._problems.get(clip.id, ()))),
            clip.id,
        ]

    def _source(self, item: Item) -> tuple[str, str, str, str]:
        if not isinstance(item, ClipItem):
            return "", "nothing", "", ""
        kind = "placeholder" if item.media.path is None else str(item.media.kind)
        span = (self._timecode(item.source_in), self._timecode(item.source_out))
        return item.media.name, kind, *span

    def _timecode(self, frame: int) -> str:
        rate, drop = self._timeline.rate, self._timeline.drop_frame
        if not rate.has_timecode(frame, drop_frame=drop):
            return ""
        return rate.timecode(frame, drop_frame=drop)


def _cell(text: str) -> str:
    """Line breaks stay inside quotes; what no program can show goes."""
    clean = xml_text(text)
    return f"'{clean}" if clean.startswith(_FORMULA) else clean
