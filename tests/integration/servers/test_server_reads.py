"""What is told of one server: its models and LoRAs, and what it can render."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx

from backend.comfyui_simulator.options import SimulatorOptions
from backend.comfyui_simulator.simulator import Simulator
from backend.dtos.comfyui_dto import ServerDetailDTO
from backend.services.families import FAMILIES
from tests.conftest import API

WORKFLOW = {"id", "name", "generation_types", "available", "models", "missing"}


async def read(client: httpx.AsyncClient, path: str) -> Any:
    response = await client.get(f"{API}{path}")
    assert response.status_code == 200, response.text
    return response.json()


async def register(client: httpx.AsyncClient, url: str) -> dict[str, Any]:
    body = {"name": "Studio", "url": url, "api_key": "secret-key"}
    response = await client.post(f"{API}/comfyui/servers", json=body)
    assert response.status_code == 201
    return dict(response.json())


async def test_what_is_not_there(client: httpx.AsyncClient) -> None:
    for path in ("/comfyui/servers/none", "/comfyui/servers/none/workflows"):
        response = await client.get(f"{API}{path}")
        assert (response.status_code, response.json()["error"]["code"]) == (404, "SERVER_NOT_FOUND")


async def test_a_server_and_its_workflows(client: httpx.AsyncClient) -> None:
    async with Simulator(SimulatorOptions()) as simulator:
        server = await register(client, simulator.url)
        found = await read(client, f"/comfyui/servers/{server['id']}/workflows")
        info = await read(client, f"/comfyui/servers/{server['id']}/info")
    assert set(found) == {
        "server_id", "server_name", "is_online", "generation_types", "workflows",
    }  # fmt: skip
    assert (found["server_id"], found["server_name"]) == (server["id"], "Studio")
    assert (found["is_online"], found["generation_types"]) == (True, ["image", "video"])
    by_id = {workflow["id"]: workflow for workflow in found["workflows"]}
    assert {family.id for family in FAMILIES} <= set(by_id)
    files = {model["name"] for model in info["models"]}
    for workflow in by_id.values():
        assert set(workflow) == WORKFLOW
        assert workflow["available"] == (workflow["missing"] == [])
        assert set(workflow["models"]) <= files
    assert by_id["sdxl"]["available"]
    assert "secret-key" not in str(found)


async def test_a_server_tells_its_models_and_loras(client: httpx.AsyncClient) -> None:
    async with Simulator(SimulatorOptions()) as simulator:
        server = await register(client, simulator.url)
        told = await read(client, f"/comfyui/servers/{server['id']}")
        ServerDetailDTO.model_validate(told)
        info = await read(client, f"/comfyui/servers/{server['id']}/info")
        assert told == {**server, "models": info["models"], "loras": info["loras"]}
        assert {"name": "example_style.safetensors", "type": "unknown"} in told["loras"]
        await simulator.die()
        await read(client, f"/comfyui/servers/{server['id']}/info")
    told = await read(client, f"/comfyui/servers/{server['id']}")
    assert told == {**server, "is_online": False, "models": [], "loras": []}


async def test_thousands_of_loras_hold_up_nobody(client: httpx.AsyncClient) -> None:
    names = tuple(f"people/somebody_{number:05}.safetensors" for number in range(10_000))
    async with Simulator(SimulatorOptions(models={"loras": names})) as simulator:
        server = await register(client, simulator.url)
        for path in ("", "/info"):
            began = time.perf_counter()
            async with longest_hold() as held:
                told = await read(client, f"/comfyui/servers/{server['id']}{path}")
            assert [lora["name"] for lora in told["loras"]] == list(names)
            if not path:  # the families are told for the first time
                assert held[0] < (time.perf_counter() - began) / 2


@asynccontextmanager
async def longest_hold() -> AsyncIterator[list[float]]:
    """Measure the longest time, in seconds, in which nobody else had a turn."""
    held = [0.0]

    async def tick() -> None:
        while True:
            began = time.perf_counter()
            await asyncio.sleep(0)
            held[0] = max(held[0], time.perf_counter() - began)

    ticking = asyncio.create_task(tick())
    try:
        yield held
    finally:
        ticking.cancel()


async def test_of_a_server_that_is_away_nothing_is_claimed(client: httpx.AsyncClient) -> None:
    server = await register(client, "http://127.0.0.1:9")
    told = await read(client, f"/comfyui/servers/{server['id']}")
    assert (told["is_online"], told["models"], told["loras"]) == (False, [], [])
    found = await read(client, f"/comfyui/servers/{server['id']}/workflows")
    assert (found["is_online"], found["generation_types"]) == (False, [])
    assert len(found["workflows"]) == len(FAMILIES)
    for workflow in found["workflows"]:
        assert (workflow["available"], workflow["models"], workflow["missing"]) == (False, [], [])
