"""No query of a route or of the queue reads a whole collection: the database says how it would.

Every route is called on an embedded database, what the driver sent is recorded, and each filter is
explained. The counters' and locks' documents are looked up by `_id` and need no index of ours.
"""

import io
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pymongo.monitoring
import pytest
from fastapi import FastAPI
from pymongo import AsyncMongoClient

from backend.comfyui_simulator.options import SimulatorOptions
from backend.comfyui_simulator.simulator import Simulator
from backend.config import Settings
from backend.container import Container
from backend.mongo.embedded import EmbeddedDatabase
from tests.conftest import API, Maker
from tests.integration.media.test_media import sound
from tests.studio import Studio, quick_settings
from tests.support_explain import Query, RecordedQueries, assert_uses_index

RECORDER = RecordedQueries()


@pytest.fixture(scope="module", autouse=True)
def recorder() -> RecordedQueries:
    pymongo.monitoring.register(RECORDER)
    return RECORDER


@pytest.fixture
def settings(tmp_path: Path, embedded: EmbeddedDatabase) -> Settings:
    return quick_settings(tmp_path, mongo_url=embedded.url, db_name="indexes")


@pytest.fixture
async def database(settings: Settings) -> AsyncIterator[Any]:
    client: AsyncMongoClient[Any] = AsyncMongoClient(settings.mongo_url)
    yield client[settings.db_name]
    await client.close()


def filled(path: str, ids: dict[str, str]) -> str:
    for name, value in ids.items():
        path = path.replace(f"{{{name}}}", value)
    return path


async def call_every_route(
    client: httpx.AsyncClient, app: FastAPI, ids: dict[str, str]
) -> set[tuple[str, str]]:
    """Call each route of the schema, deletes last; gives those that were called."""
    operations = [
        (method, path)
        for path, methods in app.openapi()["paths"].items()
        for method in methods
        if "/openai/" not in path and path != "/api/v1/events"  # its answer has no end
    ]
    operations.sort(key=lambda operation: (operation[0] == "delete", -len(operation[1])))
    for query in QUERIES:
        response = await client.get(API + filled(query, ids))
        assert response.status_code == 200, (query, response.text)
    for method, path in operations:
        body = BODIES.get((method, path))
        files = {"file": ("a", io.BytesIO(MUSIC))} if "upload-music" in path else None
        headers = {"Prefer": "respond-async", "Idempotency-Key": "once"}
        response = await client.request(
            method, filled(path, ids), json=named(body, ids), files=files, headers=headers
        )
        assert response.status_code < 500, (method, path, response.text)
        if body is not None:
            assert response.status_code != 422, (method, path, response.text)
    return set(operations)


def named(body: Any, ids: dict[str, str]) -> Any:
    """Put ids where a body has their names."""
    if isinstance(body, dict):
        return {key: named(value, ids) for key, value in body.items()}
    if isinstance(body, list):
        return [named(value, ids) for value in body]
    return ids.get(body, body)


MUSIC = sound("wav", "pcm_s16le", 0.1)
#: Bodies by operation; a value that names an id stands for it.
BODIES: dict[tuple[str, str], dict[str, Any]] = {
    ("post", "/api/v1/projects"): {"name": "a"},
    ("put", "/api/v1/projects/{project_id}"): {"name": "b"},
    ("post", "/api/v1/scenes"): {"project_id": "project_id", "name": "a"},
    ("put", "/api/v1/scenes/{scene_id}"): {"name": "b"},
    ("post", "/api/v1/clips"): {"scene_id": "scene_id", "image_prompt": "a"},
    ("put", "/api/v1/clips/{clip_id}"): {"length": 2},
    ("put", "/api/v1/clips/{clip_id}/timeline-position"): {"position": 50},
    ("put", "/api/v1/clips/{clip_id}/prompts"): {"image_prompt": "b"},
    ("post", "/api/v1/generate"): {"clip_id": "clip_id", "prompt": "a"},
    ("post", "/api/v1/queue/jobs"): {"clip_id": "clip_id", "prompt": "a"},
    ("post", "/api/v1/generate/batch"): {"clip_ids": ["clip_id"], "prompt": "a"},
    ("post", "/api/v1/queue/servers/{server_id}/register"): {"max_concurrent": 2},
    ("post", "/api/v1/queue/jobs/{job_id}/complete"): {"success": True},
    ("post", "/api/v1/characters"): {"name": "a", "project_id": "project_id"},
    ("put", "/api/v1/characters/{character_id}"): {"name": "b", "trigger_words": "c"},
    ("post", "/api/v1/characters/{character_id}/generate"): {"prompt": "a"},
    ("post", "/api/v1/style-templates"): {"name": "a"},
    ("put", "/api/v1/style-templates/{template_id}"): {"name": "b"},
    ("post", "/api/v1/workflows"): {
        "project_id": "project_id",
        "name": "a",
        "workflow_json": {"1": {"class_type": "SaveImage", "inputs": {}}},
    },
    ("put", "/api/v1/workflows/{workflow_id}"): {"name": "b"},
    ("post", "/api/v1/pool"): {
        "project_id": "project_id",
        "source_clip_id": "clip_id",
        "content_type": "image",
    },
    ("put", "/api/v1/pool/item/{item_id}"): {"name": "b"},
    ("post", "/api/v1/comfyui/servers"): {"name": "a", "url": "http://127.0.0.1:9/other"},
    ("put", "/api/v1/comfyui/servers/{server_id}"): {"name": "b"},
}
QUERIES = [
    "/projects?search=a",
    "/clips/{clip_id}/gallery?include=workflow",
    "/projects?skip=1&limit=1",
    "/queue/jobs?status=pending",
    "/queue/jobs?status=completed,failed,cancelled",
    "/queue/jobs?project_id={project_id}",
    "/queue/jobs?clip_id={clip_id}&status=pending",
    "/queue/jobs?batch_id={batch_id}",
    "/characters?project_id={project_id}",
    "/characters",
    "/characters/{character_id}/gallery?include=workflow",
    "/queue/jobs?character_id={character_id}&status=pending",
    "/workflows?project_id={project_id}",
    "/workflows",
    "/style-templates?category=general",
    "/style-templates?search=a",
    "/pool/{project_id}?content_type=image",
    "/queue/jobs?skip=3&limit=2",
]


async def assert_all_indexed(database: Any, queries: list[Query]) -> set[str]:
    seen: set[tuple[str, str]] = set()
    for query in queries:
        shape = (query.collection, repr((sorted(query.filter), query.sort)))
        if shape in seen or query.collection == "counters" or query.collection.startswith("$"):
            continue
        seen.add(shape)
        await assert_uses_index(database[query.collection], query.filter, query.sort or None)
    return {collection for collection, _ in seen}


async def test_no_route_scans(
    client: httpx.AsyncClient, app: FastAPI, make_clip: Maker, database: Any
) -> None:
    async with Simulator(SimulatorOptions()) as simulator:
        clip = await make_clip(image_prompt="a", auto_generate=False)
        desk = Studio(client)
        server_id = await desk.server(simulator)
        job_id = await desk.job(clip)
        await desk.finished(job_id)
        ids = {
            "project_id": clip["project_id"], "scene_id": clip["scene_id"], "clip_id": clip["id"],
            "server_id": server_id, "job_id": job_id, "format": "json", "name": "sdxl",
            "content_id": (await desk.takes(clip))[0]["id"],
        }  # fmt: skip
        ids |= await more_things(desk, ids)
        with RECORDER.recording() as queries:
            called = await call_every_route(client, app, ids)
    assert len(called) >= 65
    seen = await assert_all_indexed(database, queries)
    assert seen >= {"projects", "scenes", "clips", "jobs", "comfyui_servers"}
    assert seen >= {"batches", "characters", "style_templates", "pool_items", "workers"}
    assert seen >= {"workflows", "graphs", "character_takes"}


async def more_things(desk: Studio, ids: dict[str, str]) -> dict[str, str]:
    """One of each kind beside the film itself, by the name that paths have for its id."""
    made = {}
    for name, path in (
        ("batch_id", "/generate/batch"), ("character_id", "/characters"),
        ("template_id", "/style-templates"), ("item_id", "/pool"), ("workflow_id", "/workflows"),
    ):  # fmt: skip
        body = named(BODIES["post", f"/api/v1{path}"], ids)
        response = await desk.client.post(f"{API}{path}", json=body)
        assert response.status_code in {200, 201}, response.text
        made[name] = response.json()["id"]
    return made


async def test_neither_does_the_queue_at_work(
    client: httpx.AsyncClient, container: Container, make_clip: Maker, database: Any
) -> None:
    with RECORDER.recording() as queries:
        async with Simulator(SimulatorOptions()) as simulator:
            desk = Studio(client)
            await desk.server(simulator)
            clip = await make_clip()
            await desk.finished(await desk.job(clip))
            character = await desk.post("/characters", {"name": "Mara"})
            url = f"{API}/characters/{character['id']}/generate"
            assert (await client.post(url, json={"prompt": "a"})).status_code == 200
        await container.film.timeline.recount_recent(60)
    seen = await assert_all_indexed(database, queries)
    assert seen >= {"jobs", "clips", "comfyui_servers", "characters", "character_takes"}
