"""Cuts that come back: what we wrote changes nothing, what was edited becomes the film."""

from dataclasses import replace
from fractions import Fraction
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.models.exports.cut import Cut, CutItem
from backend.models.exports.timeline import Timeline
from backend.models.exports.timing import TimingPlan
from backend.services.exports.cuts.read_cut import read_cut
from backend.services.exports.formats import edl, fcpxml, otio_export
from backend.services.exports.timing_names import NameIndex
from backend.services.exports.timing_plan import differences, plan_timing
from backend.utils.errors import StoryCanvasError, UnprocessableError, UnsupportedMediaError
from tests.export.films import FPS, Film, film, films, make_clip, make_scene, still, video


def _documents(timeline: Timeline) -> dict[str, bytes]:
    return {
        "fcpxml": fcpxml.write(timeline),
        "resolve": fcpxml.write(timeline, variant="resolve"),
        "otio": otio_export.write(timeline),
        "edl": edl.write(timeline)[0],
        "reels": edl.write(timeline, unique_reels=True)[0],
    }


def _plan(found: Film, cut: Cut) -> TimingPlan:
    shown = found.timeline()
    book = NameIndex((shown, found.timeline(media_mode="placeholder")), found.clips)
    return plan_timing(shown, found.scenes, found.clips, cut, book)


def _applied(found: Film, plan: TimingPlan) -> Film:
    new = {change.clip_id: change for change in plan.changes}
    clips = [
        clip.model_copy(
            update={
                "timeline_position": new[clip.id].new_position,
                "length": new[clip.id].new_length,
            }
        )
        if clip.id in new
        else clip
        for clip in found.clips
    ]
    return replace(found, clips=clips)


@given(films(), st.sampled_from(["fcpxml", "resolve", "otio", "edl", "reels"]))
def test_what_was_not_edited_changes_nothing(random: Film, kind: str) -> None:
    timeline = random.timeline()
    cut = read_cut(_documents(timeline)[kind], timeline.rate)
    plan = _plan(random, cut)
    assert plan.changes == ()
    assert plan.conflicts == ()
    known = {remark.code for remark in plan.remarks}
    assert known <= {"not_in_cut"}


@given(films(), st.sampled_from(["fcpxml", "otio"]))
def test_cards_come_back_too(random: Film, kind: str) -> None:
    timeline = random.timeline(media_mode="placeholder")
    plan = _plan(random, read_cut(_documents(timeline)[kind], timeline.rate))
    assert (plan.changes, plan.remarks) == ((), ())


def _stills(count: int, fps: float) -> Film:
    """Two scenes of clips with holes, at odd milliseconds."""
    scenes = [make_scene("s1"), make_scene("s2", order=1)]
    clips = [
        make_clip(
            f"c{n}",
            still(f"i{n}"),
            scene_id="s1" if n < count // 2 else "s2",
            timeline_position=(n % (count // 2)) * 3.217,
            length=2.041,
        )
        for n in range(count)
    ]
    return film(*clips, scenes=scenes, fps=fps)


@given(st.sampled_from(FPS), st.randoms(use_true_random=False))
def test_what_was_edited_becomes_the_film(fps: float, dice: Random) -> None:
    """Clips in order with new lengths and holes, as an editor who keeps the story would cut."""
    found = _stills(8, fps)
    timeline = found.timeline()
    items, cursor = [], 0
    for clip in timeline.clips:
        cursor += dice.choice([0, 0, 1, 7, 50])
        length = dice.choice([clip.duration, 1, 5, 90])
        items.append((clip, cursor, length))
        cursor += length
    frame = timeline.rate.frame_duration
    cut = Cut(
        "otio",
        tuple(
            CutItem((clip.media.name,), start * frame, length * frame)
            for clip, start, length in items
        ),
    )
    plan = _plan(found, cut)
    assert plan.conflicts == ()
    after = _applied(found, plan).timeline()
    assert list(differences(plan, after)) == []
    assert [(clip.clip_id, clip.offset, clip.duration) for clip in after.clips] == [
        (clip.clip_id, start, length) for clip, start, length in items
    ]
    again = _plan(_applied(found, plan), cut)
    assert again.changes == ()


def _moved(*items: tuple[str, float, float], **more: Any) -> Cut:
    return Cut(
        "edl",
        tuple(
            CutItem((name,), Fraction(str(start)), Fraction(str(length)), **more)
            for name, start, length in items
        ),
    )


def _two() -> tuple[Film, str, str]:
    found = film(make_clip("a", still()), make_clip("b", video("v2"), timeline_position=5.0))
    first, second = (clip.media.name for clip in found.timeline().clips)
    return found, first, second


def test_a_clip_that_moved_and_one_that_shrank() -> None:
    found, first, second = _two()
    plan = _plan(found, _moved((first, 0, 3), (second, 3, 5)))
    assert [(c.clip_id, c.new_position, c.new_length) for c in plan.changes] == [
        ("a", 0.0, 3.0),
        ("b", 3.0, 5.0),
    ]


def test_clips_are_found_without_their_place_in_the_name() -> None:
    """Another order of the scenes since the export changes the first letters only."""
    found, first, second = _two()
    renamed = (first.replace("s01_c01", "s04_c09"), second.upper())
    plan = _plan(found, _moved((renamed[0], 0, 3), (renamed[1], 3, 5)))
    assert [change.clip_id for change in plan.changes] == ["a", "b"]


def test_clips_are_found_by_title_when_it_is_alone() -> None:
    found, _, _ = _two()
    assert [c.clip_id for c in _plan(found, _moved(("Clip b", 6, 5))).changes] == ["b"]
    twins = film(make_clip("a", still(), name="x"), make_clip("b", still("i2"), name="x"))
    assert [r.code for r in _plan(twins, _moved(("x", 6, 5))).remarks][:1] == ["unknown"]


def test_strangers_repeats_trims_and_speed_are_told() -> None:
    found, first, second = _two()
    cut = _moved((first, 0, 5), (first, 20, 5), ("other.mov", 30, 1))
    remarks = {remark.code: remark for remark in _plan(found, cut).remarks}
    assert set(remarks) == {"repeated", "unknown", "not_in_cut"}
    assert remarks["not_in_cut"].clip_id == "b"
    late = _moved((second, 5, 4), source_in=Fraction(1), has_speed=True)
    assert {r.code for r in _plan(found, late).remarks} >= {"speed", "trimmed_beginning"}


def test_a_scene_that_would_begin_too_late_for_its_clip_is_a_conflict() -> None:
    scenes = [make_scene("s1"), make_scene("s2", order=1)]
    found = film(make_clip("a", still()), make_clip("b", still("i2"), scene_id="s2"), scenes=scenes)
    first, second = (clip.media.name for clip in found.timeline().clips)
    plan = _plan(found, _moved((second, 0, 5), (first, 5, 5)))
    assert [remark.clip_id for remark in plan.conflicts] == ["b"]


def test_the_next_scene_follows_by_itself() -> None:
    """It keeps its place within the scene, so nothing of it needs to be written."""
    scenes = [make_scene("s1"), make_scene("s2", order=1)]
    found = film(make_clip("a", still()), make_clip("b", still("i2"), scene_id="s2"), scenes=scenes)
    first, second = (clip.media.name for clip in found.timeline().clips)
    plan = _plan(found, _moved((first, 0, 8), (second, 8, 5)))
    assert [change.clip_id for change in plan.changes] == ["a"]


RATE = film().timeline().rate


@pytest.mark.parametrize(
    "text",
    [
        "TITLE: x\nFCM: NON-DROP FRAME\n\n"
        "1 AX V C 00:00:00:00 00:00:01:00 01:00:00:00 01:00:01:00\n"
        "* FROM CLIP NAME: a.png\n2  AX  V  D 012 00:00:00:00 00:00:01:00 01:00:01:00 01:00:02:00\n"
        "* FROM CLIP NAME: a.png\n* TO CLIP NAME: b.png\nM2   AX   012.0   00:00:00:00\n"
        "003  AX  A2  C  00:00:00:00 00:00:01:00 01:00:00:00 01:00:01:00\n",
    ],
)
def test_edls_of_other_programs(text: str) -> None:
    cut = read_cut(text.encode("latin-1"), RATE)
    assert [(item.names[0], float(item.start), item.has_speed) for item in cut.items] == [
        ("a.png", 0, False),
        ("b.png", 1, True),
    ]


def _fcpxml(spine: str, *, resources: str = "", start: str = "0s") -> bytes:
    return f"""<?xml version="1.0"?><!DOCTYPE fcpxml><fcpxml version="1.11"><resources>
<asset id="r1" name="a.png" start="0s" duration="0s" hasVideo="1"/>
<asset id="r2" name="b" start="3600s" duration="10s" hasVideo="1">
<media-rep kind="original-media" src="file:///x/b%20c.mp4"/></asset>
<asset id="r3" name="m" start="0s" duration="9s" hasAudio="1"/>{resources}</resources>
<library><event><project><sequence tcStart="{start}"><spine>{spine}</spine></sequence></project>
</event></library></fcpxml>""".encode()


def test_fcpxml_of_other_programs() -> None:
    """Offsets count from tcStart, connected clips in the time of what carries them."""
    spine = """<video ref="r1" offset="3600s" name="A" start="3600s" duration="2s">
<asset-clip ref="r2" lane="1" offset="3601s" name="B" start="3602s" duration="1s"/>
<asset-clip ref="r3" lane="-1" offset="3600s" name="M" duration="9s"/></video>
<gap offset="3602s" name="Gap" duration="1s"/>
<clip name="C" offset="3603s" duration="4s"><video ref="r2" offset="0s" duration="4s"/></clip>
<asset-clip ref="r3" name="only sound" offset="3607s" duration="1s"/>
<transition offset="3606s" duration="1s"/>
<audition><asset-clip ref="r2" name="D" offset="3608s" duration="2s"><timeMap/></asset-clip>
<asset-clip ref="r2" name="E" offset="3608s"/></audition>"""
    cut = read_cut(_fcpxml(spine, start="3600s"), RATE)
    assert [(item.names[-1], float(item.start), float(item.duration)) for item in cut.items] == [
        ("A", 0, 2),
        ("B", 1, 1),
        ("C", 3, 4),
        ("D", 8, 2),
    ]
    assert cut.items[1].names == ("b c.mp4", "b", "B")
    assert cut.items[1].source_in == 2
    assert cut.items[3].has_speed


BOMB = b"""<?xml version="1.0"?><!DOCTYPE fcpxml [<!ENTITY a "aaaaaaaaaa">
<!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]><fcpxml version="1.10">&b;</fcpxml>"""
OUTSIDE = b"""<?xml version="1.0"?><!DOCTYPE fcpxml [<!ENTITY a SYSTEM "file:///etc/hostname">]>
<fcpxml version="1.10">&a;</fcpxml>"""


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"hello", UnsupportedMediaError),
        (b"\x89PNG\r\n\x1a\n", UnsupportedMediaError),
        (b"PK\x03\x04", UnsupportedMediaError),
        (b"   ", UnsupportedMediaError),
        (b"<fcpxml", UnprocessableError),
        (b"<html/>", UnprocessableError),
        (b"<fcpxml version='1.10'/>", UnprocessableError),
        (BOMB, UnprocessableError),
        (OUTSIDE, UnprocessableError),
        (BOMB.decode().encode("utf-16"), UnprocessableError),
        (b"{", UnprocessableError),
        (b"{}", UnprocessableError),
        (b'{"OTIO_SCHEMA": "Clip.2"}', UnprocessableError),
        (b'{"OTIO_SCHEMA": "Nonsense.9"}', UnprocessableError),
        (b'{"a":' * 500 + b"1" + b"}" * 500, UnprocessableError),
        (b"TITLE: x\n001  AX  V  C  00:00:00:00 00:00:01:00 01:00:00:00\n", UnprocessableError),
        (
            b"TITLE: x\n001  AX  V  C  00:00:00:00 00:00:01:00 01:00:00:99 01:00:01:00\n",
            UnprocessableError,
        ),
        (
            b"TITLE: x\n001  AX  V  C  00:00:00:00 00:00:01:00 01:00:02:00 01:00:01:00\n",
            UnprocessableError,
        ),
        (_fcpxml('<video ref="r1" offset="x" duration="1s"/>'), UnprocessableError),
        (_fcpxml('<video ref="r1" offset="0s" duration="1/0s"/>'), UnprocessableError),
        (_fcpxml('<video ref="r1" offset="-9s" duration="1s"/>'), UnprocessableError),
        (_fcpxml('<clip name="x" offset="0s"/>'), UnprocessableError),
    ],
)
def test_what_is_no_cut_says_why(body: bytes, kind: type[StoryCanvasError]) -> None:
    with pytest.raises(kind) as raised:
        read_cut(body, RATE)
    assert raised.value.message.endswith((".", ")."))


@given(films(), st.sampled_from(["fcpxml", "otio", "edl"]), st.data())
def test_damaged_cuts_are_refused_or_read(random: Film, kind: str, data: st.DataObject) -> None:
    """Never anything but our own errors, wherever a byte is lost or changed."""
    body = bytearray(_documents(random.timeline())[kind])
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(body) - 1))
        body[place] = data.draw(st.integers(0, 255))
    end = data.draw(st.integers(1, len(body)))
    cut = _read_or_refused(bytes(body[:end]), random.timeline())
    if cut:
        assert _plan(random, cut).format == cut.format


def _read_or_refused(body: bytes, timeline: Timeline) -> Cut | None:
    try:
        return read_cut(body, timeline.rate)
    except (UnprocessableError, UnsupportedMediaError):
        return None
