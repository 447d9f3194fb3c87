"""What is said before an export, and that it is refused for nothing else."""

import tracemalloc
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.models.exports.preflight import Finding, Severity
from backend.models.exports.timeline import ProblemCode
from backend.services.exports import film as film_module
from backend.services.exports import preflight
from backend.services.exports.export_files import export_file, safe_title
from backend.services.exports.film import ExportFormat, ExportOptions
from backend.services.exports.timeline_media import MUSIC, MediaFacts
from backend.utils.errors import ConflictError
from tests.export.films import Film, film, films, make_clip, make_scene, modes, still, video

FORMATS = get_args(ExportFormat)


def _inspect(found: Film, fmt: ExportFormat = "fcpxml", **mode: Any) -> dict[str, Finding]:
    whole = film_module.Film(found.project, found.scenes, found.clips)
    report = preflight.inspect(whole, found.timeline(**mode), fmt)
    return {finding.code: finding for finding in report.findings}


def _long_film(hours: float) -> Film:
    seconds = hours * 3600
    lengths = [10_000.0] * int(seconds // 10_000) + ([seconds % 10_000] if seconds % 10_000 else [])
    scenes = [make_scene(f"s{n}", order=n) for n in range(len(lengths))]
    clips = [
        make_clip(f"c{n}", still(f"i{n}"), scene_id=f"s{n}", length=length)
        for n, length in enumerate(lengths)
    ]
    return film(*clips, scenes=scenes)


@given(films(), modes(), st.sampled_from(FORMATS))
def test_what_preflight_allows_is_written(
    random: Film, mode: dict[str, Any], fmt: ExportFormat
) -> None:
    options = ExportOptions(**mode)
    whole = film_module.Film(random.project, random.scenes, random.clips, options=options)
    timeline = random.timeline(**mode)
    report = preflight.inspect(whole, timeline, fmt)
    assert report.can_export
    assert all(finding.message and finding.advice for finding in report.findings)
    assert all(finding.count >= len(finding.places) for finding in report.findings)
    file = export_file(fmt, whole, timeline)
    assert file.body == export_file(fmt, whole, timeline).body
    codes = {str(problem.code) for problem in timeline.problems}
    assert codes <= {finding.code for finding in report.findings}


def test_a_film_of_a_day_is_no_edl_and_everything_else() -> None:
    long = _long_film(24.0)
    refused = _inspect(long, "edl")["too_long"]
    assert refused.severity is Severity.ERROR
    with pytest.raises(ConflictError) as raised:
        preflight.refuse(long.timeline(), "edl")
    assert raised.value.message == f"{refused.message} {refused.advice}"
    assert (raised.value.code, raised.value.details) == ("EXPORT_REFUSED", {"finding": "too_long"})
    whole = film_module.Film(long.project, long.scenes, long.clips)
    for fmt in FORMATS:
        if fmt != "edl":
            preflight.refuse(long.timeline(), fmt)
            assert export_file(fmt, whole, long.timeline()).body
    assert "longer_than_timecode" in _inspect(long, "fcpxml")


def test_twenty_two_hours_are_an_edl() -> None:
    preflight.refuse(_long_film(22.9).timeline(), "edl")


def test_errors_come_first() -> None:
    whole = film_module.Film(film().project, [], [])
    report = preflight.inspect(whole, _long_film(24.0).timeline(), "edl")
    ranks = [list(Severity).index(finding.severity) for finding in report.findings]
    assert ranks == sorted(ranks)
    assert not report.can_export


def test_each_problem_of_the_timeline_has_words() -> None:
    assert set(preflight._PROBLEMS) == set(ProblemCode)


def test_a_rate_that_nobody_knows() -> None:
    odd = film_module.Film(film(fps=16).project, [], [])
    report = preflight.of_bad_rate(odd, "edl")
    assert not report.can_export
    assert "16" in report.findings[0].message
    with pytest.raises(ConflictError):
        preflight.refuse_rate(odd)


def test_videos_of_another_rate_are_named() -> None:
    found = film(make_clip("a", video(fps=16.0)), make_clip("b", video("v2", fps=24.0)))
    places = _inspect(found)["mixed_rates"].places
    assert [place.clip_id for place in places] == ["a"]
    assert "16" in places[0].message


def test_holes_are_told_with_the_clip_before_them() -> None:
    later = make_clip("b", still("i2"), timeline_position=9.0)
    (place,) = _inspect(film(make_clip("a", still()), later))["gaps"].places
    assert place.clip_id == "a"
    assert "5.000 s to 9.000 s" in place.message


def test_the_gap_behind_a_short_video_is_told_once() -> None:
    found = _inspect(film(make_clip("a", video(duration=2.0), length=5.0)))
    assert "short_video" in found
    assert "gaps" not in found


def test_more_than_999_events_are_told_with_their_parts() -> None:
    clips = [
        make_clip(f"c{n}", still(f"i{n}"), timeline_position=float(n), length=1.0)
        for n in range(1_000)
    ]
    found = film(*clips)
    assert _inspect(found, "edl")["over_999_events"].count == 1_000
    assert "over_999_events" not in _inspect(found, "fcpxml")
    whole = film_module.Film(found.project, found.scenes, found.clips)
    assert preflight.inspect(whole, found.timeline(), "edl").parts == 2


def test_names_that_had_to_change() -> None:
    found = film(make_clip("a", still(), name="a\x0bb"), name="夜の屋上")
    xml, edl = _inspect(found)["name_changed"], _inspect(found, "edl")["name_changed"]
    assert [(place.clip_id, place.message) for place in xml.places] == [
        ("a", "The clip is called 'ab'.")
    ]
    assert [place.message for place in edl.places] == ["The timeline is called 'UNTITLED'."]


def test_names_that_are_not_alone() -> None:
    twins = [make_clip("a", still(), name="x"), make_clip("b", still("i2"), name="x")]
    assert _inspect(film(*twins))["duplicate_names"].count == 2
    assert "duplicate_names" not in _inspect(film(*twins), "resolve")


def test_cards_stills_and_what_an_edl_leaves_out() -> None:
    found = film(make_clip("a"), make_clip("b", still(), lyrics="la", timeline_position=5.0))
    told = _inspect(found, "edl", media_mode="placeholder")
    assert {"placeholders", "stills_in_edl", "not_carried", "named_after_files"} <= set(told)
    assert "stills_in_edl" not in _inspect(found)


@pytest.mark.parametrize(
    ("seconds", "code"), [(60.0, "music_longer"), (2.0, "music_shorter"), (None, "music_left_out")]
)
def test_music_of_another_length(seconds: float | None, code: str) -> None:
    found = film(make_clip("a", still()), music_file_path="m.mp3", music_duration=seconds)
    assert code in _inspect(found)


def test_music_that_is_gone() -> None:
    found = film(make_clip("a", still()), music_file_path="m.mp3", music_duration=9.0)
    gone = found.with_facts(**{MUSIC: MediaFacts(fault=ProblemCode.EMPTY_FILE)})
    (place,) = _inspect(gone)["music_left_out"].places
    assert place.message == "The music was left out: its file is empty."


def test_a_clip_under_half_a_frame() -> None:
    found = film(make_clip("a", still(), length=0.001))
    assert [place.clip_id for place in _inspect(found)["under_a_frame"].places] == ["a"]


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("Zoë's Film!", "Zoë's Film!"),
        ("a/b\\c:d*e?f", "abcdef"),
        ("x\u202egpj.exe", "xgpj.exe"),
        ("...", "project"),
        ("\x00\x1f", "project"),
        ("夜の屋上", "夜の屋上"),
    ],
)
def test_a_download_is_called_what_the_project_is(name: str, title: str) -> None:
    assert safe_title(name) == title


def test_a_title_fits_every_file_system() -> None:
    title = safe_title("🎬" * 200)
    assert len(title.encode()) <= 180
    assert set(title) == {"🎬"}


@pytest.mark.parametrize("fmt", [fmt for fmt in FORMATS if fmt != "otio"])
def test_memory_grows_with_the_film_and_no_faster(fmt: ExportFormat) -> None:
    """OpenTimelineIO keeps its objects where this cannot see them."""
    peaks = []
    for count in (200, 800):
        clips = [
            make_clip(f"c{n}", still(f"i{n}"), timeline_position=float(n), length=1.0)
            for n in range(count)
        ]
        found = film(*clips)
        whole, timeline = film_module.Film(found.project, found.scenes, clips), found.timeline()
        tracemalloc.start()
        export_file(fmt, whole, timeline)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] * 6
