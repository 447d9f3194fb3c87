"""EDLs and FCPXML, read back by OpenTimelineIO's adapters, which are not ours."""

from dataclasses import replace
from fractions import Fraction
from typing import Any

import opentimelineio as otio
from hypothesis import given

from backend.models.exports.timeline import Timeline
from backend.services.exports.formats import edl, fcpxml
from backend.services.exports.formats.names import one_line
from tests.export.films import Film, films, modes

Cut = list[tuple[str, int, int, int]]


def _written(timeline: Timeline) -> Cut:
    return [
        (clip.media.name, clip.offset, clip.duration, clip.source_in) for clip in timeline.clips
    ]


@given(films(), modes())
def test_the_edl(random: Film, mode: dict[str, Any]) -> None:
    """The adapter lets the list begin at its first event."""
    timeline = random.timeline(**mode)
    (part,) = edl.write(timeline)
    read = otio.adapters.read_from_string(part.decode(), "cmx_3600", rate=timeline.rate.fps)
    written = _written(timeline)
    first = written[0][1] if written else 0
    tracks = read.video_tracks()
    found = [
        (clip.name, round(place.start_time.value) + first, round(place.duration.value), start)
        for track in tracks
        for clip in track
        if isinstance(clip, otio.schema.Clip)
        for place, start in [(clip.range_in_parent(), round(clip.source_range.start_time.value))]
    ]
    assert found == written


def _moving(random: Film) -> Film:
    """What the adapter can read.

    It knows no `video`, though Apple shows stills by it, and takes 23.976 for 23.
    """
    clips = [
        clip.model_copy(update={"generated_images": (), "selected_image_id": None})
        for clip in random.clips
    ]
    project = random.project.model_copy(update={"fps": float(round(random.project.fps))})
    return replace(random, project=project, clips=clips)


@given(films())
def test_the_fcpxml(random: Film) -> None:
    timeline = replace(_moving(random).timeline(), markers=(), music=None)
    if not timeline.items:
        return
    read = otio.adapters.read_from_string(fcpxml.write(timeline).decode(), "fcpx_xml")
    found = [
        (clip.name, _frames(place.start_time, timeline), _frames(place.duration, timeline))
        for track in _tracks(read)
        for clip in track
        if isinstance(clip, otio.schema.Clip)
        for place in [clip.range_in_parent()]
    ]
    written = [
        (one_line(clip.name, fallback="Untitled"), clip.offset, clip.duration)
        for clip in timeline.clips
    ]
    assert [name for name, *_ in found] == [name for name, *_ in written]
    for (_, *times), (_, *expected) in zip(found, written, strict=True):
        assert all(_cut(a, b) for a, b in zip(times, expected, strict=True)), (times, expected)


def _cut(found: int, written: int) -> bool:
    """The adapter takes the whole part of `float(seconds) * rate`, so 123 frames may be 122."""
    return found in {written, written - 1}


def _tracks(read: Any) -> list[Any]:
    timelines = (
        [read]
        if isinstance(read, otio.schema.Timeline)
        else list(read.find_children(otio.schema.Timeline))
    )
    return [track for timeline in timelines for track in timeline.video_tracks()]


def _frames(time: Any, timeline: Timeline) -> int:
    seconds = Fraction(time.value).limit_denominator(1000) / Fraction(time.rate).limit_denominator(
        1001
    )
    return round(seconds * timeline.rate.exact)
