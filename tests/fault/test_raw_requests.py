"""Ten thousand requests that no honest client sends: each is answered, and the server stays up."""

import asyncio
import json
from collections import Counter
from pathlib import Path
from typing import Any

from backend.config import ROOT
from tests.conftest import API
from tests.raw_requests import Attack, Attacks, Wire
from tests.studio import ServerProcess, Studio, server_process, talking_to

REQUESTS = 10_000
CONNECTIONS = 16
#: Nobody set up a provider, so 503 is what these rightly say; streams of events never end; copies
#: and films grow with every call, and take their time.
LEFT_OUT = ("/openai/", "/events", "/ws", "/create-alternate", "/export/")
#: What the process may keep of all that, in MiB, beyond what its first thousandth part took.
GROWTH = 80


async def a_film(desk: Studio) -> dict[str, str]:
    clip = await desk.clip(image_prompt="a car")
    return {
        "project_id": clip["project_id"],
        "scene_id": clip["scene_id"],
        "clip_id": clip["id"],
        "job_id": await desk.job(clip),
        "name": "sdxl",
    }


def operations() -> list[tuple[str, str]]:
    paths: dict[str, Any] = json.loads((ROOT / "docs/openapi.json").read_text())["paths"]
    return [
        (method, path)
        for path, methods in paths.items()
        for method in methods
        if method != "delete" and not any(word in path for word in LEFT_OUT)
    ]


def bodies(ids: dict[str, str]) -> list[dict[str, Any]]:
    return [
        {"name": "Film", "fps": 24, "width": 1920, "drop_frame": False},
        {"name": "Scene", "project_id": ids["project_id"], "order": 3, "lyrics": "la"},
        {"scene_id": ids["scene_id"], "length": 2.5, "image_prompt": "", "timeline_position": 7},
        {"position": 12.5},
        {"clip_id": ids["clip_id"], "generation_type": "image", "prompt": "a car",
         "params": {"steps": 4, "cfg": 7, "seed": 1}, "loras": [{"name": "x", "weight": 1}]},
        {"clip_ids": [ids["clip_id"]], "generation_type": "video", "prompt": "a car"},
        {"name": "Mara", "trigger_words": "ohwx", "lora_weight": 0.8, "reference_images": []},
        {"name": "Sim", "url": "http://127.0.0.1:9", "max_concurrent": 1},
        {"success": True, "result_url": "/uploads/x.png", "error": None},
    ]  # fmt: skip


def resident_mib(server: ServerProcess) -> float:
    """0 where the system does not tell."""
    status = Path(f"/proc/{server.pid}/status")
    if not status.exists():
        return 0
    (line,) = (line for line in status.read_text().splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


async def send_all(server: ServerProcess, attacks: Attacks, count: int) -> Counter[int]:
    """Send so many over a few connections at once; count the statuses that came back."""
    statuses: Counter[int] = Counter()
    sent = 0

    async def keep_sending() -> None:
        nonlocal sent
        wire = Wire(server.port)
        while sent < count:
            attack = attacks.next()
            sent += attack.answers or 1
            came = await wire.attack(attack)
            assert all(status < 500 for status in came), (came, attack)
            assert_answered(attack, came)
            statuses.update(came)
        await wire.close()

    await asyncio.gather(*(keep_sending() for _ in range(CONNECTIONS)))
    return statuses


def assert_answered(attack: Attack, came: list[int]) -> None:
    """All that HTTP lets one read is answered; where it breaks off, 400 may be the last word."""
    if attack.answers is not None and came[-1:] != [400]:
        assert len(came) == attack.answers, (came, attack)


def is_fault(line: str) -> bool:
    """Tell whether a line of the log has a traceback that is not the client's own doing.

    uvicorn hangs up on what is no HTTP, and with uvloop it reports that the answer to the request
    before, sent in the same breath, found the connection closed.
    """
    return "Traceback" in line and "the handler is closed" not in line


async def test_ten_thousand_of_them(tmp_path: Path) -> None:
    settings = {"mongo_url": "memory:", "generate_wait_seconds": 0.01, "log_level": "WARNING"}
    with server_process(tmp_path, **settings) as server:
        server.start()
        await server.ready()
        async with talking_to(server) as desk:
            ids = await a_film(desk)
            attacks = Attacks(operations(), ids, bodies(ids))
            await send_all(server, attacks, REQUESTS // 10)
            before = resident_mib(server)
            statuses = await send_all(server, attacks, REQUESTS - REQUESTS // 10)
            assert {200, 400, 404, 405, 415, 422} <= statuses.keys()
            assert resident_mib(server) - before < GROWTH
            health = await desk.client.get(f"{API}/health")
            assert health.json()["status"] in {"healthy", "degraded"}
            assert (await desk.get(f"/clips/{ids['clip_id']}"))["id"] == ids["clip_id"]
        assert [line for line in server.log.splitlines() if is_fault(line)] == []
