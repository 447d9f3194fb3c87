"""The animatic: what it shows and sounds like, and how it is waited for, cancelled and kept."""

import asyncio
import io
import os
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from fractions import Fraction
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

import av
import httpx
import pytest

from backend.config import Settings
from backend.container import Container
from backend.models.exports.animatic import AnimaticOptions, AnimaticRender, AnimaticStatus
from backend.server import create_app
from backend.utils.clock import utc_now
from tests.films_on_disk import Studio, flat, music, sounding_video
from tests.listening import eventually
from tests.studio import ORIGIN, quick_settings, server_process, serving, talking_to
from tests.takes import Gallery

SMALL = "height=480"


@pytest.fixture
def desk(client: httpx.AsyncClient, container: Container, settings: Settings) -> Studio:
    return Studio(client, container, Gallery(container, settings.upload_dir))


class Watched(NamedTuple):
    """`colours` is the kind of each picture's middle in turn, with how many there are."""

    rate: Fraction
    size: tuple[int, int]
    colours: list[tuple[str, int]]
    samples: int
    loud: float


def watch(body: bytes) -> Watched:
    """Decode all of it, as a player would."""
    with av.open(io.BytesIO(body), "r") as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
        assert container.streams.audio[0].codec_context.name == "aac"
        rate, size = stream.average_rate, (stream.width, stream.height)
        assert rate is not None
        assert stream.start_time == 0
        duration, base, count = stream.duration, stream.time_base, stream.frames
        pictures = [_colour(frame) for frame in container.decode(video=0)]
        assert duration is not None
        assert base is not None
        assert duration * base * rate == count == len(pictures)
    with av.open(io.BytesIO(body), "r") as container:
        samples, loud = 0, 0
        for frame in container.decode(audio=0):
            samples += frame.samples
            peaks = memoryview(bytes(frame.planes[0])).cast("f")
            loud += sum(1 for sample in peaks[: frame.samples] if abs(sample) > 0.05)
    runs = [(colour, len(list(run))) for colour, run in groupby(pictures)]
    return Watched(rate, size, runs, samples, loud / 48_000)


def _colour(frame: av.VideoFrame) -> str:
    picture: Any = frame.to_image()  # type: ignore[no-untyped-call]
    red, green, blue = picture.getpixel((picture.width // 2, picture.height * 2 // 3))
    if max(red, green, blue) < 12:
        return "black"
    if max(red, green, blue) - min(red, green, blue) < 20:
        return "card"
    return "red" if red > 120 > blue else "blue" if blue > 120 > red else "other"


async def shown(desk: Studio, url: str, query: str = SMALL) -> Watched:
    answer = await desk.client.get(f"{url}/animatic.mp4?wait=true&{query}")
    assert answer.status_code == 200, answer.text
    return watch(answer.content)


async def a_film(desk: Studio, **project: Any) -> str:
    """Half a second of red, a hole of a quarter, a second of blue with half a second of video."""
    url = await desk.begin(**project)
    await desk.still("Red", 0.5, flat())
    await desk.film("Blue", 1, sounding_video(frames=9), frames=9)
    clips = await desk.client.get(f"/api/v1/clips/scene/{desk.scene['id']}")
    second = clips.json()[1]["id"]
    await desk.client.put(f"/api/v1/clips/{second}", json={"timeline_position": 0.75})
    return url


class TestPicture:
    async def test_it_shows_the_film(self, desk: Studio) -> None:
        url = await a_film(desk)
        await desk.music(music(1.5))
        seen = await shown(desk, url)
        assert seen.rate == 24
        assert seen.size == (640, 480)
        assert seen.colours == [("red", 12), ("black", 6), ("blue", 13), ("black", 11)]
        assert seen.samples == pytest.approx(42 / 24 * 48_000, abs=1_100)
        assert seen.loud == pytest.approx(1.5, abs=0.05)
        held = await shown(desk, url, f"{SMALL}&short_video=hold")
        assert held.colours == [("red", 12), ("black", 6), ("blue", 24)]

    async def test_shape_rate_and_trouble(self, desk: Studio) -> None:
        """A wide film at 29.97; a file that is no picture and one that is cut short are cards."""
        url = await desk.begin(fps=29.97, drop_frame=True, width=640, height=272)
        await desk.still("Red", 0.5, flat(size=(90, 160)))
        broken = await desk.still("Broken", 0.5, flat())
        size = len(desk.gallery.read(broken))
        clip = await desk.clip("Nothing", 0.5)
        desk.gallery.write(broken, os.urandom(size))
        seen = await shown(desk, url, f"{SMALL}&media=placeholder&burn_in=timecode,name")
        assert seen.rate == Fraction(30_000, 1_001)
        assert seen.size == (1130, 480)
        assert seen.colours == [("red", 15), ("card", 30)]
        assert seen.loud == 0
        assert clip["name"] == "Nothing"

    async def test_nothing_to_show_is_one_black_picture(self, desk: Studio) -> None:
        assert (await shown(desk, await desk.begin())).colours == [("black", 1)]

    async def test_what_it_may_not_be(self, desk: Studio) -> None:
        url = await desk.begin() + "/animatic.mp4"
        for query in ("height=100", "burn_in=name,", "burn_in=logo", "short_video=stretch"):
            assert (await desk.client.get(f"{url}?{query}")).status_code == 422
        none = await desk.client.get("/api/v1/projects/none/export/animatic.mp4")
        assert (none.status_code, none.json()["error"]["code"]) == (404, "PROJECT_NOT_FOUND")


async def a_long_film(desk: Studio) -> str:
    """An hour of black, which takes longer to encode than any test waits."""
    url = await desk.begin(width=1920, height=1080)
    clip = await desk.clip("Long", 1)
    await desk.container.base.repositories.clips.update(clip["id"], {"length": 3600.0})
    return url + "/animatic.mp4?height=1080"


async def polled(
    ask: Callable[[], Awaitable[httpx.Response]], holds: Callable[[httpx.Response], bool]
) -> httpx.Response:
    deadline = time.monotonic() + 25
    while time.monotonic() < deadline:
        answer = await ask()
        if holds(answer):
            return answer
        await asyncio.sleep(0.05)
    raise AssertionError("never came true")


class TestJob:
    async def test_it_is_rendered_once_and_kept(self, desk: Studio) -> None:
        url = await a_film(desk) + f"/animatic.mp4?{SMALL}"
        first = await desk.client.get(url)
        assert first.status_code == 202
        body = first.json()
        assert (body["status"], body["progress"], body["url"]) == ("pending", 0, f"{ORIGIN}{url}")
        assert int(first.headers["retry-after"]) > 0
        done = await polled(lambda: desk.client.get(url), lambda a: a.status_code == 200)
        assert done.headers["content-type"] == "video/mp4"
        assert 'filename="night_drive_animatic.mp4"' in done.headers["content-disposition"]
        etag = done.headers["etag"]
        assert body["job_id"] in etag
        again = await desk.client.get(url, headers={"If-None-Match": etag})
        assert (again.status_code, again.content) == (304, b"")
        part = await desk.client.get(url, headers={"Range": "bytes=4-7"})
        assert (part.status_code, part.content) == (206, b"ftyp")
        await desk.still("New", 0.5, flat())
        assert (await desk.client.get(url)).status_code == 202
        changed = await desk.client.get(f"{url}&wait=true")
        assert changed.headers["etag"] != etag
        assert (
            await desk.container.base.repositories.animatics.list_for_project(desk.project["id"])
            == []
        )

    async def test_progress_and_cancel(self, desk: Studio) -> None:
        url = await a_long_film(desk)
        hub = desk.container.events.hub
        told: list[str] = []
        publish = hub.publish

        def heard(kind: Any, **about: Any) -> None:
            told.append(str(kind))
            publish(kind, **about)

        hub.publish = heard  # type: ignore[method-assign]
        began = await polled(lambda: desk.client.get(url), lambda a: a.json()["progress"] > 0)
        assert began.status_code == 202
        assert began.json()["status"] == "processing"
        waiting = asyncio.create_task(desk.client.get(f"{url}&wait=true"))
        await asyncio.sleep(0.3)
        gone = await desk.client.delete(url.partition("?")[0])
        assert (gone.status_code, gone.json()["deleted"]) == (200, 1)
        answer = await waiting
        assert (answer.status_code, answer.json()["error"]["code"]) == (409, "ANIMATIC_CANCELLED")
        process: Any = desk.container.exports.animatic_runner._process
        await eventually(lambda: process.pid is None)
        await eventually(lambda: not any((desk.gallery.folder / ".cache").iterdir()))
        assert told[0] == "export.started"
        assert {"export.progress", "export.cancelled"} == set(told[1:])
        assert (await desk.client.delete(url.partition("?")[0])).json()["deleted"] == 0

    async def test_a_changed_film_ends_the_old_rendering(self, desk: Studio) -> None:
        url = await a_long_film(desk)
        first = (
            await polled(lambda: desk.client.get(url), lambda a: a.json()["progress"] > 0)
        ).json()
        clips = (await desk.client.get(f"/api/v1/clips/scene/{desk.scene['id']}")).json()
        await desk.client.delete(f"/api/v1/clips/{clips[0]['id']}")
        await desk.still("Red", 0.5, flat())
        done = await desk.client.get(f"{url}&wait=true")
        assert done.status_code == 200
        assert first["job_id"] not in done.headers["etag"]

    async def test_what_a_dead_process_left_is_taken_over(self, desk: Studio) -> None:
        url = await a_film(desk)
        options = AnimaticOptions(height=480)
        planner = desk.container.exports.animatics._planner
        plan = await planner.plan(desk.project["id"], options)
        long_ago = utc_now() - timedelta(minutes=1)
        for render_id in (plan.id, "of a film that is no more"):
            await desk.container.base.repositories.animatics.ask(
                AnimaticRender(
                    id=render_id,
                    project_id=desk.project["id"],
                    options=options,
                    status=AnimaticStatus.PROCESSING,
                    owner="dead",
                    created_at=long_ago,
                    updated_at=long_ago,
                )
            )
        desk.container.exports.animatic_runner.wake()
        cache = desk.container.exports.render_cache
        await eventually(lambda: cache.find(plan.file), 20)
        renders = desk.container.base.repositories.animatics
        async with asyncio.timeout(10):
            while await renders.list_for_project(desk.project["id"]):
                await asyncio.sleep(0.05)
        assert (await desk.client.get(f"{url}/animatic.mp4?{SMALL}")).status_code == 200

    async def test_a_failure_is_told_and_then_tried_again(self, desk: Studio) -> None:
        url = await a_film(desk) + f"/animatic.mp4?{SMALL}"
        planner = desk.container.exports.animatics._planner
        plan = await planner.plan(desk.project["id"], AnimaticOptions(height=480))
        renders = desk.container.base.repositories.animatics
        now = utc_now()
        failed = AnimaticRender(
            id=plan.id,
            project_id=desk.project["id"],
            options=AnimaticOptions(height=480),
            status=AnimaticStatus.FAILED,
            error="There is no room left on the disk.",
            created_at=now,
            updated_at=now,
        )
        await renders.ask(failed)
        told = await desk.client.get(url)
        assert (told.status_code, told.json()["error"]["code"]) == (503, "ANIMATIC_FAILED")
        assert "no room" in told.json()["detail"]
        await renders.update(plan.id, {"updated_at": now - timedelta(minutes=1)})
        assert (await desk.client.get(f"{url}&wait=true")).status_code == 200

    async def test_a_wait_ends_in_time(self, desk: Studio) -> None:
        url = await a_long_film(desk)
        desk.container.exports.animatics._wait_seconds = 0.5
        assert (await desk.client.get(f"{url}&wait=true")).status_code == 202
        waiting = asyncio.create_task(desk.client.get(f"{url}&wait=true"))
        desk.container.exports.animatics._wait_seconds = 60
        desk.container.exports.animatics.let_go()
        async with asyncio.timeout(10):
            assert (await waiting).status_code == 202


async def test_the_server_ends_what_it_renders(tmp_path: Path) -> None:
    """At its end, nothing is left running, and the rendering is anybody's."""

    app = create_app(quick_settings(tmp_path))
    async with serving(app) as client:
        container: Container = app.state.container
        desk = Studio(client, container, Gallery(container, tmp_path / "uploads"))
        url = await a_long_film(desk)
        await polled(lambda: client.get(url), lambda a: a.json()["progress"] > 0)
        process: Any = container.exports.animatic_runner._process
        pid = process.pid
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert not any((tmp_path / "uploads" / ".cache").iterdir())


async def test_a_killed_server_leaves_no_process_behind(tmp_path: Path) -> None:
    """With uvloop, as it ships; its rendering process lives by its standard input."""
    with server_process(tmp_path, mongo_url="memory:") as server:
        server.start()
        await server.ready()
        async with talking_to(server) as desk:
            project = await desk.post("/projects", {"name": "F", "width": 1920, "height": 1080})
            scene = await desk.post("/scenes", {"project_id": project["id"], "name": "S"})
            await desk.post("/clips", {"scene_id": scene["id"], "name": "C", "length": 3000})
            url = f"/api/v1/projects/{project['id']}/export/animatic.mp4?height=1080"
            await polled(lambda: desk.client.get(url), lambda a: a.json()["progress"] > 0)
        workers = _children(server.pid)
        assert workers or not Path("/proc/self/task").exists()  # noqa: ASYNC240
        server.kill()
    await eventually(lambda: not any(map(_is_alive, workers)))


def _children(pid: int) -> list[int]:
    """By /proc, where there is one."""
    listed = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(child) for child in listed.read_text().split()] if listed.exists() else []


def _is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"
