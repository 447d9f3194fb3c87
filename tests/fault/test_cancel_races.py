"""A cancel at the worst moment: the attempt is saved, the POST is still on its way."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from backend.comfyui_simulator.options import SimulatorOptions
from backend.comfyui_simulator.simulator import Simulator
from backend.models.comfyui_server import ComfyUIServer
from backend.services.comfyui_client import ComfyUIClient
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
