"""kill -9 at each point of an attempt: the job ends completed once, with one picture rendered."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from backend.comfyui_simulator.options import SimulatorOptions
from backend.comfyui_simulator.simulator import Simulator
from backend.config import Settings
from backend.container import Container, build_container
from backend.models.content import GeneratedContent
from backend.models.job import Job
from backend.mongo.embedded import EmbeddedDatabase
from backend.server import create_app
from tests.road import Road
from tests.studio import (
    ServerProcess,
    Studio,
    quick_settings,
    server_process,
    serving,
    talking_to,
)

PARAMS = {"steps": 10, "width": 64, "height": 64}


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with Simulator(SimulatorOptions(seconds_per_step=0.05)) as running:
        yield running


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProcess]:
    settings = {"mongo_url": f"embedded:{tmp_path / 'db'}", "server_check_seconds": 60}
    with server_process(tmp_path, **settings) as process:
        process.start()
        yield process


async def killed_when(server: ServerProcess, simulator: Simulator, reached: Any) -> None:
    async with asyncio.timeout(15):
        while not await reached():
            await asyncio.sleep(0.02)
    server.kill()
    simulator.clear_faults()


async def ends_once(
    desk: Studio, simulator: Simulator, job_id: str, clip: dict[str, Any]
) -> dict[str, Any]:
    job = await desk.finished(job_id, 30)
    assert job["status"] == "completed", job
    assert len(await desk.takes(clip)) == 1
    assert list(simulator.stats["rendered"].values()) == [1]
    return job


async def test_between_saving_the_attempt_and_sending_it(
    server: ServerProcess, simulator: Simulator
) -> None:
    await server.ready()
    road = Road(simulator.port)
    await road.open()
    async with talking_to(server) as desk:
        server_id = await desk.post("/comfyui/servers", {"name": "Far", "url": road.url})
        clip = await desk.clip()
        assert (await desk.get(f"/comfyui/servers/{server_id['id']}/info"))["is_online"]
        road.is_deaf = True
        job_id = await desk.job(clip, params=PARAMS)

        async def saved() -> bool:
            return bool((await desk.get(f"/queue/jobs/{job_id}"))["status"] == "processing")

        await killed_when(server, simulator, saved)
        assert simulator.stats["accepted"] == 0
        road.is_deaf = False
        server.start()
        await server.ready()
        job = await ends_once(desk, simulator, job_id, clip)
        assert [a["outcome"] for a in job["attempts"]] == ["forgotten", "completed"]
    await road.close()


@pytest.mark.parametrize(
    ("fault", "value", "reached"),
    [
        ("delayed_answer", 30, lambda stats: stats["accepted"] == 1),
        ("slow", 3, lambda stats: stats["accepted"] == 1 and not stats["rendered"]),
        ("slow_download", 1_000, lambda stats: len(stats["rendered"]) == 1),
    ],
    ids=["between sending and its answer", "while it runs", "while its file is downloaded"],
)
async def test_at_the_server(
    server: ServerProcess, simulator: Simulator, fault: str, value: float, reached: Any
) -> None:
    await server.ready()
    simulator.set_fault(fault, value)
    async with talking_to(server) as desk:
        await desk.server(simulator)
        clip = await desk.clip()
        job_id = await desk.job(clip, params=PARAMS)

        async def is_there() -> bool:
            return bool(reached(simulator.stats))

        await killed_when(server, simulator, is_there)
        server.start()
        await server.ready()
        job = await ends_once(desk, simulator, job_id, clip)
        assert [a["outcome"] for a in job["attempts"]] == ["completed"]


async def test_between_the_gallery_and_the_last_write(simulator: Simulator, tmp_path: Path) -> None:
    """A process that never comes to the last write: to the database it is one that died."""
    reached = asyncio.Event()

    async def never(job: Job, take: GeneratedContent | None, **known: Any) -> None:
        reached.set()
        await asyncio.Event().wait()

    @asynccontextmanager
    async def dying(settings: Settings) -> AsyncIterator[Container]:
        async with build_container(settings) as container:
            vars(container.runners.recorder)["complete"] = never
            yield container

    database = EmbeddedDatabase(tmp_path / "db")
    database.start()
    settings = quick_settings(tmp_path, mongo_url=database.url)
    try:
        async with serving(create_app(settings, build=dying)) as client:
            desk = Studio(client)
            await desk.server(simulator)
            clip = await desk.clip()
            job_id = await desk.job(clip, params=PARAMS)
            await asyncio.wait_for(reached.wait(), 15)
            assert len(await desk.takes(clip)) == 1
            assert (await desk.get(f"/queue/jobs/{job_id}"))["status"] == "processing"
        async with serving(create_app(settings)) as client:
            await ends_once(Studio(client), simulator, job_id, clip)
    finally:
        database.stop()
