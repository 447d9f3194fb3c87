"""OpenTimelineIO, written by its own library: Resolve 18.5+, Premiere Pro 25.6+, and programs."""

from collections.abc import Iterator, Sequence
from typing import Any

import orjson

from backend.models.exports.timeline import Gap, Item, Media, MediaKind, Music, Timeline
from backend.services.exports.formats.media_url import media_url
from backend.services.exports.formats.names import one_line, xml_text

try:
    import opentimelineio as otio
    from opentimelineio._otio import PyAny  # see _remember
except ImportError:  # it has no wheels for this Python: see AVAILABLE
    otio = PyAny = None

AVAILABLE = otio is not None

_DEEPER = " " * 3
_PORTION = 250
#: Where what is ours stands in the metadata of each object.
NAMESPACE = "storycanvas"


def write(timeline: Timeline, *, media_root: str | None = None) -> bytes:
    """`Timeline.1` as JSON in UTF-8: one video track, one audio track for the music.

    Clips are named after their files, since Resolve relinks by name; the id, title and note of
    each are a JSON text in its `metadata.storycanvas`. Rates are doubles of `24000 / 1001`,
    never 23.976.
    """
    writer = _Writer(timeline, media_root)
    if not timeline.items:
        return _text(writer.timeline(())).encode() + b"\n"
    # Some items at a time: the library holds the interpreter while it writes, and a film's 15 MB
    # at once would hold up everybody else. A placeholder shows where the items go.
    slot = [otio.schema.Gap(name="storycanvas-items")]
    before, _, after = _text(writer.timeline(slot)).partition(_children(slot))
    items = ",\n".join(_children(some) for some in writer.items())
    return f"{before}{items}{after}\n".encode()


def _text(made: Any) -> str:
    text: str = made.to_json_string(indent=1)
    return text


def _children(items: Sequence[Any]) -> str:
    """What the library writes between the brackets of a track's children."""
    track = otio.schema.Track()
    track.extend(list(items))
    _, _, rest = _text(track).partition('"children": [\n')
    inside, _, _ = rest.rpartition("\n ]")
    track.clear()  # an item has one parent at most
    # A track by itself stands three columns to the left of one within a timeline.
    return _DEEPER + inside.replace("\n", f"\n{_DEEPER}")


class _Writer:
    def __init__(self, timeline: Timeline, media_root: str | None) -> None:
        self._timeline = timeline
        self._media_root = media_root
        self._fps = timeline.rate.fps
        self._zero = self._time(0)

    def items(self) -> Iterator[list[Any]]:
        """In portions that take some milliseconds to write."""
        items = self._timeline.items
        for first in range(0, len(items), _PORTION):
            yield [self._item(item) for item in items[first : first + _PORTION]]

    def timeline(self, items: Sequence[Any]) -> Any:
        """Everything around the items, and those that are given."""
        source = self._timeline
        made = otio.schema.Timeline(
            name=one_line(source.name, fallback="Untitled"),
            global_start_time=self._time(source.rate.hour(drop_frame=source.drop_frame)),
            metadata={NAMESPACE: self._facts()},
        )
        video = otio.schema.Track(name="V1", kind=otio.schema.TrackKind.Video)
        video.extend(list(items))
        made.tracks.append(video)
        if source.music:
            audio = otio.schema.Track(name="A1", kind=otio.schema.TrackKind.Audio)
            audio.extend(list(self._music(source.music)))
            made.tracks.append(audio)
        made.tracks.markers.extend(self._markers())
        return made

    def _facts(self) -> dict[str, Any]:
        source = self._timeline
        return {
            "width": source.width,
            "height": source.height,
            "drop_frame": source.drop_frame,
            "rate": [source.rate.numerator, source.rate.denominator],
        }

    def _item(self, item: Item) -> Any:
        if isinstance(item, Gap):
            return self._gap(item)
        shown = self._range(item.source_in, item.duration)
        made = otio.schema.Clip(
            name=item.media.name,
            media_reference=self._reference(item.media, item.source_out, shown),
            source_range=shown,
        )
        _remember(made, item)
        return made

    def _gap(self, gap: Gap) -> Any:
        made = otio.schema.Gap(
            name=one_line(gap.name, fallback=""), source_range=self._range(0, gap.duration)
        )
        if gap.clip_id:
            _remember(made, gap)
        return made

    def _music(self, music: Music) -> Iterator[Any]:
        if music.offset:
            yield otio.schema.Gap(source_range=self._range(0, music.offset))
        shown = self._range(0, music.duration)
        yield otio.schema.Clip(
            name=music.media.name,
            media_reference=self._reference(music.media, music.duration, shown),
            source_range=shown,
        )

    def _reference(self, media: Media, shown_to: int, shown: Any) -> Any:
        """A still has as much as is shown of it: a range of one frame breaks Premiere."""
        frames = media.frames if media.kind is not MediaKind.STILL else shown_to
        is_whole = shown.duration.value == frames
        reference = otio.schema.ExternalReference(
            target_url=media_url(media.name, self._media_root),
            available_range=shown if is_whole else self._range(0, frames),
        )
        reference.name = media.name
        return reference

    def _markers(self) -> Iterator[Any]:
        for marker in self._timeline.markers:
            yield otio.schema.Marker(
                name=one_line(marker.name, fallback="Untitled"),
                marked_range=self._range(marker.frame, 1),
                comment=xml_text(marker.note),
            )

    def _range(self, start: int, duration: int) -> Any:
        begin = self._time(start) if start else self._zero
        return otio.opentime.TimeRange(begin, self._time(duration))

    def _time(self, frames: int) -> Any:
        return otio.opentime.RationalTime(frames, self._fps)


def _remember(made: Any, item: Item) -> None:
    """Put id, title and note into an object's metadata, as the text of a JSON object.

    The library's conversion of a dict asks of each value in it whether it is any of a dozen
    kinds. One text that is known to be one makes a film of 10,000 clips three times as fast.
    """
    words = {
        "clip_id": item.clip_id,
        "title": one_line(item.name, fallback=""),
        "note": xml_text(item.note),
    }
    made.metadata.__internal_setitem__(NAMESPACE, PyAny(orjson.dumps(words).decode()))
