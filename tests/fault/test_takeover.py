"""Several backend processes on one database: one drives the servers, whatever becomes of it."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from backend.comfyui_simulator.options import SimulatorOptions
from backend.comfyui_simulator.simulator import Simulator
from backend.mongo.embedded import EmbeddedDatabase
from tests.road import Road
from tests.studio import ServerProcess, Studio, server_process, talking_to

PARAMS = {"steps": 20, "width": 64, "height": 64}
JOBS = 4
#: A leader that is gone without a word is replaced within this, in seconds.
TAKEN_OVER = 15.0


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with Simulator(SimulatorOptions(seconds_per_step=0.05)) as running:
        yield running


@pytest.fixture
def database(tmp_path: Path) -> Iterator[str]:
    shared = EmbeddedDatabase(tmp_path / "shared")
    shared.start()
    try:
        yield shared.url
    finally:
        shared.stop()


async def is_leader(server: ServerProcess) -> bool:
    async with talking_to(server) as desk:
        return bool((await desk.get("/health"))["components"]["queue"]["is_leader"])


async def until_leader(server: ServerProcess, seconds: float = TAKEN_OVER) -> float:
    began = time.monotonic()
    while time.monotonic() - began < seconds:
        if await is_leader(server):
            return time.monotonic() - began
        await asyncio.sleep(0.1)
    raise AssertionError(server.log)


async def film(desk: Studio, simulator: Simulator) -> list[str]:
    await desk.server(simulator)
    clip = await desk.clip()
    return [await desk.job(clip, params=PARAMS) for _ in range(JOBS)]


async def ended_once(desk: Studio, simulator: Simulator, job_ids: list[str]) -> None:
    """Every job completed, every prompt rendered once."""
    jobs = [await desk.finished(job_id, 40) for job_id in job_ids]
    assert [job["status"] for job in jobs] == ["completed"] * JOBS, jobs
    counted = simulator.stats["rendered"]
    assert (len(counted), set(counted.values())) == (JOBS, {1}), jobs


async def until_rendered(simulator: Simulator, count: int) -> None:
    while len(simulator.stats["rendered"]) < count:
        await asyncio.sleep(0.01)


async def until_the_next_is_sent(simulator: Simulator, ended: int) -> None:
    """Wait for the middle of a render, when all prompts whose attempts are saved are sent.

    They are sent when a render ends, which takes a second: after that it is quiet.
    """
    accepted, since = 0, time.monotonic()
    while accepted <= ended or time.monotonic() - since < 0.3:
        if simulator.stats["accepted"] != accepted:
            accepted, since = simulator.stats["accepted"], time.monotonic()
        await asyncio.sleep(0.01)


class Pair:
    """Two backend processes on one database and one folder of media; the first one leads."""

    def __init__(
        self, stack: ExitStack, tmp_path: Path, urls: tuple[str, str], **settings: Any
    ) -> None:
        self.servers = []
        for number, url in enumerate(urls):
            folder = tmp_path / f"process {number}"
            folder.mkdir()
            uploads = tmp_path / "uploads"
            self.servers.append(
                stack.enter_context(
                    server_process(folder, mongo_url=url, upload_dir=uploads, **settings)
                )
            )

    async def start(self) -> tuple[ServerProcess, ServerProcess]:
        first, second = self.servers
        first.start()
        await first.ready()
        await until_leader(first)
        second.start()
        await second.ready()
        return first, second


async def test_a_killed_leader_is_replaced_and_its_jobs_end_once(
    database: str, simulator: Simulator, tmp_path: Path
) -> None:
    with ExitStack() as stack:
        first, second = await Pair(stack, tmp_path, (database, database)).start()
        assert not await is_leader(second)
        async with talking_to(second) as desk:
            job_ids = await film(desk, simulator)
            last = await desk.get(f"/queue/jobs/{job_ids[-1]}")
            assert "known to the process that drives" in last["assignment_reason"]
            await until_rendered(simulator, 1)
            first.kill()
            await until_leader(second)
            await ended_once(desk, simulator, job_ids)


async def test_a_stopped_leader_is_replaced_and_does_nothing_when_it_wakes_up(
    database: str, simulator: Simulator, tmp_path: Path
) -> None:
    with ExitStack() as stack:
        first, second = await Pair(stack, tmp_path, (database, database)).start()
        async with talking_to(second) as desk:
            job_ids = await film(desk, simulator)
            await until_rendered(simulator, 1)
            await until_the_next_is_sent(simulator, 1)
            os.kill(first.pid, signal.SIGSTOP)
            try:
                await until_leader(second)
                await until_rendered(simulator, 2)
            finally:
                os.kill(first.pid, signal.SIGCONT)
            await ended_once(desk, simulator, job_ids)
            assert await is_leader(second)
            assert not await is_leader(first)
            jobs = [await desk.get(f"/queue/jobs/{job_id}") for job_id in job_ids]
            outcomes = [[a["outcome"] for a in job["attempts"]] for job in jobs]
            assert outcomes == [["completed"]] * JOBS


async def test_a_leader_that_is_cut_from_the_database_is_replaced(
    database: str, simulator: Simulator, tmp_path: Path
) -> None:
    road = Road(int(database.rpartition(":")[2].rstrip("/").partition("/")[0]))
    await road.open()
    far = f"mongodb://127.0.0.1:{road.port}/?directConnection=true"
    with ExitStack() as stack:
        first, second = await Pair(stack, tmp_path, (far, database)).start()
        async with talking_to(second) as desk:
            job_ids = await film(desk, simulator)
            await until_rendered(simulator, 1)
            await road.close()
            await until_leader(second)
            await road.open()
            await ended_once(desk, simulator, job_ids)
            await first.ready()
            assert not await is_leader(first)
    await road.close()


async def test_a_leader_that_ends_hands_over_at_once(
    database: str, simulator: Simulator, tmp_path: Path
) -> None:
    with ExitStack() as stack:
        first, second = await Pair(stack, tmp_path, (database, database)).start()
        async with talking_to(second) as desk:
            job_ids = await film(desk, simulator)
            await until_rendered(simulator, 1)
            first.stop()
            assert await until_leader(second) < 3
            await ended_once(desk, simulator, job_ids)
