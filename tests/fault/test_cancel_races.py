"""A cancel at the worst moment: the attempt is saved, the POST is still on its way."""

import asyncio
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from backend.comfyui_simulator.options import SimulatorOptions
from backend.comfyui_simulator.simulator import Simulator
from backend.models.comfyui_server import ComfyUIServer
from backend.services.comfyui.client import ComfyUIClient
from tests.studio import studio


async def test_a_job_cancelled_before_its_post_arrives_is_not_rendered(tmp_path: Path) -> None:
    on_its_way, released = asyncio.Event(), asyncio.Event()

    class SlowRoad(ComfyUIClient):
        """The real client on a network that holds the POST back."""

        async def submit(
            self,
            server: ComfyUIServer,
            graph: Mapping[str, Any],
            *,
            prompt_id: str,
            client_id: str,
        ) -> None:
            on_its_way.set()
            await released.wait()
            await super().submit(server, graph, prompt_id=prompt_id, client_id=client_id)

    options = SimulatorOptions(seconds_per_step=0.05)
    async with Simulator(options) as simulator, studio(tmp_path, client_type=SlowRoad) as desk:
        await desk.server(simulator)
        clip = await desk.clip()
        job_id = await desk.job(clip, params={"steps": 100, "width": 64, "height": 64})
        await asyncio.wait_for(on_its_way.wait(), 5)
        await desk.client.delete(f"/api/v1/clips/{clip['id']}")
        released.set()
        async with asyncio.timeout(10):
            while not simulator.stats["interrupted"]:
                await asyncio.sleep(0.02)
        assert (await desk.get(f"/queue/jobs/{job_id}"))["status"] == "cancelled"
        assert simulator.stats["rendered"] == {}


async def test_cancels_at_every_moment_hurt_nobody_else(tmp_path: Path) -> None:
    """Twice at once, while dispatching, waiting ahead, running and completing."""
    options = SimulatorOptions(seconds_per_step=0.01)
    async with Simulator(options) as simulator, studio(tmp_path) as desk:
        await desk.server(simulator)
        clip = await desk.clip()
        params = {"steps": 8, "width": 64, "height": 64}
        job_ids = [await desk.job(clip, params=params) for _ in range(16)]

        async def cancel_twice(job_id: str, after: float) -> None:
            await asyncio.sleep(after)
            answers = await asyncio.gather(
                *(desk.client.post(f"/api/v1/queue/jobs/{job_id}/cancel") for _ in range(2))
            )
            assert {answer.status_code for answer in answers} <= {200, 409}

        unlucky = job_ids[::2]
        await asyncio.gather(
            *(cancel_twice(job_id, 0.13 * number) for number, job_id in enumerate(unlucky))
        )
        jobs = {job_id: await desk.finished(job_id) for job_id in job_ids}
        assert all(jobs[job_id]["status"] == "completed" for job_id in job_ids[1::2])
        done = {job_id for job_id, job in jobs.items() if job["status"] == "completed"}
        assert {jobs[job_id]["status"] for job_id in unlucky} <= {"completed", "cancelled"}
        made = Counter(take["job_id"] for take in await desk.takes(clip))
        assert set(made.values()) == {1}
        assert done <= made.keys() <= done | set(unlucky)  # one may be stored, and then cancelled
        rendered = simulator.stats["rendered"]
        assert set(rendered.values()) <= {1}
        queue = (await desk.get("/queue/status"))["pending_jobs"]
        assert queue == 0


async def test_a_retry_and_a_cancel_at_once_leave_one_truth(tmp_path: Path) -> None:
    async with studio(tmp_path) as desk:
        job_id = await desk.job(await desk.clip())
        for _ in range(5):
            await desk.post(f"/queue/jobs/{job_id}/cancel", {}, status=200)
            answers = await asyncio.gather(
                desk.client.post(f"/api/v1/queue/jobs/{job_id}/retry"),
                desk.client.post(f"/api/v1/queue/jobs/{job_id}/cancel"),
                desk.client.post(f"/api/v1/queue/jobs/{job_id}/retry"),
            )
            assert {answer.status_code for answer in answers} <= {200, 409}
            status = (await desk.get(f"/queue/jobs/{job_id}"))["status"]
            totals = await desk.get("/queue/status")
            assert totals[f"{status}_jobs"] == totals["total_jobs"] == 1
