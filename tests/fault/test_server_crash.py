"""kill -9 and SIGTERM of the whole server, with a real database and a simulator that counts."""

import asyncio
import os
import socket
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from backend.comfyui_simulator.options import SimulatorOptions
from backend.comfyui_simulator.simulator import Simulator
from backend.mongo.embedded import EmbeddedDatabase
from tests.studio import ServerProcess, Studio, server_process, talking_to

JOBS = 6
PARAMS = {"steps": 10, "width": 64, "height": 64}


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with Simulator(SimulatorOptions(seconds_per_step=0.04)) as running:
        yield running


@pytest.fixture(params=["embedded", "over the wire"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A MONGO_URL: the server's own child, or a database that somebody else runs."""
    if request.param == "embedded":
        yield f"embedded:{tmp_path / 'db'}"
        return
    elsewhere = EmbeddedDatabase(tmp_path / "elsewhere")
    elsewhere.start()
    try:
        yield elsewhere.url
    finally:
        elsewhere.stop()


async def film(desk: Studio, simulator: Simulator) -> tuple[list[dict[str, Any]], list[str]]:
    """Six clips with a job each, on a server that takes two at once."""
    await desk.server(simulator, max_concurrent=2)
    clips = [await desk.clip() for _ in range(JOBS)]
    return clips, [await desk.job(clip, params=PARAMS) for clip in clips]


async def test_killed_mid_generation_it_finishes_every_job_once(
    database: str, simulator: Simulator, tmp_path: Path
) -> None:
    with server_process(tmp_path, mongo_url=database) as server:
        server.start()
        await server.ready()
        async with talking_to(server) as desk:
            clips, job_ids = await film(desk, simulator)
            # Twice, at different stages: some done, some at the server, some still waiting.
            for done in (1, 3):
                while len(simulator.stats["rendered"]) < done:
                    await asyncio.sleep(0.01)
                server.kill()
                server.start()
                await server.ready()
            jobs = [await desk.finished(job_id, 30) for job_id in job_ids]
            assert [job["status"] for job in jobs] == ["completed"] * JOBS
            assert [len(await desk.takes(clip)) for clip in clips] == [1] * JOBS
            totals = await desk.get("/queue/status")
            assert (totals["completed_jobs"], totals["pending_jobs"]) == (JOBS, 0)
            for job in jobs:
                assert (await desk.client.get(job["result_url"])).status_code == 200
        counted = simulator.stats["rendered"]
        assert (len(counted), set(counted.values())) == (JOBS, {1})


async def test_killed_while_it_makes_a_picture_of_a_character_it_ends_in_the_gallery(
    simulator: Simulator, tmp_path: Path
) -> None:
    with server_process(tmp_path, mongo_url=f"embedded:{tmp_path / 'db'}") as server:
        server.start()
        await server.ready()
        async with talking_to(server) as desk:
            await desk.server(simulator)
            words = {"name": "Mara", "trigger_words": "ohwx woman"}
            character = await desk.post("/characters", words)
            place = f"/characters/{character['id']}"
            answer = await desk.client.post(
                f"/api/v1{place}/generate",
                json={"params": {**PARAMS, "steps": 40}},
                headers={"Prefer": "respond-async"},
            )
            while not simulator.stats["accepted"]:
                await asyncio.sleep(0.01)
            assert simulator.stats["rendered"] == {}
            server.kill()
            server.start()
            await server.ready()
            job = await desk.finished(answer.json()["job_id"], 30)
            gallery = await desk.get(f"{place}/gallery")
            [take] = gallery["images"]
            file = await desk.client.get(take["url"])
    assert (job["status"], job["error"], job["content_id"]) == ("completed", None, take["id"])
    assert (job["character_id"], job["clip_id"]) == (character["id"], None)
    assert (take["prompt"], file.status_code) == ("ohwx woman", 200)
    assert list(simulator.stats["rendered"].values()) == [1]


async def test_a_waiting_client_does_not_hold_up_the_end(
    simulator: Simulator, tmp_path: Path
) -> None:
    mongo_url = f"embedded:{tmp_path / 'db'}"
    with server_process(tmp_path, mongo_url=mongo_url, generate_wait_seconds=200) as server:
        server.start()
        await server.ready()
        async with talking_to(server) as desk:
            await desk.server(simulator)
            clip = await desk.clip()
            params = {**PARAMS, "steps": 100}
            body = {"clip_id": clip["id"], "prompt": "x", "params": params}
            waiting = asyncio.create_task(desk.client.post("/api/v1/generate", json=body))
            while not simulator.stats["accepted"]:
                await asyncio.sleep(0.01)
            children = _children(server.pid)
            code, seconds = await asyncio.to_thread(server.terminate)
            answer = await waiting
        assert (code, answer.status_code) == (0, 202)
        assert seconds < 5
        assert children
        assert not [pid for pid in children if _alive(pid)]
        assert "Traceback" not in server.log
        server.start()
        await server.ready()
        async with talking_to(server) as desk:
            job = await desk.finished(answer.json()["job_id"], 30)
        assert job["status"] == "completed"
        assert set(simulator.stats["rendered"].values()) == {1}


@pytest.mark.parametrize(
    "command",
    [
        ("-m", "backend.server"),
        ("backend/server.py",),
        ("-m", "uvicorn", "backend.server:app", "--port", "{port}", "--log-level", "warning"),
    ],
)
async def test_every_way_to_start_it_serves_and_ends(
    command: tuple[str, ...], tmp_path: Path
) -> None:
    with server_process(tmp_path, mongo_url="memory:") as server:
        server.start(*(part.format(port=server.port) for part in command))
        await server.ready()
        code, seconds = await asyncio.to_thread(server.terminate)
        # uvicorn's own command line re-raises the signal once it has shut down.
        assert code in {0, -15}
        assert seconds < 5


async def test_a_database_that_dies_mid_job_costs_nothing(
    simulator: Simulator, tmp_path: Path
) -> None:
    with server_process(tmp_path, mongo_url=f"embedded:{tmp_path / 'db'}") as server:
        server.start()
        await server.ready()
        async with talking_to(server) as desk:
            clips, job_ids = await film(desk, simulator)
            while not simulator.stats["rendered"]:
                await asyncio.sleep(0.01)
            for pid in _databases(server):
                os.kill(pid, 9)
            await server.ready()
            jobs = [await _finished_through_outage(desk, job_id) for job_id in job_ids]
        assert [job["status"] for job in jobs] == ["completed"] * JOBS
        assert set(simulator.stats["rendered"].values()) == {1}
        assert len(simulator.stats["rendered"]) == JOBS
        assert len(clips) == JOBS


async def _finished_through_outage(desk: Studio, job_id: str) -> dict[str, Any]:
    for _ in range(600):
        answer = await desk.client.get(f"/api/v1/queue/jobs/{job_id}")
        assert answer.status_code in {200, 503}
        if answer.status_code == 200 and answer.json()["status"] not in {"pending", "processing"}:
            return dict(answer.json())
        await asyncio.sleep(0.05)
    raise AssertionError(job_id)


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"mongo_url": "redis://h", "max_music_size_mb": "lots"}, ["MONGO_URL", "MAX_MUSIC_SIZE"]),
        ({"mongo_url": "mongodb://user:hunter2@h:99999"}, ["MONGO_URL"]),
        ({"mongo_url": "mongodb://"}, ["MONGO_URL"]),
        ({"mongo_url": "embedded:/proc/nowhere"}, ["MONGO_URL"]),
        ({"upload_dir": "/proc/nowhere"}, ["UPLOAD_DIR"]),
        ({"upload_dir": "."}, ["UPLOAD_DIR"]),
        ({"backend_host": "999.1.1.1"}, ["BACKEND_HOST"]),
    ],
)
def test_a_bad_setting_stops_the_start_with_one_line_that_names_it(
    settings: dict[str, str], named: list[str], tmp_path: Path
) -> None:
    server = ServerProcess(tmp_path, **{"mongo_url": "memory:", **settings})
    server.start()
    assert server.process is not None
    assert server.process.wait(20) == 1
    [line] = server.log.strip().splitlines()
    assert all(name in line for name in named)
    assert "hunter2" not in line


def test_a_port_that_is_taken_is_told_in_one_line(tmp_path: Path) -> None:
    server = ServerProcess(tmp_path, mongo_url="memory:")
    with socket.create_server(("127.0.0.1", server.port)):
        server.start()
        assert server.process is not None
        assert server.process.wait(20) == 1
    [line] = server.log.strip().splitlines()
    assert "BACKEND_PORT" in line
    assert str(server.port) in line


async def test_what_is_no_http_is_refused_and_hurts_nobody(tmp_path: Path) -> None:
    with server_process(tmp_path, mongo_url="memory:") as server:
        server.start()
        await server.ready()
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"FOO / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (await reader.read()).startswith(b"HTTP/1.1 400 ")
        writer.close()
        async with httpx.AsyncClient(base_url=server.url) as client:
            assert (await client.get("/api/v1/health")).status_code == 200


async def test_a_database_directory_in_use_is_refused_in_one_clear_line(tmp_path: Path) -> None:
    directory = tmp_path / "db"
    owner = EmbeddedDatabase(directory)
    owner.start()
    try:
        server = ServerProcess(tmp_path, mongo_url=f"embedded:{directory}")
        server.start()
        assert server.process is not None
        assert await asyncio.to_thread(server.process.wait, 20) != 0
    finally:
        owner.stop()
    [line] = [line for line in server.log.splitlines() if "cannot start" in line]
    assert str(directory) in line
    assert "Traceback" not in server.log


async def test_away_database_means_503_in_time_and_work_goes_on_when_it_is_back(
    tmp_path: Path,
) -> None:
    elsewhere = EmbeddedDatabase(tmp_path / "elsewhere")
    elsewhere.start()
    try:
        with server_process(tmp_path, mongo_url=elsewhere.url) as server:
            server.start()
            await server.ready()
            elsewhere.stop()
            began = asyncio.get_running_loop().time()
            async with httpx.AsyncClient(base_url=server.url, timeout=10) as client:
                answers = await asyncio.gather(*(client.get("/api/v1/projects") for _ in range(50)))
                assert {answer.status_code for answer in answers} == {503}
                assert all(int(answer.headers["retry-after"]) > 0 for answer in answers)
                assert asyncio.get_running_loop().time() - began < 6
                assert (await client.get("/api/v1/health")).status_code == 503
                elsewhere = EmbeddedDatabase(tmp_path / "elsewhere", port=elsewhere.port)
                elsewhere.start()
                await server.ready()
                assert (await client.get("/api/v1/projects")).status_code == 200
    finally:
        elsewhere.stop()


def _children(pid: int) -> list[int]:
    """The processes below one, by /proc."""
    found: list[int] = []
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(entry.read_text().rpartition(")")[2].split()[1])
        except (FileNotFoundError, ProcessLookupError):
            continue
        if parent == pid:
            child = int(entry.parent.name)
            found += [child, *_children(child)]
    return found


def _databases(server: ServerProcess) -> list[int]:
    """The database itself: what the guard, our only child, runs."""
    [guard, *databases] = _children(server.pid)
    assert databases, guard
    return databases


def _alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks at processes through /proc")
