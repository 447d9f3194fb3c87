"""Lists of what was made in one millisecond keep the order in which it was made."""

import json
from typing import Any

import httpx
import pytest

from backend.config import Settings
from backend.mongo.embedded import EmbeddedDatabase
from tests.conftest import API, Maker, created
from tests.studio import quick_settings

MANY = 50
NAMES = [f"number {number}" for number in range(MANY)]


async def names(client: httpx.AsyncClient, path: str) -> list[str]:
    """What a list says, read in pages that end within a millisecond's things."""
    found: list[str] = []
    for skip in range(0, MANY + 7, 7):
        url = httpx.URL(f"{API}{path}").copy_merge_params({"skip": skip, "limit": 7})
        response = await client.get(url)
        assert response.status_code == 200, response.text
        told = response.json()
        found += [one["name"] for one in (told["projects"] if path == "/projects" else told)]
    return found


async def make_all(client: httpx.AsyncClient, path: str, **fields: Any) -> None:
    for name in NAMES:
        await created(client, path, {"name": name, **fields})


async def test_of_every_project(client: httpx.AsyncClient) -> None:
    await make_all(client, "/style-templates", category="film")
    await make_all(client, "/characters")
    await make_all(client, "/projects")
    assert await names(client, "/style-templates") == NAMES
    assert await names(client, "/style-templates?category=film") == NAMES
    assert await names(client, "/characters") == NAMES
    assert await names(client, "/projects") == NAMES[::-1]


async def test_of_one_project(
    client: httpx.AsyncClient, make_project: Maker, make_scene: Maker
) -> None:
    project = (await make_project())["id"]
    scene = (await make_scene())["id"]
    await make_all(client, "/scenes", project_id=project, order=3)
    await make_all(client, "/characters", project_id=project)
    await make_all(client, "/clips", scene_id=scene, timeline_position=0, length=1)
    assert await names(client, f"/scenes/project/{project}") == NAMES
    assert await names(client, f"/characters?project_id={project}") == NAMES
    assert await names(client, f"/clips/scene/{scene}") == NAMES


class TestAFile:
    """Everything in it was made at the same moment: only the file's order is left."""

    @pytest.fixture
    def settings(self, tmp_path: Any, embedded: EmbeddedDatabase) -> Settings:
        return quick_settings(tmp_path, mongo_url=embedded.url, db_name="order_of_creation")

    async def test_is_taken_in_its_order(
        self, client: httpx.AsyncClient, make_project: Maker
    ) -> None:
        project = (await make_project())["id"]
        await created(client, "/scenes", {"project_id": project, "name": "x"})
        await created(client, "/characters", {"project_id": project, "name": "x"})
        told = (await client.get(f"{API}/projects/{project}/export/json")).json()
        (scene,), (character,) = told["scenes"], told["characters"]
        told["scenes"] = [{**scene, "id": name, "name": name} for name in NAMES]
        told["characters"] = [{**character, "id": f"c {name}", "name": name} for name in NAMES]
        files = {"file": ("film.json", json.dumps(told).encode())}
        response = await client.post(f"{API}/projects/import", files=files)
        assert response.status_code == 201, response.text
        copy = response.json()["project"]["id"]
        assert await names(client, f"/scenes/project/{copy}") == NAMES
        assert await names(client, f"/characters?project_id={copy}") == NAMES
