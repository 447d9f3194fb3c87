"""The live page as it is served: what is in it, what never is, and what a key protects."""

import re
import tomllib
from datetime import timedelta
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import httpx
import pytest

from backend.api.pages import pages
from backend.comfyui_simulator.options import SimulatorOptions
from backend.comfyui_simulator.simulator import Simulator
from backend.config import ROOT
from backend.container import Container
from backend.models.content import ContentType
from backend.models.job import Job, JobStatus
from backend.server import create_app
from backend.services.monitoring.live_board import MOST_FAILED, MOST_WAITING
from backend.utils.clock import utc_now
from backend.utils.ids import new_id
from tests.conftest import Maker
from tests.studio import free_port, quick_settings, serving, studio

EVIL = """<script>alert(1)</script>'"><img src=x onerror=alert(2)>&amp;"""
RTL = "\u202eتبديل الاتجاه <b>غامق</b>"
POLICY = "content-security-policy"


def plain_job(clip: dict[str, Any], **fields: Any) -> Job:
    return Job(
        id=new_id(),
        project_id=clip["project_id"],
        scene_id=clip["scene_id"],
        clip_id=clip["id"],
        generation_type=ContentType.IMAGE,
        created_at=utc_now(),
        **fields,
    )


async def fail(container: Container, job: Job, words: str) -> None:
    jobs = container.base.repositories.jobs
    [queued] = await jobs.enqueue([job])
    assert await jobs.move(queued, JobStatus.FAILED, error=words, completed_at=utc_now())


class TestNewcomers:
    async def test_they_are_told_what_to_do(self, client: httpx.AsyncClient) -> None:
        page = (await client.get("/")).text
        assert "<h1>Welcome</h1>" in page
        assert "curl http://storycanvas/api/v1/comfyui/servers" in page
        assert "python3 scripts/run.py --demo" in page
        assert 'href="/docs"' in page
        assert "Nothing runs" not in page

    async def test_the_line_they_copy_registers_a_server(self, client: httpx.AsyncClient) -> None:
        page = (await client.get("/")).text
        [body] = re.findall(r"-d '(.+?)'", page)
        response = await client.post(
            "/api/v1/comfyui/servers",
            content=body,
            headers={"Content-Type": "application/json"},
        )
        assert response.status_code == 201
        page = (await client.get("/")).text
        assert "<h1>All quiet</h1>" in page
        assert "comfyui/servers" not in page
        assert "Nothing runs. A clip that gets a prompt" in page

    async def test_a_strange_host_is_in_no_command(self, client: httpx.AsyncClient) -> None:
        page = (await client.get("/", headers={"Host": "x;rm -rf ~"})).text
        assert "rm -rf" not in page
        assert "curl http://127.0.0.1:8001/api/v1/comfyui/servers" in page


class TestHeaders:
    async def test_nothing_inline_may_run(self, client: httpx.AsyncClient) -> None:
        response = await client.get("/")
        policy = response.headers[POLICY]
        assert response.headers["content-type"] == "text/html; charset=utf-8"
        assert response.headers["x-content-type-options"] == "nosniff"
        assert response.headers["cache-control"] == "no-store"
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert not re.findall(r"<style|style=|<script(?! src)|\son\w+=|javascript:", response.text)

    async def test_every_asset_is_served_here(self, client: httpx.AsyncClient) -> None:
        page = (await client.get("/")).text
        addresses = re.findall(r'(?:src|href)="(/static-live/[^"]+)"', page)
        kinds = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
        assert len(addresses) == len(kinds)
        for address in addresses:
            response = await client.get(address)
            assert response.status_code == 200
            kind = kinds[address.rpartition(".")[2]]
            assert response.headers["content-type"].startswith(kind)
            assert response.headers["x-content-type-options"] == "nosniff"
            assert response.headers["cache-control"] == "no-cache"
            tag = {"If-None-Match": response.headers["etag"]}
            assert (await client.get(address, headers=tag)).status_code == 304

    async def test_nothing_else_is_served_there(self, client: httpx.AsyncClient) -> None:
        for path in ("/static-live/", "/static-live/nothing.js", "/static-live/%00", "/live/"):
            assert (await client.get(path)).status_code == 404
        assert (await client.get("/static-live/..%2fpages.py")).status_code == 404

    async def test_head_and_other_methods(self, client: httpx.AsyncClient) -> None:
        assert (await client.head("/")).status_code == 200
        assert (await client.post("/")).status_code == 405


class TestStrangeWords:
    async def test_everything_is_escaped_and_cut(
        self, client: httpx.AsyncClient, container: Container, make_project: Maker,
        make_scene: Maker, make_clip: Maker,
    ) -> None:  # fmt: skip
        project = await make_project(name=EVIL)
        scene = await make_scene(project_id=project["id"])
        clip = await make_clip(scene_id=scene["id"], name=EVIL, auto_generate=False)
        server = {"name": EVIL, "url": f"http://127.0.0.1:{free_port()}"}
        assert (await client.post("/api/v1/comfyui/servers", json=server)).status_code == 201
        await fail(container, plain_job(clip, prompt=EVIL), f"{EVIL} {'e' * 5_000}")
        prompt = (RTL + EVIL + "x" * 10_000)[:10_000]
        await container.queue.manager.add_jobs([plain_job(clip, prompt=prompt)])
        page = (await client.get("/")).text
        assert "<script>alert" not in page
        assert "<img" not in page
        assert page.count("&lt;script&gt;alert(1)&lt;/script&gt;") >= 4
        assert len(page) < 30_000

    async def test_they_keep_their_direction_to_themselves(
        self, client: httpx.AsyncClient, container: Container, make_clip: Maker
    ) -> None:
        clip = await make_clip(name=RTL, auto_generate=False)
        await container.queue.manager.add_jobs([plain_job(clip)])
        page = (await client.get("/")).text
        heading = re.search(r'<h3 dir="auto">(?:<span.+?</span>)?(.+?)</h3>', page)
        assert heading is not None
        assert heading[1] == RTL.replace("<", "&lt;").replace(">", "&gt;")


class TestTheQueue:
    async def test_waiting_jobs_stand_in_turn_and_say_why(
        self, client: httpx.AsyncClient, container: Container, make_clip: Maker
    ) -> None:
        clip = await make_clip(name="Wide", auto_generate=False)
        many = [plain_job(clip, prompt=f"shot {n}", priority=n % 3) for n in range(60)]
        await container.queue.manager.add_jobs(many)
        page = (await client.get("/")).text
        assert "<h1>0 running, 60 waiting</h1>" in page
        assert f"the next {MOST_WAITING} are shown" in page
        rows = re.findall(r'<li id="wait-([^"]+)"[^>]+value="(\d+)"', page)
        assert [int(place) for _, place in rows] == list(range(1, MOST_WAITING + 1))
        in_turn = sorted(many, key=lambda job: -job.priority)
        assert [job_id for job_id, _ in rows] == [job.id for job in in_turn[:MOST_WAITING]]
        assert "No ComfyUI server is registered." in page
        assert page.count('data-act="cancel"') == MOST_WAITING

    async def test_failures_are_bounded_and_newest_first(
        self, client: httpx.AsyncClient, container: Container, make_clip: Maker
    ) -> None:
        clip = await make_clip(name="Wide", auto_generate=False)
        for number in range(MOST_FAILED + 3):
            await fail(container, plain_job(clip), f"Reason {number}.")
        page = (await client.get("/")).text
        assert f"the latest {MOST_FAILED} are shown" in page
        told = [int(number) for number in re.findall(r"Reason (\d+)\.", page)]
        assert told == list(range(MOST_FAILED + 2, 2, -1))
        assert page.count('data-act="retry"') == MOST_FAILED

    async def test_what_happened_is_told_in_words(self, tmp_path: Path) -> None:
        async with Simulator(SimulatorOptions()) as simulator, studio(tmp_path) as desk:
            await desk.server(simulator, "Attic")
            simulator.set_fault("execution_error", "the moon is in the way")
            clip = await desk.clip(name="Moonrise")
            await desk.finished(await desk.job(clip, max_retries=1))
            page = (await desk.client.get("/")).text
        assert "Moonrise" in page
        assert "the moon is in the way" in page
        assert "2 attempts" in page
        attempts = re.findall(r'<li value="\d">(.+?)</li>', page)
        assert len(attempts) == 2
        assert all("<bdi>Attic</bdi>" in words and "failed" in words for words in attempts)
        film = re.search(r'href="(/api/v1/projects/[^"]+)"', page)
        assert film is not None
        assert film[1].rpartition("/")[2] in {"timeline", "storyboard.html"}

    async def test_the_link_to_the_film_works(
        self, client: httpx.AsyncClient, container: Container, make_clip: Maker
    ) -> None:
        clip = await make_clip(auto_generate=False)
        await container.queue.manager.add_jobs([plain_job(clip)])
        [address] = re.findall(r'href="(/api/v1/projects/[^"]+)"', (await client.get("/")).text)
        assert (await client.get(address)).status_code == 200

    async def test_servers_say_how_they_are(self, tmp_path: Path) -> None:
        async with Simulator(SimulatorOptions()) as simulator, studio(tmp_path) as desk:
            first = await desk.server(simulator, "Attic")
            await desk.post("/comfyui/servers", {"name": "Gone", "url": "http://127.0.0.1:9"})
            await desk.post("/queue/servers/laptop/register", {"server_name": "Laptop"}, status=200)
            page = (await desk.client.get("/")).text
            assert re.findall(r'<p class="state (\w+)">(.+?)</p>', page) == [
                ("bad", "offline"), ("good", "online"), ("good", "pulls"),
            ]  # fmt: skip
            assert "2 of 3 servers online" in page
            await desk.client.put(f"/api/v1/comfyui/servers/{first}", json={"is_active": False})
            assert '<p class="state off">drained</p>' in (await desk.client.get("/")).text


class TestKeys:
    async def test_the_page_comes_without_anything(self, tmp_path: Path) -> None:
        async with studio(tmp_path, api_keys="secret") as desk:
            key, html = {"Authorization": "Bearer secret"}, {"Accept": "text/html,*/*;q=0.8"}
            body = {"name": "Attic", "url": f"http://127.0.0.1:{free_port()}"}
            made = await desk.client.post("/api/v1/comfyui/servers", json=body, headers=key)
            assert made.status_code == 201
            for headers in (html, {**html, "Authorization": "Bearer wrong"}):
                page = await desk.client.get("/", headers=headers)
                assert page.status_code == 401
                assert page.headers["www-authenticate"] == "Bearer"
                assert "default-src 'none'" in page.headers[POLICY]
                assert "This server needs a key" in page.text
                assert "Attic" not in page.text
                assert "online" not in page.text
            page = await desk.client.get("/", headers={**html, **key})
            assert page.status_code == 200
            assert "Attic" in page.text
            assert (await desk.client.get("/static-live/live.js")).status_code == 200
            for path in ("/", "/live/board"):
                refused = await desk.client.get(path)
                assert refused.status_code == 401
                assert refused.json()["error"]["code"] == "UNAUTHORIZED"
            assert (await desk.client.get("/live/board", headers=html)).status_code == 401
            assert (await desk.client.get("/live/board?api_key=secret")).status_code == 401
            board = await desk.client.get("/live/board", headers=key)
            assert "Attic" in board.text
            assert "frame-ancestors" in board.headers[POLICY]

    async def test_newcomers_are_told_to_send_it(self, tmp_path: Path) -> None:
        async with studio(tmp_path, api_keys="secret") as desk:
            key = {"Authorization": "Bearer secret"}
            board = (await desk.client.get("/live/board", headers=key)).text
        assert "Authorization: Bearer YOUR_KEY" in board
        assert "secret" not in board

    async def test_without_keys_the_board_is_open_too(self, client: httpx.AsyncClient) -> None:
        board = (await client.get("/live/board")).text
        assert board.lstrip().startswith("<main")
        assert "needs a key" not in board


async def test_a_database_that_is_away_is_said_in_html(tmp_path: Path) -> None:
    url = f"mongodb://127.0.0.1:{free_port()}"
    async with serving(create_app(quick_settings(tmp_path, mongo_url=url))) as client:
        response = await client.get("/")
    assert response.status_code == 503
    assert response.headers["retry-after"] == "3"
    assert "<h1>The database does not answer</h1>" in response.text


async def test_it_is_no_part_of_the_manual(client: httpx.AsyncClient) -> None:
    paths = (await client.get("/openapi.json")).json()["paths"]
    assert "/" not in paths
    assert "/live/board" not in paths


@pytest.mark.parametrize(
    ("value", "words"),
    [(0, "1 s"), (89, "89 s"), (120, "2 min"), (7200, "2.0 h"), (4 * 86_400, "4 days")],
)
def test_lengths_of_time(value: float, words: str) -> None:
    assert pages.length_of_time(value) == words
    assert pages.millis(utc_now() + timedelta(seconds=value)) > 0


def test_an_installed_package_has_its_files_too() -> None:
    """What setuptools puts into a wheel beside the modules is named in pyproject.toml."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    patterns = project["tool"]["setuptools"]["package-data"]["backend.api.pages"]
    api = ROOT / "backend" / "api" / "pages"
    files = [
        path.relative_to(api).as_posix()
        for folder in ("static", "templates")
        for path in (api / folder).iterdir()
    ]
    assert len(files) >= 6
    assert all(any(fnmatch(file, pattern) for pattern in patterns) for file in files)
