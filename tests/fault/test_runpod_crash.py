"""kill -9 of the whole server while a run at RunPod is ordered or under way: never two orders."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.paid_stand_in import Fault
from tests.runpod_server import ENDPOINT, KEY, RunPodServer
from tests.studio import ServerProcess, Studio, server_process, talking_to
from tests.waiting import eventually


@pytest.fixture
async def runpod() -> AsyncIterator[RunPodServer]:
    async with RunPodServer() as running:
        yield running


async def queued(desk: Studio, runpod: RunPodServer) -> str:
    body = {"name": "Cloud", "url": runpod.url, "server_type": "runpod"}
    await desk.post("/comfyui/servers", {**body, "endpoint_id": ENDPOINT, "api_key": KEY})
    return await desk.job(await desk.clip())


async def killed(server: ServerProcess) -> None:
    server.kill()
    server.start()
    await server.ready()


async def test_killed_at_three_points(runpod: RunPodServer, tmp_path: Path) -> None:
    settings = {"mongo_url": f"embedded:{tmp_path / 'db'}", "secret_key": "a key for the keys"}
    with server_process(tmp_path, **settings) as server:
        server.start()
        await server.ready()
        async with talking_to(server) as desk:
            # While the run is under way: it is followed again, and not ordered again.
            runpod.held = True
            job_id = await queued(desk, runpod)
            await eventually(lambda: runpod.count("status") > 2)
            await killed(server)
            seen = runpod.count("status")
            await eventually(lambda: runpod.count("status") > seen)
            # While its result comes home.
            runpod.held = False
            await eventually(
                lambda: any(run["status"] == "COMPLETED" for run in runpod.runs.values())
            )
            await killed(server)
            job = await desk.finished(job_id, 30)
            assert (job["status"], len(job["attempts"])) == ("completed", 1)
            assert (len(runpod.orders), runpod.cancelled) == (1, [])
            # Between the order and its answer: nobody can know, so nothing is ordered again.
            runpod.fault("run", Fault(after=True, hold=True))
            other = await desk.job(await desk.clip())
            await eventually(lambda: len(runpod.orders) == 2)
            await killed(server)
            lost = await desk.finished(other, 30)
            assert (lost["status"], lost["error_code"]) == ("failed", "RUNPOD_FATE_UNKNOWN")
            assert len(runpod.orders) == 2
    assert KEY not in server.log
