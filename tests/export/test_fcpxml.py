"""FCPXML documents, read back by a reader that checks what breaks imports."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.models.exports.timeline import Audio, Gap, Marker, Timeline
from backend.services.exports.formats import fcpxml
from backend.services.exports.timeline_media import MediaFacts
from tests.export.fcpxml_reader import Checked, check, clips, seconds
from tests.export.films import FPS, Film, film, films, make_clip, make_scene, modes, still, video


def _written(found: Film, **options: Any) -> Checked:
    return check(fcpxml.write(found.timeline(), **options))


@given(films(), modes(), st.sampled_from(["fcp", "resolve"]), st.sampled_from([None, "/a b/ü"]))
def test_every_film_gives_a_document_that_imports(
    random: Film, mode: dict[str, Any], variant: fcpxml.Variant, root: str | None
) -> None:
    timeline = random.timeline(**mode)
    checked = check(fcpxml.write(timeline, variant=variant, media_root=root))
    assert len(checked.items) == len(timeline.items)
    assert checked.duration == timeline.total_frames * timeline.rate.frame_duration
    assert len(checked.assets) == len(timeline.media)


@pytest.mark.parametrize("fps", FPS)
def test_an_empty_film_is_a_valid_document(fps: float) -> None:
    checked = _written(film(fps=fps))
    assert checked.items == []
    assert checked.duration == 0


@pytest.mark.parametrize(
    ("size", "fps", "name"),
    [
        ((1920, 1080), 23.976, "FFVideoFormat1080p2398"),
        ((1920, 1080), 24, "FFVideoFormat1080p24"),
        ((1280, 720), 59.94, "FFVideoFormat720p5994"),
        ((3840, 2160), 29.97, "FFVideoFormat3840x2160p2997"),
        ((1920, 1080), 60, "FFVideoFormat1080p60"),
        ((1080, 1920), 30, None),
    ],
)
def test_only_real_formats_carry_apples_name(
    size: tuple[int, int], fps: float, name: str | None
) -> None:
    checked = _written(film(width=size[0], height=size[1], fps=fps))
    (found,) = checked.formats.values()
    assert found.get("name") == name
    assert (found.get("width"), found.get("height")) == (str(size[0]), str(size[1]))


def test_a_still_is_a_video_element_of_an_asset_without_length() -> None:
    checked = _written(film(make_clip("a", still())))
    (item,) = checked.items
    asset = checked.assets[item.attrib["ref"]]
    form = checked.formats[asset.attrib["format"]]
    assert item.tag == "video"
    assert asset.attrib["duration"] == "0s"
    assert form.get("name") == "FFVideoFormatRateUndefined"
    assert form.get("frameDuration") is None
    assert (form.get("width"), form.get("height")) == ("1024", "576")


def test_a_video_says_what_sound_it_has() -> None:
    spoken = MediaFacts(832, 480, 5.0, 16.0, audio=Audio(2, 44100))
    checked = _written(film(make_clip("a", video())).with_facts(v1=spoken))
    (asset,) = checked.assets.values()
    sound = {name: asset.get(name) for name in ("hasAudio", "audioChannels", "audioRate")}
    assert sound == {"hasAudio": "1", "audioChannels": "2", "audioRate": "44100"}


def test_a_silent_video_claims_no_sound() -> None:
    (asset,) = _written(film(make_clip("a", video()))).assets.values()
    assert asset.get("hasAudio") is None


def test_music_hangs_below_the_item_it_begins_in() -> None:
    late = make_clip("a", still(), timeline_position=1.0, length=2.0)
    checked = _written(film(late, music_file_path="m.mp3", music_duration=90.0))
    music = checked.items[0].find("asset-clip")
    assert music is not None
    assert (music.get("lane"), music.get("offset"), music.get("audioRole")) == ("-1", "0s", "music")
    assert seconds(music.attrib["duration"]) == 3
    assert seconds(checked.assets[music.attrib["ref"]].attrib["duration"]) == 90


def test_what_hangs_on_an_item_counts_in_that_items_own_time() -> None:
    """A clip that shows its media from frame 10 starts its inner clock at 10, not at 0."""
    plain = film(make_clip("a", video(), length=3.0), music_file_path="m", music_duration=90.0)
    timeline = plain.timeline()
    (shown,) = timeline.clips
    assert timeline.music is not None
    late = Timeline(
        "x",
        timeline.rate,
        1920,
        1080,
        items=(Gap(0, 24), replace(shown, offset=24, source_in=10)),
        markers=(Marker(30, "here"),),
        music=replace(timeline.music, offset=48, duration=48),
    )
    checked = check(fcpxml.write(late))
    music, marker = checked.items[1].findall("*")
    assert (music.get("offset"), marker.get("start")) == ("3400/2400s", "1600/2400s")


def test_scenes_and_clips_without_media_leave_markers() -> None:
    scenes = [make_scene("s1", name="Dawn"), make_scene("s2", name="Noon", order=1)]
    checked = _written(film(make_clip("a", scene_id="s2", name="Rooftop"), scenes=scenes))
    (gap,) = checked.items
    assert gap.tag == "gap"
    assert [found.get("value") for found in gap.findall("marker")] == ["Dawn", "Noon", "Rooftop"]


def test_final_cut_shows_titles_and_resolve_relinks_by_file_name() -> None:
    found = film(make_clip("a", still(), name="Rooftop & <night>", lyrics="la la"))
    (fcp,), (resolve,) = _written(found).items, _written(found, variant="resolve").items
    assert fcp.get("name") == "Rooftop & <night>"
    assert fcp.findtext("note") == "la la"
    file_name = found.timeline().media[0].name
    assert resolve.get("name") == file_name
    assert resolve.findtext("note") == "Rooftop & <night>\nla la"


def test_names_are_cleaned_not_refused() -> None:
    checked = _written(film(make_clip("a", still(), name="\x00\x1b"), name="a\x0bb\nc"))
    (clip,) = clips(checked)
    assert clip.get("name") == "Untitled"
    event = checked.root.find("library/event")
    assert event is not None
    assert event.get("name") == "ab c"


@pytest.mark.parametrize(
    ("root", "start"), [(None, "./media/s01_c01_"), ("/Volumes/A 1", "file:///Volumes/A%201/s01_")]
)
def test_media_are_found_beside_the_document_or_under_a_root(root: str | None, start: str) -> None:
    timeline = film(make_clip("a", still())).timeline()
    (asset,) = check(fcpxml.write(timeline, media_root=root)).assets.values()
    source = asset.find("media-rep")
    assert source is not None
    assert source.attrib["src"].startswith(start)


def test_drop_frame_is_said() -> None:
    checked = _written(film(fps=29.97, drop_frame=True))
    sequence = checked.root.find(".//sequence")
    assert sequence is not None
    assert sequence.get("tcFormat") == "DF"
