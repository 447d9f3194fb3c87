"""xmeml, read back by OpenTimelineIO's adapter, which is not ours, and by its rules."""

from typing import Any

import opentimelineio as otio
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from backend.models.exports.timeline import Audio, MediaKind, Timeline
from backend.services.exports.formats import xmeml
from backend.services.exports.formats.names import one_line
from backend.services.exports.timeline_media import MUSIC, MediaFacts
from tests.export.films import Film, film, films, make_clip, modes, still, video

RATE = {"TRUE", "FALSE"}


def _read(timeline: Timeline, **options: Any) -> etree._Element:
    document = xmeml.write(timeline, **options)
    assert document.startswith(
        b'<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE xmeml>\n<xmeml version="5">'
    )
    return etree.fromstring(document, etree.XMLParser(resolve_entities=False, no_network=True))


def _check(root: etree._Element, timeline: Timeline) -> None:
    items = list(root.iter("clipitem"))
    ids = [item.attrib["id"] for item in items]
    assert len(set(ids)) == len(ids)
    described = [file.attrib["id"] for file in root.iter("file") if len(file)]
    assert len(described) == len(set(described)) == len(timeline.media)
    seen: set[str] = set()
    for item in items:
        numbers = {tag: int(item.findtext(tag, "")) for tag in ("start", "end", "in", "out")}
        assert numbers["out"] - numbers["in"] == numbers["end"] - numbers["start"] > 0
        assert 0 <= numbers["in"] < numbers["out"] <= int(item.findtext("duration", ""))
        file = item.find("file")
        assert file is not None
        assert len(file) or file.attrib["id"] in seen, (
            "a file is referred to before it is described"
        )
        seen.add(file.attrib["id"])
    size = root.find("sequence/media/video/format/samplecharacteristics")
    assert size is not None
    assert (size.findtext("width"), size.findtext("height")) == (
        str(timeline.width),
        str(timeline.height),
    )
    for rate in root.iter("rate"):
        assert rate.findtext("timebase") == str(timeline.rate.nominal)
        assert rate.findtext("ntsc") in RATE


@given(films(), modes(), st.sampled_from([None, "/a b/ü", "C:\\Film 1", "\\\\nas\\media"]))
def test_every_film_gives_a_document_that_holds_together(
    random: Film, mode: dict[str, Any], root: str | None
) -> None:
    timeline = random.timeline(**mode)
    _check(_read(timeline, media_root=root), timeline)


@given(films(), modes())
def test_another_reader_finds_the_same_cut(random: Film, mode: dict[str, Any]) -> None:
    timeline = random.timeline(**mode)
    text = xmeml.write(timeline).decode()
    if not timeline.items:
        return
    read = otio.adapters.read_from_string(text, "fcp_xml")
    (track,) = read.video_tracks()
    found = [
        (
            clip.name,
            clip.range_in_parent().start_time.value,
            clip.duration().value,
            clip.source_range.start_time.value,
        )
        for clip in track
        if isinstance(clip, otio.schema.Clip)
    ]
    assert found == [
        (one_line(clip.name, fallback="Untitled"), clip.offset, clip.duration, clip.source_in)
        for clip in timeline.clips
    ]


@pytest.mark.parametrize(("channels", "tracks"), [(1, 1), (2, 2), (6, 2)])
def test_stereo_music_takes_two_tracks_that_are_linked(channels: int, tracks: int) -> None:
    found = film(make_clip("a", still()), music_file_path="m.mp3")
    song = MediaFacts(duration=60.0, audio=Audio(channels, 44100))
    root = _read(found.with_facts(**{MUSIC: song}).timeline())
    audio = root.findall("sequence/media/audio/track")
    assert [track.findtext("clipitem/sourcetrack/trackindex") for track in audio] == [
        str(number) for number in range(1, tracks + 1)
    ]
    ids = [track.find("clipitem").attrib["id"] for track in audio]  # type: ignore[union-attr]
    links = [[link.text for link in track.iter("linkclipref")] for track in audio]
    assert links == ([ids, ids] if tracks == 2 else [[]])


def test_stills_say_so_and_titles_are_those_of_people() -> None:
    timeline = film(make_clip("a", still(), name="Rooftop & ]]> <x>", lyrics="la")).timeline()
    (item,) = _read(timeline).iter("clipitem")
    assert item.findtext("stillframe") == "TRUE"
    assert item.findtext("name") == "Rooftop & ]]> <x>"
    assert item.findtext("file/name") == timeline.media[0].name
    assert item.findtext("logginginfo/lognote") == "la"


@pytest.mark.parametrize(
    ("root", "start"),
    [
        (None, "./media/"),
        ("/Volumes/A 1", "file://localhost/Volumes/A%201/"),
        ("C:\\Film", "file://localhost/C%3a/Film/"),
        ("\\\\nas\\media", "file://nas/media/"),
    ],
)
def test_paths_are_as_premiere_writes_them(root: str | None, start: str) -> None:
    timeline = film(make_clip("a", video())).timeline()
    (url,) = _read(timeline, media_root=root).iter("pathurl")
    assert (url.text or "").startswith(start)
    assert timeline.media[0].kind is MediaKind.VIDEO


def test_markers_stand_at_scenes() -> None:
    root = _read(film(make_clip("a", still())).timeline())
    marker = root.find("sequence/marker")
    assert marker is not None
    assert [each.text for each in marker] == [None, "Scene s1", "0", "-1"]
