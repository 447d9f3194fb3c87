"""EDLs, read back by pycmx, which goes by columns and is not ours."""

import io
import re
import zipfile
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import pycmx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.models.exports.timeline import ClipItem, Gap, Timeline
from backend.services.exports.formats import archive, edl
from backend.utils.errors import UnprocessableError
from tests.export.films import Film, film, films, make_clip, modes, still, video

_EVENT = re.compile(
    r"\d{3}  [A-Z0-9_]{1,8} *(V   |AA  )  C        "
    r"\d\d:\d\d:\d\d[:;]\d\d( \d\d:\d\d:\d\d[:;]\d\d){3}"
)


@dataclass(frozen=True)
class Event:
    is_video: bool
    reel: str
    name: str
    source: tuple[int, int]
    record: tuple[int, int]


def _check(timeline: Timeline, *, unique_reels: bool = False) -> list[Event]:
    """The events of all parts, in frames, after the form of each part was checked."""
    return [
        event
        for part in edl.write(timeline, unique_reels=unique_reels)
        for event in _read(part, timeline)
    ]


def _read(part: bytes, timeline: Timeline) -> list[Event]:
    text = part.decode("ascii")
    assert text.endswith("\r\n")
    assert "\n" not in text.replace("\r\n", "")
    lines = text.split("\r\n")[:-1]
    assert lines[0].startswith("TITLE: ")
    assert len(lines[0]) <= 7 + 70
    assert lines[1] == f"FCM: {'DROP FRAME' if timeline.drop_frame else 'NON-DROP FRAME'}"
    for event, remark in zip(lines[2::2], lines[3::2], strict=True):
        assert len(event) == 76
        assert _EVENT.fullmatch(event), event
        assert remark.startswith("* FROM CLIP NAME: ")
    parsed = pycmx.parse_cmx3600(io.StringIO(text))
    assert not list(parsed.unrecognized_statements)
    # Of a list without events pycmx makes one event without statements.
    events = list(parsed.events) if lines[2:] else []
    assert [event.number for event in events] == list(range(1, len(lines[2::2]) + 1))
    assert len(events) <= 999
    return [_event(event, timeline) for event in events]


def _event(event: pycmx.Event, timeline: Timeline) -> Event:
    (edit,) = event.edits
    at = timeline.rate.parse_timecode
    read = Event(
        edit.channels.video,
        edit.source,
        edit.clip_name,
        (at(edit.source_in), at(edit.source_out)),
        (at(edit.record_in), at(edit.record_out)),
    )
    assert read.source[1] - read.source[0] == read.record[1] - read.record[0] > 0
    return read


@given(films(), modes(), st.booleans())
def test_every_film_gives_a_list_that_parses(
    random: Film, mode: dict[str, Any], unique_reels: bool
) -> None:
    timeline = random.timeline(**mode)
    events = _check(timeline, unique_reels=unique_reels)
    hour = timeline.rate.parse_timecode(f"01:00:00{';' if timeline.drop_frame else ':'}00")
    pictures = [event for event in events if event.is_video]
    assert [(e.name, e.source, e.record) for e in pictures] == [
        (
            clip.media.name,
            (clip.source_in, clip.source_out),
            (hour + clip.offset, hour + clip.end),
        )
        for clip in timeline.clips
    ]
    assert [event.is_video for event in events[len(pictures) :]] == [False] * bool(timeline.music)
    for before, after in pairwise(pictures):
        assert before.record[1] <= after.record[0]
    reels = {event.reel for event in events}
    assert len(reels) == len(timeline.media) if unique_reels else reels <= {"AX"}


def test_an_empty_film_is_a_list_of_no_events() -> None:
    assert edl.write(film(name="夜").timeline()) == [b"TITLE: UNTITLED\r\nFCM: NON-DROP FRAME\r\n"]


def test_the_columns_are_premieres() -> None:
    (part,) = edl.write(film(make_clip("a", still(), length=3.0)).timeline())
    assert part.split(b"\r\n")[2] == (
        b"001  AX       V     C        00:00:00:00 00:00:03:00 01:00:00:00 01:00:03:00"
    )


def test_music_comes_last_on_a_stereo_pair() -> None:
    found = film(make_clip("a", still()), music_file_path="m.mp3", music_duration=60.0)
    assert [event.is_video for event in _check(found.timeline())] == [True, False]


def test_holes_stay_open() -> None:
    second = make_clip("b", still("i2"), timeline_position=9.0)
    first, last = _check(film(make_clip("a", still()), second).timeline())
    assert last.record[0] - first.record[1] == 4 * 24


def test_drop_frame_timecode_has_semicolons() -> None:
    clip = make_clip("a", video(duration=90.0), length=70.0)
    (part,) = edl.write(film(clip, fps=29.97, drop_frame=True).timeline())
    assert b"00:00:00;00 00:01:10;00 01:00:00;00 01:01:10;00" in part


def test_more_than_999_events_become_parts_whose_record_time_runs_on() -> None:
    timeline = _long_film(2_000)
    parts = edl.write(timeline)
    assert [part.count(b"FROM CLIP NAME") for part in parts] == [999, 999, 2]
    events = _check(timeline)
    assert len(events) == 2_000
    assert all(a.record[1] == b.record[0] for a, b in pairwise(events))


def test_exactly_999_events_are_one_list() -> None:
    assert len(edl.write(_long_film(999))) == 1
    assert len(edl.write(_long_film(1_000))) == 2


def test_parts_are_zipped_under_numbered_names_and_always_alike() -> None:
    parts = edl.write(_long_film(1_000))
    packed = archive.zip_parts(parts, stem="film", suffix=".edl")
    assert packed == archive.zip_parts(parts, stem="film", suffix=".edl")
    with zipfile.ZipFile(io.BytesIO(packed)) as zipped:
        assert zipped.namelist() == ["film_part01.edl", "film_part02.edl"]
        assert zipped.read("film_part02.edl") == parts[1]


def test_a_film_past_24_hours_is_refused() -> None:
    base = _long_film(1)
    (clip,) = base.clips
    hours = 23 * 3600 * 24
    late = ClipItem(hours, 1, clip.media, "late", "z", "s1")
    timeline = Timeline("x", base.rate, 16, 16, items=(Gap(0, hours), late))
    with pytest.raises(UnprocessableError) as refused:
        edl.write(timeline)
    assert refused.value.code == "TIMECODE_OUT_OF_RANGE"


def _long_film(count: int) -> Timeline:
    clips = (
        make_clip(f"c{n}", still(f"i{n}"), timeline_position=float(n), length=1.0)
        for n in range(count)
    )
    return film(*clips).timeline()
