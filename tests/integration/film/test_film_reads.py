"""A project and its scenes, read with what is in them."""

from typing import Any

import httpx

from tests.conftest import API, Maker


async def read(client: httpx.AsyncClient, path: str) -> Any:
    response = await client.get(f"{API}{path}")
    assert response.status_code == 200, response.text
    return response.json()


async def test_scenes_and_clips_as_their_own_routes_give_them(
    client: httpx.AsyncClient, make_scene: Maker, make_clip: Maker
) -> None:
    scene = await make_scene(name="One")
    await make_scene(project_id=scene["project_id"], name="Two")
    for _ in range(3):
        await make_clip(scene_id=scene["id"], length=1)
    for twin, path in (
        (f"/projects/{scene['project_id']}/scenes", f"/scenes/project/{scene['project_id']}"),
        (f"/scenes/{scene['id']}/clips", f"/clips/scene/{scene['id']}"),
    ):
        for query in ("", "?limit=1", "?skip=1&limit=1", "?skip=9"):
            first = await client.get(f"{API}{twin}{query}")
            second = await client.get(f"{API}{path}{query}")
            assert first.json() == second.json()
            assert first.headers["X-Total-Count"] == second.headers["X-Total-Count"]
        assert (await client.get(f"{API}{twin}?limit=0")).status_code == 422


async def test_a_timeline_is_the_project_and_its_scenes_with_clips(
    client: httpx.AsyncClient, make_project: Maker, make_scene: Maker, make_clip: Maker
) -> None:
    project = await make_project()
    timeline = f"/projects/{project['id']}/timeline"
    assert await read(client, timeline) == {"project": project, "scenes": []}
    first = await make_scene(project_id=project["id"], name="One")
    await make_scene(project_id=project["id"], name="Two")
    late = await make_clip(scene_id=first["id"], length=1, timeline_position=5)
    early = await make_clip(scene_id=first["id"], length=1, timeline_position=0)
    found = await read(client, timeline)
    assert set(found) == {"project", "scenes"}
    assert found["project"] == await read(client, f"/projects/{project['id']}")
    assert [scene["name"] for scene in found["scenes"]] == ["One", "Two"]
    assert [clip["id"] for clip in found["scenes"][0]["clips"]] == [early["id"], late["id"]]
    assert found["scenes"][1]["clips"] == []
    nested = await read(client, f"/projects/{project['id']}/with-scenes?include_clips=true")
    assert found["scenes"] == nested["scenes"]


async def test_what_is_not_there(client: httpx.AsyncClient) -> None:
    for path, code in (
        ("/projects/none/scenes", "PROJECT_NOT_FOUND"),
        ("/projects/none/timeline", "PROJECT_NOT_FOUND"),
        ("/scenes/none/clips", "SCENE_NOT_FOUND"),
    ):
        response = await client.get(f"{API}{path}")
        assert (response.status_code, response.json()["error"]["code"]) == (404, code)
