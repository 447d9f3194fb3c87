"""Health (2), and what requests get while the database is away."""

import asyncio
import shutil
import socket
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from backend import __version__
from backend.comfyui_simulator.options import SimulatorOptions
from backend.comfyui_simulator.simulator import Simulator
from backend.config import Settings
from backend.mongo.embedded import EmbeddedDatabase
from backend.server import create_app
from tests.conftest import API, Maker
from tests.studio import free_port, quick_settings, serving

#: A server that is known to be away answers at once; one that just went, within this time.
PATIENCE = 6.0
CALLS: list[tuple[str, str, dict[str, Any] | None]] = [
    ("GET", "/projects", None),
    ("POST", "/projects", {"name": "a"}),
    ("GET", "/projects/x", None),
    ("GET", "/projects/x/with-scenes", None),
    ("GET", "/projects/x/clips", None),
    ("PUT", "/projects/x", {"name": "a"}),
    ("DELETE", "/projects/x", None),
    ("POST", "/scenes", {"project_id": "x", "name": "a"}),
    ("GET", "/scenes/project/x", None),
    ("GET", "/scenes/x/timeline-analysis", None),
    ("POST", "/clips", {"scene_id": "x"}),
    ("GET", "/clips/x/gallery", None),
    ("PUT", "/clips/x/timeline-position", {"position": 1}),
    ("GET", "/comfyui/servers", None),
    ("POST", "/comfyui/servers", {"name": "a", "url": "http://127.0.0.1:9"}),
    ("GET", "/comfyui/servers/x/info", None),
    ("POST", "/generate", {"clip_id": "x", "prompt": "a"}),
    ("POST", "/queue/jobs", {"clip_id": "x", "prompt": "a"}),
    ("GET", "/queue/jobs", None),
    ("GET", "/queue/status", None),
]


async def test_root(client: httpx.AsyncClient) -> None:
    response = await client.get(f"{API}/")
    assert response.json() == {
        "message": "StoryCanvas API", "status": "running", "version": __version__,
    }  # fmt: skip


async def test_healthy(client: httpx.AsyncClient, make_clip: Maker) -> None:
    await make_clip(image_prompt="waits")
    response = await client.get(f"{API}/health")
    assert response.status_code == 200
    health = response.json()
    assert set(health) == {"status", "version", "uptime_seconds", "components"}
    assert (health["status"], health["version"]) == ("healthy", __version__)
    assert 0 <= health["uptime_seconds"] < 60
    parts = health["components"]
    assert set(parts) == {"database", "queue", "comfyui", "storage"}
    assert set(parts["database"]) == {"status", "kind", "latency_ms"}
    assert (parts["database"]["status"], parts["database"]["kind"]) == ("healthy", "memory")
    assert parts["queue"] == {
        "status": "healthy", "is_leader": True, "pending": 1, "processing": 0,
    }  # fmt: skip
    assert parts["comfyui"] == {"online": 0, "total": 0}
    assert set(parts["storage"]) == {"status", "free_bytes"}
    assert parts["storage"]["free_bytes"] > 0


async def test_degraded_while_every_server_is_away(client: httpx.AsyncClient) -> None:
    away = {"name": "a", "url": "http://127.0.0.1:9"}
    server = (await client.post(f"{API}/comfyui/servers", json=away)).json()
    response = await client.get(f"{API}/health")
    assert (response.status_code, response.json()["status"]) == (200, "degraded")
    assert response.json()["components"]["comfyui"] == {"online": 0, "total": 1}
    async with Simulator(SimulatorOptions()) as simulator:
        await client.post(f"{API}/comfyui/servers", json={"name": "b", "url": simulator.url})
        response = await client.get(f"{API}/health")
        assert response.json()["status"] == "healthy"
        assert response.json()["components"]["comfyui"] == {"online": 1, "total": 2}
    await client.put(f"{API}/comfyui/servers/{server['id']}", json={"is_active": False})


async def test_degraded_without_its_media_folder(
    client: httpx.AsyncClient, settings: Settings
) -> None:
    shutil.rmtree(settings.upload_dir)
    response = await client.get(f"{API}/health")
    assert (response.status_code, response.json()["status"]) == (200, "degraded")
    storage = response.json()["components"]["storage"]
    assert storage == {"status": "unhealthy", "free_bytes": 0}


async def answers_503(client: httpx.AsyncClient, method: str, path: str, body: Any) -> float:
    began = time.monotonic()
    response = await client.request(method, f"{API}{path}", json=body)
    seconds = time.monotonic() - began
    assert response.status_code == 503, (path, response.text)
    assert int(response.headers["Retry-After"]) >= 1
    assert response.json()["error"]["code"] == "DATABASE_UNAVAILABLE"
    assert response.headers["Access-Control-Allow-Origin"] == "*"
    return seconds


async def is_unhealthy(client: httpx.AsyncClient) -> None:
    response = await client.get(f"{API}/health")
    assert response.status_code == 503
    assert int(response.headers["Retry-After"]) >= 1
    health = response.json()
    assert health["status"] == "unhealthy"
    database = health["components"]["database"]
    assert (database["status"], database["latency_ms"]) == ("unhealthy", None)
    assert "hunter2" not in response.text
    assert "127.0.0.1" not in response.text


class TestNoDatabase:
    """Nothing listens where the settings say."""

    @pytest.fixture
    def app(self, tmp_path: Path) -> Iterator[FastAPI]:
        """Nobody listens at the address, and nobody else can come to: it is taken."""
        with socket.socket() as holder:
            holder.bind(("127.0.0.1", 0))
            url = f"mongodb://user:hunter2@127.0.0.1:{holder.getsockname()[1]}/"
            yield create_app(quick_settings(tmp_path, mongo_url=url))

    async def test_the_server_starts_and_every_route_says_so_at_once(
        self, client: httpx.AsyncClient
    ) -> None:
        for method, path, body in CALLS:
            assert await answers_503(client, method, path, body) < 1, path
        await is_unhealthy(client)
        assert (await client.get(f"{API}/")).status_code == 200
        assert (await client.post(f"{API}/projects", json={})).status_code == 422


@pytest.fixture
async def hanging_port() -> AsyncIterator[int]:
    """A port that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


async def test_a_database_that_hangs_is_away_too(tmp_path: Path, hanging_port: int) -> None:
    url = f"mongodb://127.0.0.1:{hanging_port}/?directConnection=true"
    async with serving(create_app(quick_settings(tmp_path, mongo_url=url))) as client:
        took = await asyncio.gather(*(answers_503(client, *call) for call in CALLS))
        assert max(took) < PATIENCE
        await is_unhealthy(client)


async def test_it_dies_and_comes_back(tmp_path: Path) -> None:
    """While it is away nothing takes longer than PATIENCE; once it is back all is as before."""
    port = free_port()
    first = EmbeddedDatabase(tmp_path / "db", port=port)
    await asyncio.to_thread(first.start)
    async with serving(create_app(quick_settings(tmp_path, mongo_url=first.url))) as client:
        made = (await client.post(f"{API}/projects", json={"name": "kept"})).json()
        await asyncio.to_thread(first.stop)
        took = await asyncio.gather(*(answers_503(client, *call) for call in CALLS))
        assert max(took) < PATIENCE
        await is_unhealthy(client)
        second = EmbeddedDatabase(tmp_path / "db", port=port)
        await asyncio.to_thread(second.start)
        deadline = time.monotonic() + 10
        while (await client.get(f"{API}/health")).status_code != 200:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.05)
        assert (await client.get(f"{API}/projects/{made['id']}")).json() == made
    await asyncio.to_thread(second.stop)
