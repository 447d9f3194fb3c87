"""Style templates (6), also at /templates, and the uses that are counted."""

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pymongo.monitoring
import pytest
from fastapi import FastAPI
from pymongo import AsyncMongoClient

from backend.api.v1 import characters_router, templates_router
from backend.mongo.embedded import EmbeddedDatabase
from tests.conftest import API, created
from tests.studio import studio
from tests.support_explain import RecordedQueries, assert_uses_index

FIELDS = {
    "id", "name", "description", "category", "model", "negative_prompt", "loras", "params",
    "preview_url", "is_public", "created_by", "use_count", "created_at", "updated_at",
}  # fmt: skip

FULL: dict[str, Any] = {
    "name": "Noir", "description": "Wet streets", "category": "cinematic",
    "model": "sdxl.safetensors", "negative_prompt": "text",
    "loras": [{"name": "grain.safetensors", "weight": 0.6}],
    "params": {"steps": 30, "cfg": 5.5, "sampler": "euler", "own": {"a.b": [None]}},
    "preview_url": "https://example.org/noir.png", "is_public": False, "created_by": "Ada",
}  # fmt: skip

BAD_FIELDS: list[tuple[str, Any]] = [
    ("name", ""), ("name", "x" * 201), ("name", None), ("description", "x" * 2001),
    ("category", ""), ("category", "x" * 101), ("category", None), ("model", "x" * 501),
    ("negative_prompt", "x" * 10_001), ("loras", None), ("loras", [{"name": ""}]),
    ("loras", [{"name": "a", "weight": 101}]), ("loras", [{"name": "a"}] * 21), ("loras", ["a"]),
    ("params", None), ("params", {"steps": 201}), ("params", {"seed": -2}),
    ("params", {"x": "y" * 200_000}), ("preview_url", "noir.png"), ("preview_url", "data:x"),
    ("is_public", None), ("is_public", "perhaps"), ("created_by", "x" * 201),
]  # fmt: skip


async def make(client: httpx.AsyncClient, **fields: Any) -> dict[str, Any]:
    return await created(client, "/style-templates", {"name": "Noir", **fields})


async def test_defaults(client: httpx.AsyncClient) -> None:
    template = await make(client)
    assert set(template) == FIELDS
    assert (template["use_count"], template["is_public"], template["loras"]) == (0, True, [])
    assert (template["category"], template["model"], template["params"]) == ("general", None, {})
    read = await client.get(f"{API}/style-templates/{template['id']}")
    assert read.json() == template


async def test_everything_comes_back_and_changes_in_part(client: httpx.AsyncClient) -> None:
    template = await make(client, **FULL)
    assert {key: template[key] for key in FULL} == FULL
    url = f"{API}/style-templates/{template['id']}"
    sent_back = (await client.put(url, json={**template, "use_count": 50})).json()
    assert {**sent_back, "updated_at": ""} == {**template, "updated_at": ""}
    changed = (await client.put(url, json={"loras": [{"name": "b"}], "params": {}})).json()
    assert (changed["loras"], changed["params"]) == ([{"name": "b", "weight": 1}], {})
    assert (changed["category"], changed["model"]) == ("cinematic", "sdxl.safetensors")
    cleared = {"model": None, "preview_url": "", "created_by": None, "description": None}
    changed = (await client.put(url, json={**cleared, "negative_prompt": None})).json()
    assert [changed[name] for name in cleared] == [None, None, None, ""]
    assert changed["negative_prompt"] == ""
    assert changed["name"] == "Noir"


async def test_bad_fields_store_and_change_nothing(client: httpx.AsyncClient) -> None:
    template = await make(client)
    for field, value in BAD_FIELDS:
        body = {"name": "x", field: value}
        for response in (
            await client.post(f"{API}/style-templates", json=body),
            await client.put(f"{API}/style-templates/{template['id']}", json=body),
        ):
            assert response.status_code == 422, (field, value)
    assert (await client.get(f"{API}/style-templates")).json() == [template]


async def test_list_by_category_and_search_in_pages(client: httpx.AsyncClient) -> None:
    for name, category, description in (
        ("Noir", "film", "wet STREETS"), ("Day", "film", ""), ("Ink", "drawn", "noir lines"),
        ("100%", "drawn", "a.b"),
    ):  # fmt: skip
        await make(client, name=name, category=category, description=description)
    for query, names, total in (
        ("", ["Noir", "Day", "Ink", "100%"], 4), ("category=film", ["Noir", "Day"], 2),
        ("search=noir", ["Noir", "Ink"], 2), ("search=NOIR&category=drawn", ["Ink"], 1),
        ("search=streets", ["Noir"], 1), ("search=%25", ["100%"], 1), ("search=a.b", ["100%"], 1),
        ("search=.", ["100%"], 1), ("search=(", [], 0), ("category=FILM", [], 0),
        ("skip=1&limit=2", ["Day", "Ink"], 4),
        ("category=&search=%20", ["Noir", "Day", "Ink", "100%"], 4),
    ):  # fmt: skip
        found = await client.get(f"{API}/style-templates?{query}")
        assert ([one["name"] for one in found.json()], query) == (names, query)
        assert found.headers["X-Total-Count"] == str(total)
    for query in ("limit=501", f"search={'x' * 201}", f"category={'x' * 101}", "search=%00"):
        assert (await client.get(f"{API}/style-templates?{query}")).status_code == 422


async def test_every_use_counts(client: httpx.AsyncClient) -> None:
    template = await make(client)
    url = f"{API}/style-templates/{template['id']}"
    first = await client.post(f"{url}/use")
    assert (first.status_code, set(first.json())) == (200, {"message", "use_count"})
    assert first.json()["use_count"] == 1
    answers = await asyncio.gather(*(client.post(f"{url}/use") for _ in range(40)))
    assert {answer.status_code for answer in answers} == {200}
    after = (await client.get(url)).json()
    assert after == {**template, "use_count": 41}


async def test_unknown_and_deleted(client: httpx.AsyncClient) -> None:
    url = f"{API}/style-templates/none"
    for method, path, body in (
        ("GET", "", None), ("PUT", "", {}), ("DELETE", "", None), ("POST", "/use", None),
    ):  # fmt: skip
        response = await client.request(method, url + path, json=body)
        assert response.status_code == 404
        assert response.json()["error"]["code"] == "TEMPLATE_NOT_FOUND"
    template = await make(client)
    url = f"{API}/style-templates/{template['id']}"
    assert (await client.delete(url)).json() == {"message": "Style template deleted.", "deleted": 1}
    assert (await client.delete(url)).status_code == 404


async def test_the_same_at_templates_out_of_the_schema(
    client: httpx.AsyncClient, app: FastAPI
) -> None:
    template = await created(client, "/templates", {"name": "Noir"})
    url = f"{API}/templates/{template['id']}"
    assert (await client.get(f"{API}/style-templates")).json() == [template]
    assert (await client.get(f"{API}/templates?search=noir")).json() == [template]
    assert (await client.put(url, json={"name": "Day"})).json()["name"] == "Day"
    assert (await client.post(f"{url}/use")).json()["use_count"] == 1
    assert (await client.delete(url)).json()["deleted"] == 1
    nan = {"Content-Type": "application/json"}
    refused = await client.post(f"{API}/templates", content=b'{"name": NaN}', headers=nan)
    assert refused.json()["error"]["details"]["errors"][0]["type"] == "json_invalid"
    assert not any(path.startswith(f"{API}/templates") for path in app.openapi()["paths"])


def test_six_routes_each_and_all_documented(app: FastAPI) -> None:
    assert len(characters_router.router.routes) == len(templates_router.router.routes) == 6
    schema = app.openapi()
    ours = [
        operation
        for path, methods in schema["paths"].items()
        for operation in methods.values()
        if path.startswith((f"{API}/characters", f"{API}/style-templates"))
    ]
    assert len(ours) == len({operation["operationId"] for operation in ours}) >= 12
    for operation in ours:
        assert operation["summary"]
        assert operation["tags"][0] in {"Characters", "Style templates"}
    for name, model in schema["components"]["schemas"].items():
        if name.startswith(("Character", "Template")):
            for field, described in model["properties"].items():
                assert described.get("description"), (name, field)
                assert described.get("examples"), (name, field)


RECORDER = RecordedQueries()


@pytest.mark.parametrize("driver", ["motor", "pymongo"])
async def test_on_the_embedded_database_without_a_scan(
    tmp_path: Path, embedded: EmbeddedDatabase, driver: str
) -> None:
    pymongo.monitoring.register(RECORDER)
    changes: dict[str, Any] = {
        "mongo_url": embedded.url, "db_name": f"styles_{driver}", "mongo_driver": driver,
    }  # fmt: skip
    async with studio(tmp_path, **changes) as desk:
        with RECORDER.recording() as queries:
            template = await desk.post("/style-templates", FULL)
            for query in ("", "?search=noir", "?category=cinematic", "?category=a&search=b"):
                await desk.get(f"/style-templates{query}")
            url = f"{API}/style-templates/{template['id']}"
            uses = await asyncio.gather(*(desk.client.post(f"{url}/use") for _ in range(20)))
            assert max(use.json()["use_count"] for use in uses) == 20
            changed = await desk.client.put(url, json={"name": "Day"})
            assert changed.json()["params"] == FULL["params"]
            assert (await desk.client.delete(url)).status_code == 200
        ours = [query for query in queries if query.collection == "style_templates"]
        client: AsyncMongoClient[Any] = AsyncMongoClient(embedded.url)
        try:
            collection = client[f"styles_{driver}"]["style_templates"]
            for sent in ours:
                await assert_uses_index(collection, sent.filter, sent.sort or None)
        finally:
            await client.close()
    assert len(ours) >= 7
