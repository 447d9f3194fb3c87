"""What Prometheus reads: requests by route, jobs by server and model, queue and servers as now."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from prometheus_client.parser import text_string_to_metric_families

from backend.comfyui_simulator.options import SimulatorOptions
from backend.comfyui_simulator.simulator import Simulator
from backend.container import Container
from backend.server import create_app
from tests.conftest import API, Maker
from tests.studio import Studio, quick_settings, serving

Samples = dict[str, list[tuple[dict[str, str], float]]]


async def scrape(client: httpx.AsyncClient, **request: Any) -> Samples:
    response = await client.get("/metrics", **request)
    assert response.status_code == 200, response.text
    assert response.headers["content-type"].startswith("text/plain; version=")
    found: Samples = {}
    for family in text_string_to_metric_families(response.text):
        for sample in family.samples:
            found.setdefault(sample.name, []).append((sample.labels, sample.value))
    return found


def requests(samples: Samples) -> dict[tuple[str, str, str], float]:
    return {
        (labels["method"], labels["route"], labels["status"]): value
        for labels, value in samples.get("storycanvas_http_request_seconds_count", [])
    }


async def crash() -> None:
    raise ZeroDivisionError


@pytest.fixture
def app(tmp_path: Path) -> FastAPI:
    app = create_app(quick_settings(tmp_path))
    app.add_api_route("/crash", crash)
    return app


async def test_requests_are_counted_by_template(
    client: httpx.AsyncClient, make_project: Maker
) -> None:
    project = await make_project()
    for method, path in (
        ("GET", f"{API}/projects/{project['id']}"),
        ("GET", f"{API}/projects/none"),
        ("GET", f"{API}/projects/other"),
        ("GET", f"{API}/"),
        ("GET", f"{API}/projects/{'x' * 101}"),
        ("PATCH", f"{API}/projects"),
        ("BREW", f"{API}/projects"),
        ("GET", f"{API}/models/presets/a/b"),
        ("GET", f"/api/projects/{project['id']}/export/json"),
        ("GET", "/uploads/a/secret.png"),
        ("GET", "/nowhere/private"),
        ("GET", "/crash"),
    ):
        await client.request(method, path)
    counted = requests(await scrape(client))
    assert counted == {
        ("POST", f"{API}/projects", "201"): 1,
        ("GET", f"{API}/projects/{{project_id}}", "200"): 1,
        ("GET", f"{API}/projects/{{project_id}}", "404"): 2,
        ("GET", f"{API}/projects/{{project_id}}", "422"): 1,
        ("GET", f"{API}/", "200"): 1,
        ("PATCH", f"{API}/projects", "405"): 1,
        ("other", f"{API}/projects", "405"): 1,
        ("GET", f"{API}/models/presets/{{name}}", "404"): 1,
        ("GET", "/api/projects/{project_id}/export/json", "200"): 1,
        ("GET", "/uploads/{path}", "404"): 1,
        ("GET", "unmatched", "404"): 1,
        ("GET", "/crash", "500"): 1,
    }
    assert requests(await scrape(client))["GET", "/metrics", "200"] == 1


async def test_two_apps_count_for_themselves(client: httpx.AsyncClient, tmp_path: Path) -> None:
    await client.get(f"{API}/health")
    async with serving(create_app(quick_settings(tmp_path / "b"))) as other:
        assert requests(await scrape(other)) == {}


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with Simulator(SimulatorOptions()) as running:
        yield running


async def scrape_when(client: httpx.AsyncClient, name: str, series: int) -> Samples:
    """Scrape once a metric has so many series: a job is counted just after it can be read."""
    async with asyncio.timeout(5):
        while len((found := await scrape(client)).get(name, ())) < series:
            await asyncio.sleep(0.02)
    return found


async def test_jobs_queue_and_servers(
    client: httpx.AsyncClient, make_clip: Maker, simulator: Simulator
) -> None:
    desk = Studio(client)
    clip = await make_clip()
    server_id = await desk.server(simulator, "Studio 4090")
    done = await desk.finished(await desk.job(clip))
    simulator.set_fault("execution_error")
    failed = await desk.finished(await desk.job(clip, max_retries=0))
    assert (done["status"], failed["status"]) == ("completed", "failed")
    found = await scrape_when(client, "storycanvas_jobs_ended_total", 2)
    ((labels, count),) = found["storycanvas_job_seconds_count"]
    assert count == 1
    assert labels["server"] == "Studio 4090"
    assert labels["model"].endswith(".safetensors")
    assert found["storycanvas_job_seconds_sum"][0][1] > 0
    ended = [(one["status"], value) for one, value in found["storycanvas_jobs_ended_total"]]
    assert sorted(ended) == [("completed", 1), ("failed", 1)]
    depth = {one["status"]: value for one, value in found["storycanvas_queue_jobs"]}
    assert depth == {"pending": 0, "processing": 0, "completed": 1, "failed": 1, "cancelled": 0}
    who = {"server_id": server_id, "server": "Studio 4090"}
    assert found["storycanvas_server_online"] == [(who, 1)]
    for gauge in ("running_jobs", "queue_length"):  # as last seen, which may be a moment ago
        ((labels, value),) = found[f"storycanvas_server_{gauge}"]
        assert (labels, value in {0, 1}) == (who, True)
    await client.delete(f"{API}/comfyui/servers/{server_id}")
    assert "storycanvas_server_online" not in await scrape(client)


async def test_a_server_that_is_away(client: httpx.AsyncClient) -> None:
    body = {"name": "Away", "url": "http://127.0.0.1:9"}
    await client.post(f"{API}/comfyui/servers", json=body)
    ((labels, online),) = (await scrape(client))["storycanvas_server_online"]
    assert (labels["server"], online) == ("Away", 0)


async def test_keys_are_needed_as_everywhere(tmp_path: Path) -> None:
    app = create_app(quick_settings(tmp_path, api_keys="open-sesame"))
    async with serving(app) as client:
        assert (await client.get("/metrics")).status_code == 401
        key = {"Authorization": "Bearer open-sesame"}
        assert requests(await scrape(client, headers=key))["GET", "unmatched", "401"] == 1


async def test_without_a_database_the_rest_is_told(
    client: httpx.AsyncClient, container: Container
) -> None:
    await client.get(f"{API}/health")
    await container.base.database.stop()
    found = await scrape(client)
    assert "storycanvas_queue_jobs" not in found
    assert ("GET", f"{API}/health", "200") in requests(found)
