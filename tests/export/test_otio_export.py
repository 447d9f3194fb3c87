"""`.otio`, read back by OpenTimelineIO."""

from typing import Any

import opentimelineio as otio
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.models.exports.timeline import Gap, Timeline
from backend.services.exports.formats import otio_export
from tests.export.films import FPS, Film, film, films, make_clip, make_scene, modes, still


def _read(timeline: Timeline, **options: Any) -> Any:
    document = otio_export.write(timeline, **options)
    orjson.loads(document)
    return otio.adapters.read_from_string(document.decode(), "otio_json")


def _words(item: Any) -> dict[str, Any]:
    found: dict[str, Any] = orjson.loads(item.metadata["storycanvas"])
    return found


@given(films(), modes(), st.sampled_from([None, "/a b/ü"]))
def test_every_film_comes_back(random: Film, mode: dict[str, Any], root: str | None) -> None:
    timeline = random.timeline(**mode)
    read = _read(timeline, media_root=root)
    (track,) = read.video_tracks()
    assert len(track) == len(timeline.items)
    for made, item in zip(track, timeline.items, strict=True):
        place = made.range_in_parent()
        assert (place.start_time.value, place.duration.value) == (item.offset, item.duration)
        assert place.duration.rate == timeline.rate.fps
        if isinstance(item, Gap):
            assert isinstance(made, otio.schema.Gap)
            assert not item.clip_id or _words(made)["clip_id"] == item.clip_id
            continue
        assert made.name == made.media_reference.name == item.media.name
        assert _words(made)["clip_id"] == item.clip_id
        assert made.source_range.start_time.value == item.source_in
        available = made.media_reference.available_range
        assert available.start_time.value == 0
        assert available.duration.value >= item.source_out
    music = [clip for each in read.audio_tracks() for clip in each]
    assert len(music) == bool(timeline.music)
    assert len(read.tracks.markers) == len(timeline.markers)


@pytest.mark.parametrize("fps", FPS)
@pytest.mark.parametrize("drop_frame", [False, True])
def test_it_starts_at_one_hour(fps: float, drop_frame: bool) -> None:
    timeline = film(make_clip("a", still()), fps=fps, drop_frame=drop_frame).timeline()
    start = _read(timeline).global_start_time
    hour = timeline.rate.timecode(int(start.value), drop_frame=timeline.drop_frame)
    assert hour.replace(";", ":") == "01:00:00:00"


def test_a_clip_carries_title_and_note_and_a_scene_its_marker() -> None:
    scene = make_scene("s1", name="Dawn", description="Cold light")
    read = _read(film(make_clip("a", still(), lyrics="la"), scenes=[scene]).timeline())
    (clip,) = read.find_clips()
    assert _words(clip) == {"clip_id": "a", "title": "Clip a", "note": "la"}
    (marker,) = read.tracks.markers
    assert (marker.name, marker.comment) == ("Dawn", "Cold light")


def test_an_empty_film_is_a_timeline() -> None:
    assert list(_read(film().timeline()).video_tracks()[0]) == []
