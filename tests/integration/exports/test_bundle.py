"""The media package: everything in it opens, and it names nothing that is not in it."""

import asyncio
import io
import re
import zipfile
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import unquote

import av
import httpx
import opentimelineio as otio
import pytest
from lxml import etree
from PIL import Image

from backend.config import Settings
from backend.container import Container
from backend.services.exports.bundle import _files
from backend.services.exports.film import Film
from tests.export.fcpxml_reader import check
from tests.export.films import film, make_clip, still
from tests.films_on_disk import Studio, flat, music, sounding_video
from tests.takes import Gallery

URL = re.compile(rb'(?:src="|<pathurl>|"target_url": ?")([^"<]+)')
TIMELINES = (".fcpxml", ".xml", ".otio")


@pytest.fixture
def desk(client: httpx.AsyncClient, container: Container, settings: Settings) -> Studio:
    return Studio(client, container, Gallery(container, settings.upload_dir))


async def unzipped(desk: Studio, url: str, query: str = "") -> dict[str, bytes]:
    answer = await desk.client.get(f"{url}/bundle.zip{query}")
    assert answer.status_code == 200, answer.text
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


def named_urls(files: dict[str, bytes]) -> set[str]:
    """What timelines say that their media are called, relative to the package."""
    urls = {
        url.decode()
        for name, body in files.items()
        if name.endswith(TIMELINES)
        for url in URL.findall(body)
    }
    return {unquote(url).removeprefix("./") for url in urls}


def media_of(files: dict[str, bytes]) -> set[str]:
    return {name for name in files if name.startswith("media/")}


def decode(name: str, body: bytes) -> tuple[int, int]:
    """Decode all of a medium; gives pictures and samples."""
    if name.endswith(".png"):
        with Image.open(io.BytesIO(body)) as picture:
            picture.load()
        return 1, 0
    with av.open(io.BytesIO(body), "r") as container:
        pictures = sum(1 for _ in container.decode(video=0)) if container.streams.video else 0
    with av.open(io.BytesIO(body), "r") as container:
        if not container.streams.audio:
            return pictures, 0
        return pictures, sum(frame.samples for frame in container.decode(audio=0))


async def a_film(desk: Studio, **project: Any) -> str:
    url = await desk.begin(**project)
    await desk.still("Rooftop: Nacht 1", 0.5, flat())
    await desk.film("Zoë drives", 1.5, sounding_video())
    await desk.clip("Nothing yet", 0.5)
    await desk.music(music())
    return url


class TestWhole:
    async def test_everything_in_it_opens(self, desk: Studio) -> None:
        files = await unzipped(desk, await a_film(desk))
        documents = set(files) - media_of(files)
        assert documents == {
            "night_drive.fcpxml", "night_drive_resolve.fcpxml", "night_drive.edl",
            "night_drive.xml", "night_drive.otio", "night_drive.json", "night_drive.csv",
            "README.txt",
        }  # fmt: skip
        assert named_urls(files) == media_of(files)
        for name in media_of(files):
            assert re.fullmatch(r"media/[a-z0-9_]*[a-z_]\.(png|mp4|wav)", name), name
            assert sum(decode(name, files[name])) > 0
        check(files["night_drive.fcpxml"])
        check(files["night_drive_resolve.fcpxml"])
        assert etree.fromstring(files["night_drive.xml"]).tag == "xmeml"
        timeline = otio.adapters.read_from_string(files["night_drive.otio"].decode(), "otio_json")
        assert timeline.duration().value == 60
        assert files["night_drive.edl"].isascii()
        readme = files["README.txt"].decode()
        for words in (
            "Final Cut Pro",
            "Resolve",
            "Premiere",
            "night_drive.fcpxml",
            "media/s01_c01",
        ):
            assert words in readme
        assert "Clip 'Nothing yet' has nothing to show." in readme

    @pytest.mark.parametrize("fps", [23.976, 60])
    async def test_videos_have_the_rate_of_the_timeline(self, desk: Studio, fps: float) -> None:
        url = await desk.begin(fps=fps)
        await desk.film("Drive", 1, sounding_video())
        files = await unzipped(desk, url)
        (name,) = media_of(files)
        with av.open(io.BytesIO(files[name]), "r") as container:
            stream = container.streams.video[0]
            assert stream.average_rate is not None
            assert abs(float(stream.average_rate) - fps) < 0.001
            assert stream.codec_context.name == "h264"
            assert stream.codec_context.pix_fmt == "yuv420p"
            assert (stream.width, stream.height) == (64, 48)
            assert stream.start_time == 0
            frames, rate = stream.frames, stream.average_rate
        pictures, samples = decode(name, files[name])
        # 17 pictures at 16 a second, floored to whole frames of the timeline.
        assert pictures == frames == int(17 / 16 * rate)
        assert abs(samples / 48_000 - pictures / fps) < 0.03
        asset = etree.fromstring(files["night_drive.fcpxml"]).find(".//asset")
        assert asset is not None
        assert (asset.get("hasAudio"), asset.get("audioRate")) == ("1", "48000")

    async def test_absolute_places(self, desk: Studio) -> None:
        files = await unzipped(desk, await a_film(desk), "?media_root=/Volumes/A%201")
        urls = named_urls(files)
        assert {PurePosixPath(url).name for url in urls} == {
            PurePosixPath(name).name for name in media_of(files)
        }
        assert all("/Volumes/A 1/" in url for url in urls)
        refused = await desk.client.get(
            f"/api/v1/projects/{desk.project['id']}/export/bundle.zip?media_root=A"
        )
        assert (refused.status_code, refused.json()["error"]["code"]) == (400, "INVALID_MEDIA_ROOT")

    async def test_videos_may_be_held(self, desk: Studio) -> None:
        url = await desk.begin()
        await desk.film("Short", 2, sounding_video())
        gapped = await unzipped(desk, url)
        held = await unzipped(desk, url, "?short_video=hold")
        counts = [
            decode(name, files[name])[0] for files in (gapped, held) for name in media_of(files)
        ]
        assert counts == [25, 48]
        assert b"<gap" in gapped["night_drive.fcpxml"]
        assert b"<gap" not in held["night_drive.fcpxml"]
        check(held["night_drive.fcpxml"])

    async def test_nothing_to_show(self, desk: Studio) -> None:
        files = await unzipped(desk, await desk.begin(name="夜"))
        assert media_of(files) == set()
        assert "project.fcpxml" in files
        check(files["project.fcpxml"])


class TestTrouble:
    @pytest.mark.parametrize("mode", ["selected", "placeholder"])
    async def test_broken_media_are_named_and_break_nothing(self, desk: Studio, mode: str) -> None:
        """Cut off, gone, empty, no media at all, no sound."""
        url = await a_film(desk)
        whole = sounding_video()
        await desk.film("Cut", 1, whole[: len(whole) // 2])
        await desk.still("Garbage", 1, b"GIF89a but no more")
        gone = await desk.still("Gone", 1, flat())
        (desk.gallery.folder / gone).unlink()
        await desk.still("Empty", 1, b"")
        files = await unzipped(desk, url, f"?media={mode}")
        assert named_urls(files) == media_of(files)
        for name in media_of(files):
            assert sum(decode(name, files[name])) > 0
        check(files["night_drive.fcpxml"])
        readme = files["README.txt"].decode()
        for name in ("Cut", "Garbage", "Gone", "Empty"):
            assert f"clip '{name}'" in readme
        stills = {name for name in media_of(files) if name.endswith(".png")}
        assert len(stills) == (6 if mode == "placeholder" else 1)

    async def test_broken_music_is_left_out(self, desk: Studio) -> None:
        url = await a_film(desk)
        path = await desk.music(music())
        desk.gallery.write(path, b"RIFF" + bytes(2000))
        files = await unzipped(desk, url)
        assert not any(name.endswith(".wav") for name in files)
        assert named_urls(files) == media_of(files)
        assert "The music was left out" in files["README.txt"].decode()

    async def test_refusals_come_before_the_first_byte(self, desk: Studio) -> None:
        answer = await desk.client.get("/api/v1/projects/none/export/bundle.zip")
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "PROJECT_NOT_FOUND")

    async def test_a_format_that_cannot_carry_it_is_named(self, desk: Studio) -> None:
        """An EDL ends at 24:00:00:00 and begins at 01:00:00:00."""
        url = await desk.begin()
        clip = await desk.clip("Long", 1)
        await desk.container.base.repositories.clips.update(clip["id"], {"length": 83_000.0})
        files = await unzipped(desk, url)
        assert not any(name.endswith(".edl") for name in files)
        assert "EDL: " in files["README.txt"].decode()
        assert "night_drive.fcpxml" in files


def test_long_lists_come_in_parts() -> None:
    take = still()
    clips = [make_clip(f"c{n}", take, timeline_position=n, length=1) for n in range(1000)]
    story = film(*clips, name="Long")
    files = _files("edl", Film(story.project, story.scenes, story.clips), story.timeline())
    assert [name for name, _ in files] == ["long_part01.edl", "long_part02.edl"]


class TestWork:
    async def test_a_copy_at_hand_is_not_sent_again(self, desk: Studio) -> None:
        url = await a_film(desk) + "/bundle.zip"
        first = await desk.client.get(url)
        etag = first.headers["etag"]
        again = await desk.client.get(url, headers={"If-None-Match": etag})
        assert (again.status_code, again.content) == (304, b"")
        await desk.film("Another", 1, sounding_video())
        changed = await desk.client.get(url, headers={"If-None-Match": etag})
        assert changed.status_code == 200
        assert first.headers["content-type"] == "application/zip"
        assert 'filename="night_drive_bundle.zip"' in first.headers["content-disposition"]

    async def test_videos_are_converted_once(self, desk: Studio) -> None:
        """For two at once, for a second clip with the same content, and for later ones."""
        url = await desk.begin()
        content = sounding_video()
        await desk.film("A", 1, content)
        await desk.film("B", 1, content)
        first, second = await asyncio.gather(unzipped(desk, url), unzipped(desk, url))
        cache = desk.gallery.folder / ".cache"
        (made,) = cache.iterdir()
        born = made.stat().st_ino
        third = await unzipped(desk, url)
        assert [made.stat().st_ino for made in cache.iterdir()] == [born]
        assert media_of(first) == media_of(second) == media_of(third)
        assert len(media_of(first)) == 2

    async def test_who_goes_away_stops_the_work(self, desk: Studio) -> None:
        url = await desk.begin(width=1920, height=1080)
        await desk.film("Long", 600, sounding_video(), frames=17)
        app: Any = desk.client._transport
        gone = asyncio.Event()
        sent: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            await gone.wait()
            return {"type": "http.disconnect"}

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        scope = {
            "type": "http", "asgi": {"version": "3.0", "spec_version": "2.3"}, "method": "GET",
            "path": f"{url}/bundle.zip", "raw_path": b"", "root_path": "", "scheme": "http",
            "query_string": b"short_video=hold", "headers": [], "http_version": "1.1",
            "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 1),
        }  # fmt: skip
        request = asyncio.create_task(app.app(scope, receive, send))
        process: Any = desk.container.exports.media_preparer._process
        async with asyncio.timeout(20):
            while process.pid is None:
                await asyncio.sleep(0.01)
        gone.set()
        async with asyncio.timeout(10):
            await request
            while process.pid is not None or desk.container.exports.media_preparer._tasks:
                await asyncio.sleep(0.01)
        assert not any((desk.gallery.folder / ".cache").iterdir())
        assert not any(message.get("body") for message in sent)
