"""A leader that freezes while it orders something paid: whoever takes over, it is ordered once."""

import os
import random
import signal
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from PIL import Image

from tests.fault.test_takeover import Pair, database, until_leader
from tests.openai_gateway import KEY as PROVIDER_KEY
from tests.openai_gateway import Gateway
from tests.paid_stand_in import Fault
from tests.runpod_server import ENDPOINT, KEY, RunPodServer
from tests.studio import Studio, talking_to
from tests.waiting import eventually

__all__ = ["database"]

SIZE = (1280, 720)
FATES = {"PROVIDER_FATE_UNKNOWN", "RUNPOD_FATE_UNKNOWN"}


def large_picture(path: Path) -> str:
    """Draw noise, which no buffer between two processes takes whole; gives its address."""
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = random.Random(7).randbytes(3 * SIZE[0] * SIZE[1])
    Image.frombytes("RGB", SIZE, noise).save(path, compress_level=1)
    return f"/uploads/{path.name}"


async def orders(desk: Studio, runpod: RunPodServer, picture: str) -> list[str]:
    """Queue a video at the provider, and a picture at RunPod; both begin from a large picture."""
    cloud = {"name": "Cloud", "url": runpod.url, "server_type": "runpod", "api_key": KEY}
    server = await desk.post("/comfyui/servers", {**cloud, "endpoint_id": ENDPOINT})
    clip = await desk.clip(length=4)
    paid: dict[str, Any] = {"provider": "openai", "input_reference_url": picture}
    edited = {"init_image": picture, "denoise": 0.5, "steps": 4}
    return [
        await desk.job(clip, generation_type="video", params=paid),
        await desk.job(clip, server_id=server["id"], params=edited),
    ]


async def test_a_frozen_leader_orders_nothing_when_it_wakes_up(
    database: str, tmp_path: Path
) -> None:
    async with Gateway() as gateway, RunPodServer() as runpod:
        settings = {
            "openai_api_key": PROVIDER_KEY, "openai_base_url": gateway.url,
            "secret_key": "a key for the keys",
        }  # fmt: skip
        gateway.fault("create", Fault(late=True))
        runpod.fault("run", Fault(late=True))
        picture = large_picture(tmp_path / "uploads" / "noise.png")
        with ExitStack() as stack:
            pair = Pair(stack, tmp_path, (database, database), **settings)
            first, second = await pair.start()
            async with talking_to(second) as desk:
                job_ids = await orders(desk, runpod, picture)
                await eventually(lambda: gateway.count("create") == runpod.count("run") == 1)
                os.kill(first.pid, signal.SIGSTOP)
                try:
                    await until_leader(second)
                    lost = [await desk.finished(job_id) for job_id in job_ids]
                    assert {job["error_code"] for job in lost} == FATES, lost
                finally:
                    os.kill(first.pid, signal.SIGCONT)
                gateway.released.set()
                runpod.released.set()
                await eventually(lambda: gateway.broken_off == runpod.broken_off == 1)
                assert (gateway.orders, runpod.orders) == ([], [])
                for job_id in job_ids:
                    await desk.post(f"/queue/jobs/{job_id}/retry", {}, 200)
                    assert (await desk.finished(job_id))["status"] == "completed"
        assert (len(gateway.orders), len(runpod.orders)) == (1, 1)
