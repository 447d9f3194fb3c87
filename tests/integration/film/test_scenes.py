"""Scenes (6), with the analysis of their timelines."""

import asyncio
from typing import Any

import httpx

from backend.config import Settings
from tests.conftest import API, Maker

FIELDS = {
    "id", "project_id", "name", "description", "lyrics", "order", "parent_scene_id",
    "alternate_number", "is_alternate", "clip_count", "duration", "created_at", "updated_at",
}  # fmt: skip

BAD_FIELDS: list[tuple[str, Any]] = [
    ("name", ""), ("name", " \u2003 "), ("name", "x" * 201), ("name", None), ("name", 1.5),
    ("description", "x" * 2001), ("description", None), ("lyrics", "x" * 5001), ("lyrics", None),
    ("order", -1), ("order", 1_000_001), ("order", 1.5), ("order", None), ("order", "first"),
    ("order", 2**64), ("parent_scene_id", ""), ("parent_scene_id", "x" * 101),
    ("parent_scene_id", 5),
]  # fmt: skip


async def project_of(client: httpx.AsyncClient, scene: dict[str, Any]) -> dict[str, Any]:
    return dict((await client.get(f"{API}/projects/{scene['project_id']}")).json())


class TestCreate:
    async def test_defaults(self, client: httpx.AsyncClient, make_scene: Maker) -> None:
        scene = await make_scene()
        assert set(scene) == FIELDS
        assert (scene["order"], scene["clip_count"], scene["duration"]) == (0, 0, 0)
        assert (await client.get(f"{API}/scenes/{scene['id']}")).json() == scene
        assert (await project_of(client, scene))["scene_count"] == 1

    async def test_order_left_out_is_after_the_last(self, make_scene: Maker) -> None:
        first = await make_scene()
        again = {"project_id": first["project_id"]}
        assert (await make_scene(**again))["order"] == 1
        assert (await make_scene(order=7, **again))["order"] == 7
        assert (await make_scene(**again))["order"] == 8
        assert (await make_scene(order=1_000_000, **again))["order"] == 1_000_000
        assert (await make_scene(**again))["order"] == 1_000_000

    async def test_bad_fields_store_nothing(
        self, client: httpx.AsyncClient, make_project: Maker
    ) -> None:
        project = await make_project()
        good = {"project_id": project["id"], "name": "a"}
        bad = [*BAD_FIELDS, ("project_id", None), ("project_id", ""), ("project_id", 3)]
        for field, value in bad:
            if (field, value) == ("parent_scene_id", None):
                continue
            response = await client.post(f"{API}/scenes", json={**good, field: value})
            assert response.status_code == 422, (field, value)
        response = await client.post(f"{API}/scenes", json={"name": "a"})
        assert response.status_code == 422
        listed = await client.get(f"{API}/scenes/project/{project['id']}")
        assert listed.json() == []

    async def test_unknown_project_and_parent(
        self, client: httpx.AsyncClient, make_scene: Maker
    ) -> None:
        body = {"project_id": "none", "name": "a"}
        response = await client.post(f"{API}/scenes", json=body)
        assert response.json()["error"]["code"] == "PROJECT_NOT_FOUND"
        scene, foreign = await make_scene(), await make_scene()
        body = {"project_id": scene["project_id"], "name": "a", "parent_scene_id": "none"}
        response = await client.post(f"{API}/scenes", json=body)
        assert response.json()["error"]["code"] == "SCENE_NOT_FOUND"
        body["parent_scene_id"] = foreign["id"]
        assert (await client.post(f"{API}/scenes", json=body)).status_code == 400
        body["parent_scene_id"] = scene["id"]
        assert (await client.post(f"{API}/scenes", json=body)).status_code == 201


async def test_list_is_by_order_in_pages(
    client: httpx.AsyncClient, make_project: Maker, make_scene: Maker
) -> None:
    project = await make_project()
    for order in (4, 0, 2, 2, 1):
        await make_scene(project_id=project["id"], order=order, name=f"{order}")
    url = f"{API}/scenes/project/{project['id']}"
    whole = await client.get(url)
    assert [scene["order"] for scene in whole.json()] == [0, 1, 2, 2, 4]
    assert whole.headers["X-Total-Count"] == "5"
    part = await client.get(url, params={"skip": 1, "limit": 3})
    assert part.json() == whole.json()[1:4]
    assert part.headers["X-Total-Count"] == "5"
    beyond = await client.get(url, params={"skip": 9})
    assert (beyond.json(), beyond.headers["X-Total-Count"]) == ([], "5")
    assert (await client.get(f"{API}/scenes/project/none")).status_code == 404


class TestUpdate:
    async def test_only_what_is_sent(self, client: httpx.AsyncClient, make_scene: Maker) -> None:
        scene = await make_scene(lyrics="la", order=3)
        changed = (await client.put(f"{API}/scenes/{scene['id']}", json={"name": "b"})).json()
        assert changed == {**scene, "name": "b", "updated_at": changed["updated_at"]}
        sent = {**scene, "project_id": "other", "clip_count": 9}
        changed = (await client.put(f"{API}/scenes/{scene['id']}", json=sent)).json()
        assert (changed["project_id"], changed["clip_count"]) == (scene["project_id"], 0)

    async def test_bad_fields_change_nothing(
        self, client: httpx.AsyncClient, make_scene: Maker
    ) -> None:
        scene = await make_scene()
        for field, value in BAD_FIELDS:
            response = await client.put(
                f"{API}/scenes/{scene['id']}", json={"lyrics": "x", field: value}
            )
            assert response.status_code == 422, (field, value)
        assert (await client.get(f"{API}/scenes/{scene['id']}")).json() == scene

    async def test_parents_make_no_circle(
        self, client: httpx.AsyncClient, make_scene: Maker
    ) -> None:
        top = await make_scene()
        middle = await make_scene(project_id=top["project_id"], parent_scene_id=top["id"])
        low = await make_scene(project_id=top["project_id"], parent_scene_id=middle["id"])
        for parent in (top, middle, low):
            response = await client.put(
                f"{API}/scenes/{top['id']}", json={"parent_scene_id": parent["id"]}
            )
            assert response.status_code == 400
        cleared = await client.put(f"{API}/scenes/{low['id']}", json={"parent_scene_id": None})
        assert cleared.json()["parent_scene_id"] is None

    async def test_unknown(self, client: httpx.AsyncClient) -> None:
        for method, path, body in (
            ("GET", "/scenes/none", None), ("PUT", "/scenes/none", {}),
            ("DELETE", "/scenes/none", None), ("GET", "/scenes/none/timeline-analysis", None),
        ):  # fmt: skip
            response = await client.request(method, f"{API}{path}", json=body)
            assert response.status_code == 404
            assert response.json()["error"]["code"] == "SCENE_NOT_FOUND"


async def test_delete_takes_clips_jobs_and_media_along(
    client: httpx.AsyncClient, make_scene: Maker, make_clip: Maker, settings: Settings
) -> None:
    scene = await make_scene()
    kept = await make_scene(project_id=scene["project_id"])
    await make_clip(scene_id=kept["id"], length=4)
    clips = [await make_clip(scene_id=scene["id"], image_prompt="x") for _ in range(3)]
    folder = settings.upload_dir / "projects" / scene["project_id"] / clips[0]["id"]
    folder.mkdir(parents=True)
    response = await client.delete(f"{API}/scenes/{scene['id']}")
    assert response.json()["deleted"] == 4
    project = await project_of(client, scene)
    assert (project["scene_count"], project["clip_count"], project["duration"]) == (1, 1, 4)
    assert not folder.exists()
    for clip in clips:
        assert (await client.get(f"{API}/clips/{clip['id']}")).status_code == 404
    jobs = (await client.get(f"{API}/queue/jobs")).json()
    assert [job["status"] for job in jobs] == ["cancelled"] * 3
    assert (await client.delete(f"{API}/scenes/{scene['id']}")).status_code == 404


async def test_clips_created_while_their_scene_goes_leave_nothing(
    client: httpx.AsyncClient, make_scene: Maker
) -> None:
    scene = await make_scene()
    body = {"scene_id": scene["id"]}
    answers = await asyncio.gather(
        *(client.post(f"{API}/clips", json=body) for _ in range(5)),
        client.delete(f"{API}/scenes/{scene['id']}"),
        *(client.post(f"{API}/clips", json=body) for _ in range(5)),
    )
    assert {answer.status_code for answer in answers} <= {200, 201, 404}
    project = await project_of(client, scene)
    assert (project["scene_count"], project["clip_count"], project["duration"]) == (0, 0, 0)
    listed = await client.get(f"{API}/projects/{scene['project_id']}/clips")
    assert listed.json() == []


class TestAnalysis:
    async def analysis(self, client: httpx.AsyncClient, scene_id: str) -> dict[str, Any]:
        response = await client.get(f"{API}/scenes/{scene_id}/timeline-analysis")
        assert response.status_code == 200, response.text
        return dict(response.json())

    async def test_empty(self, client: httpx.AsyncClient, make_scene: Maker) -> None:
        scene = await make_scene()
        assert await self.analysis(client, scene["id"]) == {
            "scene_id": scene["id"],
            "total_clips": 0,
            "summary": {"total_clips": 0, "total_duration": 0, "timeline_end": 0, "gaps": 0},
            "overlaps": [], "gaps": [], "suggestions": [], "has_issues": False,
        }  # fmt: skip

    async def test_names_gaps_and_overlaps(
        self, client: httpx.AsyncClient, make_scene: Maker, make_clip: Maker
    ) -> None:
        scene = await make_scene()
        a, b, c = [
            await make_clip(scene_id=scene["id"], name=name, timeline_position=at, length=length)
            for name, at, length in (("a", 1, 4), ("b", 3.5, 2), ("c", 8.25, 1))
        ]
        found = await self.analysis(client, scene["id"])
        assert found["summary"] == {
            "total_clips": 3, "total_duration": 7, "timeline_end": 9.25, "gaps": 2,
        }  # fmt: skip
        assert found["overlaps"] == [
            {
                "clip1_id": a["id"], "clip1_name": "a", "clip2_id": b["id"], "clip2_name": "b",
                "start": 3.5, "end": 5, "duration": 1.5,
                "error": "'a' and 'b' overlap from 3.5 s to 5 s.",
            }
        ]  # fmt: skip
        assert found["gaps"] == [
            {
                "after_clip_id": None, "after_clip_name": None, "before_clip_id": a["id"],
                "before_clip_name": "a", "gap_start": 0, "gap_end": 1, "gap_duration": 1,
            },
            {
                "after_clip_id": b["id"], "after_clip_name": "b", "before_clip_id": c["id"],
                "before_clip_name": "c", "gap_start": 5.5, "gap_end": 8.25, "gap_duration": 2.75,
            }
        ]  # fmt: skip
        assert [(s["clip_id"], s["suggested_position"]) for s in found["suggestions"]] == [
            (b["id"], 5)
        ]
        assert found["has_issues"] is True

    async def test_less_than_a_millisecond_is_nothing(
        self, client: httpx.AsyncClient, make_scene: Maker, make_clip: Maker
    ) -> None:
        """Thirds of a second do not add up in binary; rounded to 1 ms they touch."""
        scene = await make_scene()
        for index in range(7):
            third = {"timeline_position": index / 3, "length": 1 / 3}
            await make_clip(scene_id=scene["id"], **third)
        found = await self.analysis(client, scene["id"])
        assert all(gap["gap_duration"] >= 0.001 for gap in found["gaps"])
        await make_clip(scene_id=scene["id"], timeline_position=2.3332, length=1)
        after = await self.analysis(client, scene["id"])
        assert len(after["overlaps"]) == len(found["overlaps"])

    async def test_suggestions_applied_clear_every_overlap(
        self, client: httpx.AsyncClient, make_scene: Maker, make_clip: Maker
    ) -> None:
        scene = await make_scene()
        for at, length in ((0, 5), (1, 5), (2, 1), (9, 2), (9, 2), (30, 1)):
            await make_clip(scene_id=scene["id"], timeline_position=at, length=length)
        found = await self.analysis(client, scene["id"])
        assert found["overlaps"]
        for suggestion in found["suggestions"]:
            response = await client.put(
                f"{API}/clips/{suggestion['clip_id']}/timeline-position?check_overlap=true",
                json={"position": suggestion["suggested_position"]},
            )
            assert response.status_code == 200
        assert (await self.analysis(client, scene["id"]))["overlaps"] == []

    async def test_scenes_that_come_at_once_follow_one_another(
        self, client: httpx.AsyncClient, make_project: Maker
    ) -> None:
        body = {"project_id": (await make_project())["id"], "name": "t"}
        made = await asyncio.gather(*(client.post(f"{API}/scenes", json=body) for _ in range(12)))
        assert sorted(answer.json()["order"] for answer in made) == list(range(12))

    async def test_many_at_one_place_are_listed_up_to_a_limit(
        self, client: httpx.AsyncClient, make_scene: Maker, make_clip: Maker
    ) -> None:
        scene = await make_scene()
        for _ in range(50):
            await make_clip(scene_id=scene["id"], timeline_position=0, length=1)
        found = await self.analysis(client, scene["id"])
        assert found["total_clips"] == 50
        assert len(found["overlaps"]) == 1000
