"""The service over plain lists and a real folder."""

import io
import json
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import pytest
from PIL import Image

from backend.models.character import Character
from backend.models.clip import Clip
from backend.models.exports.timeline import ProblemCode
from backend.models.project import Project
from backend.models.scene import Scene
from backend.services.export_service import ExportService
from backend.services.exports.film import ExportFormat, ExportOptions, FilmLoader
from backend.services.exports.film_timelines import FilmTimelines
from backend.services.exports.formats import placeholder
from backend.utils.errors import ConflictError, InvalidRequestError, ResourceNotFoundError
from tests.export.fcpxml_reader import check
from tests.export.films import Film, film, make_clip, still, video


@dataclass
class _Projects:
    project: Project

    async def get(self, project_id: str, /) -> Project:
        if project_id != self.project.id:
            raise ResourceNotFoundError.of("project", project_id)
        return self.project


@dataclass
class _Scenes:
    scenes: list[Scene]

    async def list_for_project(self, _project_id: str, /) -> list[Scene]:
        return self.scenes


@dataclass
class _Clips:
    clips: list[Clip]

    async def list_for_project(self, _project_id: str, /) -> list[Clip]:
        return self.clips


class _Characters:
    async def of_film(self, _project_id: str, _ids: set[str], /) -> list[Character]:
        return []


def _timelines(found: Film, uploads: Path) -> FilmTimelines:
    films = FilmLoader(
        _Projects(found.project), _Scenes(found.scenes), _Clips(found.clips), _Characters()
    )
    return FilmTimelines(films, uploads)


def _service(found: Film, uploads: Path) -> ExportService:
    return ExportService(_timelines(found, uploads))


def _put(uploads: Path, *paths: str) -> None:
    for path in paths:
        (uploads / path).parent.mkdir(parents=True, exist_ok=True)
        (uploads / path).write_bytes(path.encode())


def _film() -> Film:
    second = make_clip("b", video(), timeline_position=5.0)
    third = make_clip("c", timeline_position=10.0)
    project: dict[str, Any] = {
        "name": "Zoë's Film!",
        "music_file_path": "music/a.mp3",
        "music_duration": 9.0,
    }
    return film(make_clip("a", still()), second, third, **project)


@pytest.mark.parametrize(
    ("fmt", "media_type", "filename"),
    [
        ("fcpxml", "application/xml", "zoe_s_film.fcpxml"),
        ("resolve", "application/xml", "zoe_s_film_resolve.fcpxml"),
        ("edl", "text/plain", "zoe_s_film.edl"),
        ("xmeml", "application/xml", "zoe_s_film.xml"),
        ("otio", "application/json", "zoe_s_film.otio"),
        ("json", "application/json", "zoe_s_film.json"),
        ("csv", "text/csv", "zoe_s_film.csv"),
    ],
)
async def test_each_format(
    fmt: ExportFormat, media_type: str, filename: str, tmp_path: Path
) -> None:
    _put(tmp_path, "images/i1.png", "videos/v1.mp4", "music/a.mp3")
    file = await _service(_film(), tmp_path).export("p", fmt)
    assert (file.media_type, file.filename) == (media_type, filename)
    assert len(file.body) > 100


@pytest.mark.parametrize("fmt", list(get_args(ExportFormat)))
async def test_a_project_with_nothing_in_it(fmt: ExportFormat, tmp_path: Path) -> None:
    empty = Film(film().project.model_copy(update={"name": "夜"}))
    file = await _service(empty, tmp_path).export("p", fmt)
    assert file.filename.startswith("project")
    assert file.body


async def test_media_of_the_timeline_lie_where_they_are_located(tmp_path: Path) -> None:
    _put(tmp_path, "images/i1.png", "videos/v1.mp4", "music/a.mp3")
    timelines = _timelines(_film(), tmp_path)
    _, timeline = await timelines.film_and_timeline("p")
    document = check((await ExportService(timelines).export("p", "fcpxml")).body)
    sources = [asset.find("media-rep") for asset in document.assets.values()]
    urls = {source.attrib["src"] for source in sources if source is not None}
    assert {f"./media/{media.name}" for media in timeline.media} == urls
    located = [timelines.locate(media.path) for media in timeline.media if media.path]
    assert [source.read_bytes() for source in located if source] == [
        b"images/i1.png",
        b"videos/v1.mp4",
        b"music/a.mp3",
    ]


async def test_a_clip_without_a_take_is_a_card_in_placeholder_mode(tmp_path: Path) -> None:
    _put(tmp_path, "images/i1.png", "videos/v1.mp4", "music/a.mp3")
    timelines = _timelines(_film(), tmp_path)
    options = ExportOptions(media_mode="placeholder")
    _, timeline = await timelines.film_and_timeline("p", options)
    body = (await ExportService(timelines).export("p", "resolve", options)).body
    names = {asset.attrib["name"] for asset in check(body).assets.values()}
    assert names == {media.name for media in timeline.media}
    (card,) = [media for media in timeline.media if media.path is None]
    assert (card.width, card.height) == (1920, 1080)


def test_a_long_label_stays_on_its_card() -> None:
    """Cut to nine tenths of the width, so the card's edges stay plain."""
    with Image.open(io.BytesIO(placeholder.draw("W" * 500, size=(320, 180)))) as card:
        assert card.getpixel((2, 90)) == card.getpixel((0, 0))
        assert len(card.getcolors(1 << 16) or []) > 1


async def test_files_that_are_gone_are_reported_and_not_shown(tmp_path: Path) -> None:
    _put(tmp_path, "images/i1.png")
    _, timeline = await _timelines(_film(), tmp_path).film_and_timeline("p")
    missing = [p.clip_id for p in timeline.problems if p.code is ProblemCode.MISSING_FILE]
    assert missing == ["b"]
    assert [media.path for media in timeline.media] == ["images/i1.png"]


@pytest.mark.parametrize("path", ["../secret.png", "/etc/hostname", ""])
async def test_nothing_outside_the_upload_folder_is_located(path: str, tmp_path: Path) -> None:
    _put(tmp_path, "secret.png", "uploads/images/i1.png")
    found = film(make_clip("a", still(path=path)))
    timelines = _timelines(found, tmp_path / "uploads")
    _, timeline = await timelines.film_and_timeline("p")
    assert timeline.media == ()
    assert timelines.locate(path) is None


async def test_a_long_edl_is_a_zip_of_parts(tmp_path: Path) -> None:
    clips = [
        make_clip(f"c{n}", still(f"i{n}"), timeline_position=float(n), length=1.0)
        for n in range(1_000)
    ]
    _put(tmp_path, *(f"images/i{n}.png" for n in range(1_000)))
    file = await _service(film(*clips), tmp_path).export("p", "edl")
    assert (file.media_type, file.filename) == ("application/zip", "film_edl.zip")
    with zipfile.ZipFile(io.BytesIO(file.body)) as parts:
        assert parts.namelist() == ["film_part01.edl", "film_part02.edl"]


async def test_a_media_root_makes_absolute_urls(tmp_path: Path) -> None:
    _put(tmp_path, "images/i1.png")
    service = _service(_film(), tmp_path)
    file = await service.export("p", "fcpxml", ExportOptions(media_root="C:\\Film 1"))
    assert b'src="file:///C:/Film%201/s01_c01_clip_a_' in file.body
    with pytest.raises(InvalidRequestError):
        await service.export("p", "fcpxml", ExportOptions(media_root="Film 1"))


async def test_alternates_come_when_asked_for(tmp_path: Path) -> None:
    _put(tmp_path, "images/i1.png", "images/i2.png")
    found = film(make_clip("a", still()), make_clip("b", still("i2"), is_alternate=True))
    service = _service(found, tmp_path)
    plain = json.loads((await service.export("p", "json")).body)
    full = json.loads(
        (await service.export("p", "json", ExportOptions(include_alternates=True))).body
    )
    assert len(plain["timeline"]["items"]) == 1
    assert len(full["timeline"]["items"]) == 2


async def test_what_cannot_be_exported_says_why(tmp_path: Path) -> None:
    with pytest.raises(ResourceNotFoundError):
        await _service(film(), tmp_path).export("other", "edl")
    with pytest.raises(ConflictError):
        await _service(film(fps=16), tmp_path).export("p", "edl")
