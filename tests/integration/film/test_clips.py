"""Clips (8): their place on the timeline, their prompts, and the job that a new one queues."""

import asyncio
from typing import Any

import httpx
import pytest

from backend.config import Settings
from backend.container import Container
from backend.models.content import ContentType, GeneratedContent
from backend.utils.clock import utc_now
from tests.conftest import API, Maker
from tests.studio import ORIGIN

FIELDS = {
    "id", "scene_id", "project_id", "name", "lyrics", "length", "timeline_position", "order",
    "image_prompt", "video_prompt", "generated_images", "generated_videos", "selected_image_id",
    "selected_video_id", "character_id", "versions", "active_version", "parent_clip_id",
    "alternate_number", "is_alternate", "created_at", "updated_at",
}  # fmt: skip

BAD_FIELDS: list[tuple[str, Any]] = [
    ("name", ""), ("name", "  "), ("name", "x" * 201), ("name", None), ("lyrics", None),
    ("lyrics", "x" * 5001), ("length", 0), ("length", -1), ("length", 0.0004), ("length", None),
    ("length", 10_000.001), ("length", "long"), ("length", "NaN"), ("length", "-Infinity"),
    ("length", 1e300), ("length", []), ("timeline_position", -0.001), ("timeline_position", None),
    ("timeline_position", 10_000.01), ("timeline_position", 2**80), ("order", -1),
    ("order", 1_000_001), ("order", None), ("image_prompt", None), ("image_prompt", "x" * 10_001),
    ("video_prompt", 5), ("character_id", ""), ("character_id", "x" * 101), ("character_id", {}),
]  # fmt: skip


def take(number: str, kind: ContentType = ContentType.IMAGE) -> GeneratedContent:
    return GeneratedContent(
        id=number, content_type=kind, path=f"projects/p/c/{number}.png", created_at=utc_now()
    )


async def read(client: httpx.AsyncClient, clip: dict[str, Any]) -> dict[str, Any]:
    return dict((await client.get(f"{API}/clips/{clip['id']}")).json())


async def move(
    client: httpx.AsyncClient, clip: dict[str, Any], position: Any, query: str = ""
) -> httpx.Response:
    url = f"{API}/clips/{clip['id']}/timeline-position{query}"
    return await client.put(url, json={"position": position})


async def totals(client: httpx.AsyncClient, clip: dict[str, Any]) -> list[tuple[int, float]]:
    """What the clip's scene and project keep: clips, seconds."""
    found = []
    for path in (f"/scenes/{clip['scene_id']}", f"/projects/{clip['project_id']}"):
        kept = (await client.get(f"{API}{path}")).json()
        found.append((kept["clip_count"], kept["duration"]))
    return found


class TestCreate:
    async def test_defaults(self, client: httpx.AsyncClient, make_clip: Maker) -> None:
        clip = await make_clip()
        assert set(clip) == FIELDS | {"queued_job_ids"}
        assert clip["queued_job_ids"] == []
        assert (clip["name"], clip["length"], clip["timeline_position"]) == ("Clip 1", 5, 0)
        assert (clip["generated_images"], clip["versions"], clip["active_version"]) == ([], [], 1)
        del clip["queued_job_ids"]
        assert await read(client, clip) == clip

    async def test_left_out_means_after_the_last(
        self, client: httpx.AsyncClient, make_clip: Maker
    ) -> None:
        first = await make_clip(length=2.5)
        second = await make_clip(scene_id=first["scene_id"], length=1)
        third = await make_clip(scene_id=first["scene_id"])
        assert [clip["timeline_position"] for clip in (first, second, third)] == [0, 2.5, 3.5]
        assert [clip["order"] for clip in (first, second, third)] == [0, 1, 2]
        assert await totals(client, first) == [(3, 8.5), (3, 8.5)]

    async def test_seconds_are_rounded_to_milliseconds(self, make_clip: Maker) -> None:
        for given, kept in ((0.001, 0.001), (1.23456, 1.235), (1 / 3, 0.333), ("2.5", 2.5)):
            assert (await make_clip(length=given))["length"] == kept
        for given, kept in ((0.0004, 0), (-0.0, 0), (1e-300, 0), (9_999.9996, 10_000)):
            clip = await make_clip(timeline_position=given)
            assert str(clip["timeline_position"]) == str(float(kept))

    async def test_bad_fields_store_nothing(
        self, client: httpx.AsyncClient, make_scene: Maker
    ) -> None:
        scene = await make_scene()
        bad = [*BAD_FIELDS, ("auto_generate", None), ("auto_generate", "maybe"), ("scene_id", "")]
        for field, value in bad:
            response = await client.post(
                f"{API}/clips", json={"scene_id": scene["id"], "image_prompt": "x", field: value}
            )
            assert response.status_code == 422, (field, value)
        assert (await client.get(f"{API}/clips/scene/{scene['id']}")).json() == []
        assert (await client.get(f"{API}/queue/jobs")).json() == []
        assert (await client.get(f"{API}/scenes/{scene['id']}")).json() == scene

    async def test_unknown_scene(self, client: httpx.AsyncClient) -> None:
        response = await client.post(f"{API}/clips", json={"scene_id": "none"})
        assert response.status_code == 404
        assert response.json()["error"]["code"] == "SCENE_NOT_FOUND"

    async def test_a_timeline_is_full_where_no_clip_may_start(
        self, client: httpx.AsyncClient, make_clip: Maker
    ) -> None:
        last = await make_clip(timeline_position=10_000, length=1)
        response = await client.post(f"{API}/clips", json={"scene_id": last["scene_id"]})
        assert response.status_code == 409
        assert response.json()["error"]["code"] == "TIMELINE_FULL"
        assert (await make_clip(scene_id=last["scene_id"], timeline_position=3))["length"] == 5

    async def test_at_once_they_line_up(self, client: httpx.AsyncClient, make_scene: Maker) -> None:
        scene = await make_scene()
        body = {"scene_id": scene["id"], "length": 1}
        answers = await asyncio.gather(*(client.post(f"{API}/clips", json=body) for _ in range(20)))
        assert sorted(a.json()["timeline_position"] for a in answers) == list(range(20))
        assert await totals(client, answers[0].json()) == [(20, 20), (20, 20)]


class TestQueuesAJob:
    @pytest.mark.parametrize(
        ("fields", "kind", "prompt"),
        [
            ({"image_prompt": "a car"}, "image", "a car"),
            ({"video_prompt": "dolly in"}, "video", "dolly in"),
            ({"image_prompt": "a car", "video_prompt": "dolly in"}, "image", "a car"),
        ],
    )
    async def test_of_its_prompt(
        self,
        client: httpx.AsyncClient,
        make_clip: Maker,
        fields: dict[str, str],
        kind: str,
        prompt: str,
    ) -> None:
        clip = await make_clip(**fields)
        (job_id,) = clip["queued_job_ids"]
        job = (await client.get(f"{API}/queue/jobs/{job_id}")).json()
        assert (job["status"], job["generation_type"], job["prompt"]) == ("pending", kind, prompt)
        assert (job["clip_id"], job["project_id"]) == (clip["id"], clip["project_id"])
        assert job["queue_position"] == 1

    @pytest.mark.parametrize(
        "fields", [{}, {"image_prompt": ""}, {"image_prompt": "a car", "auto_generate": False}]
    )
    async def test_or_none(
        self, client: httpx.AsyncClient, make_clip: Maker, fields: dict[str, Any]
    ) -> None:
        assert (await make_clip(**fields))["queued_job_ids"] == []
        assert (await client.get(f"{API}/queue/jobs")).json() == []


async def test_list_is_along_the_timeline_in_pages(
    client: httpx.AsyncClient, make_scene: Maker, make_clip: Maker
) -> None:
    scene = await make_scene()
    for position in (20, 0, 10, 10, 5):
        await make_clip(scene_id=scene["id"], timeline_position=position)
    url = f"{API}/clips/scene/{scene['id']}"
    whole = await client.get(url)
    assert [clip["timeline_position"] for clip in whole.json()] == [0, 5, 10, 10, 20]
    part = await client.get(url, params={"skip": 2, "limit": 2})
    assert part.json() == whole.json()[2:4]
    assert part.headers["X-Total-Count"] == whole.headers["X-Total-Count"] == "5"
    assert (await client.get(f"{API}/clips/scene/none")).status_code == 404


async def test_unknown_clip(client: httpx.AsyncClient) -> None:
    for method, path, body in (
        ("GET", "", None), ("GET", "/gallery", None), ("PUT", "", {}), ("PUT", "/prompts", {}),
        ("PUT", "/timeline-position", {"position": 1}), ("DELETE", "", None),
    ):  # fmt: skip
        response = await client.request(method, f"{API}/clips/none{path}", json=body)
        assert response.status_code == 404, path
        assert response.json()["error"]["code"] == "CLIP_NOT_FOUND"


class TestUpdate:
    async def test_only_what_is_sent(self, client: httpx.AsyncClient, make_clip: Maker) -> None:
        clip = await make_clip(lyrics="la", image_prompt="x", auto_generate=False)
        changed = (await client.put(f"{API}/clips/{clip['id']}", json={"name": "b"})).json()
        del clip["queued_job_ids"]
        assert changed == {**clip, "name": "b", "updated_at": changed["updated_at"]}

    async def test_what_was_read_may_come_back(
        self, client: httpx.AsyncClient, make_clip: Maker
    ) -> None:
        clip = await make_clip()
        sent = {**clip, "id": "x", "scene_id": "x", "generated_images": [{"id": "fake"}]}
        changed = (await client.put(f"{API}/clips/{clip['id']}", json=sent)).json()
        assert (changed["id"], changed["scene_id"]) == (clip["id"], clip["scene_id"])
        assert changed["generated_images"] == []

    async def test_bad_fields_change_nothing(
        self, client: httpx.AsyncClient, make_clip: Maker
    ) -> None:
        clip = await make_clip()
        before = await read(client, clip)
        bad = [*BAD_FIELDS, ("active_version", 0), ("active_version", None)]
        for field, value in bad:
            response = await client.put(
                f"{API}/clips/{clip['id']}", json={"lyrics": "y", field: value}
            )
            assert response.status_code == 422, (field, value)
        for field in ("selected_image_id", "selected_video_id"):
            response = await client.put(f"{API}/clips/{clip['id']}", json={field: "none"})
            assert (response.status_code, response.json()["error"]["code"]) == (
                400, "TAKE_NOT_FOUND",
            )  # fmt: skip
        assert await read(client, clip) == before

    async def test_length_and_position_change_the_totals(
        self, client: httpx.AsyncClient, make_clip: Maker
    ) -> None:
        clip = await make_clip(length=2)
        await make_clip(scene_id=clip["scene_id"], length=1)
        await client.put(f"{API}/clips/{clip['id']}", json={"length": 7.5})
        assert await totals(client, clip) == [(2, 7.5), (2, 7.5)]
        await client.put(f"{API}/clips/{clip['id']}", json={"timeline_position": 100})
        assert await totals(client, clip) == [(2, 107.5), (2, 107.5)]


class TestMove:
    async def test_to_a_free_place(self, client: httpx.AsyncClient, make_clip: Maker) -> None:
        clip = await make_clip(length=2)
        await make_clip(scene_id=clip["scene_id"], length=3)
        response = await move(client, clip, 7.25)
        assert response.json() == {
            "message": "Clip moved.",
            "clip_id": clip["id"],
            "new_position": 7.25,
            "timeline_summary": {
                "total_clips": 2, "total_duration": 5, "timeline_end": 9.25, "gaps": 2,
            },
        }  # fmt: skip
        assert (await read(client, clip))["timeline_position"] == 7.25
        assert await totals(client, clip) == [(2, 9.25), (2, 9.25)]

    async def test_edges_may_touch(self, client: httpx.AsyncClient, make_clip: Maker) -> None:
        first = await make_clip(length=2)
        second = await make_clip(scene_id=first["scene_id"], length=2, timeline_position=10)
        for position in (2, 2.0004, 10, 0):
            expected = 200 if position else 409
            assert (await move(client, second, position)).status_code == expected

    async def test_overlap_is_409_with_a_place_that_fits(
        self, client: httpx.AsyncClient, make_clip: Maker
    ) -> None:
        first = await make_clip(length=4)
        second = await make_clip(scene_id=first["scene_id"], length=2, timeline_position=20)
        before = await read(client, second)
        response = await move(client, second, 3)
        body = response.json()
        assert response.status_code == 409
        assert set(body) == {"detail", "error", "request_id"}
        assert body["error"]["code"] == "TIMELINE_OVERLAP"
        assert set(body["detail"]) == {
            "error", "suggested_position", "clip_id", "requested_position",
        }  # fmt: skip
        assert body["detail"]["suggested_position"] == 4
        assert body["detail"]["requested_position"] == 3
        assert body["detail"]["clip_id"] == second["id"]
        assert await read(client, second) == before
        assert (await move(client, second, 4)).status_code == 200

    async def test_unchecked_it_may_overlap(
        self, client: httpx.AsyncClient, make_clip: Maker
    ) -> None:
        first = await make_clip()
        second = await make_clip(scene_id=first["scene_id"])
        assert (await move(client, second, 0, "?check_overlap=false")).status_code == 200
        assert (await move(client, second, 0, "?check_overlap=perhaps")).status_code == 422

    async def test_no_suggestion_lies_where_no_clip_may_start(
        self, client: httpx.AsyncClient, make_clip: Maker
    ) -> None:
        full = await make_clip(length=10_000, timeline_position=0)
        await make_clip(scene_id=full["scene_id"], length=1, timeline_position=10_000)
        late = await make_clip(
            scene_id=full["scene_id"], length=2, timeline_position=9_999, auto_generate=False
        )
        response = await move(client, late, 10_000)
        assert response.status_code == 409
        assert response.json()["detail"]["suggested_position"] is None
        assert "no room" in response.json()["detail"]["error"]

    @pytest.mark.parametrize(
        "position", [-0.001, 10_000.001, None, "x", [], "NaN", "Infinity", 1e308, 2**64]
    )
    async def test_bad_positions(
        self, client: httpx.AsyncClient, make_clip: Maker, position: Any
    ) -> None:
        clip = await make_clip()
        assert (await move(client, clip, position)).status_code == 422
        assert (await read(client, clip))["timeline_position"] == 0

    async def test_two_at_once_do_not_take_the_same_place(
        self, client: httpx.AsyncClient, make_clip: Maker
    ) -> None:
        clips = [await make_clip(length=1)]
        clips += [await make_clip(scene_id=clips[0]["scene_id"], length=1) for _ in range(4)]
        answers = await asyncio.gather(*(move(client, clip, 100) for clip in clips))
        assert sorted(answer.status_code for answer in answers) == [200, 409, 409, 409, 409]


class TestPrompts:
    async def test_by_query_or_body_and_only_what_is_given(
        self, client: httpx.AsyncClient, make_clip: Maker
    ) -> None:
        clip = await make_clip(image_prompt="i", video_prompt="v", auto_generate=False)
        url = f"{API}/clips/{clip['id']}/prompts"
        for request, expected in (
            ({"params": {"image_prompt": "i2"}}, ("i2", "v")),
            ({"json": {"video_prompt": "v2"}}, ("i2", "v2")),
            ({"json": {}}, ("i2", "v2")),
            ({}, ("i2", "v2")),
            ({"params": {"image_prompt": ""}}, ("", "v2")),
            ({"json": {"image_prompt": "b"}, "params": {"video_prompt": "q"}}, ("b", "q")),
            ({"json": {"image_prompt": "b"}, "params": {"image_prompt": "q"}}, ("q", "q")),
        ):
            response = await client.put(url, **request)
            assert response.status_code == 200
            changed = response.json()
            assert (changed["image_prompt"], changed["video_prompt"]) == expected
        assert (await client.get(f"{API}/queue/jobs")).json() == []

    async def test_bad_ones_change_nothing(
        self, client: httpx.AsyncClient, make_clip: Maker
    ) -> None:
        clip = await make_clip(image_prompt="i", auto_generate=False)
        url = f"{API}/clips/{clip['id']}/prompts"
        for body in ({"image_prompt": None}, {"image_prompt": 5}, {"video_prompt": "x" * 10_001}):
            assert (await client.put(url, json=body)).status_code == 422
        long = {"image_prompt": "x" * 10_001}
        assert (await client.put(url, params=long)).status_code == 422
        assert (await read(client, clip))["image_prompt"] == "i"


async def test_gallery_and_selection(
    client: httpx.AsyncClient, make_clip: Maker, container: Container
) -> None:
    clip = await make_clip()
    for number in ("a", "b", "a"):
        await container.film.clips._clips.add_take(clip["id"], take(number))
    await container.film.clips._clips.add_take(clip["id"], take("v", ContentType.VIDEO))
    gallery = (await client.get(f"{API}/clips/{clip['id']}/gallery")).json()
    assert set(gallery) == {"images", "videos", "selected_image_id", "selected_video_id"}
    assert [image["id"] for image in gallery["images"]] == ["a", "b"]
    assert [image["is_selected"] for image in gallery["images"]] == [True, False]
    assert (gallery["selected_image_id"], gallery["selected_video_id"]) == ("a", "v")
    assert gallery["images"][0]["url"] == f"{ORIGIN}/uploads/projects/p/c/a.png"
    assert "path" not in gallery["images"][0]
    url = f"{API}/clips/{clip['id']}"
    changed = (await client.put(url, json={"selected_image_id": "b"})).json()
    assert [image["is_selected"] for image in changed["generated_images"]] == [False, True]
    assert (await client.put(url, json={"selected_image_id": "v"})).status_code == 400
    cleared = (await client.put(url, json={"selected_video_id": None})).json()
    assert (cleared["selected_video_id"], cleared["selected_image_id"]) == (None, "b")


async def test_delete_takes_jobs_and_media_along(
    client: httpx.AsyncClient, make_clip: Maker, settings: Settings
) -> None:
    clip = await make_clip(image_prompt="x", length=3)
    await make_clip(scene_id=clip["scene_id"], length=2, timeline_position=0)
    folder = settings.upload_dir / "projects" / clip["project_id"] / clip["id"]
    folder.mkdir(parents=True)
    response = await client.delete(f"{API}/clips/{clip['id']}")
    assert response.json() == {"message": "Clip deleted.", "deleted": 1}
    assert not folder.exists()
    assert await totals(client, clip) == [(1, 2), (1, 2)]
    (job,) = (await client.get(f"{API}/queue/jobs")).json()
    assert job["status"] == "cancelled"
    assert (await client.delete(f"{API}/clips/{clip['id']}")).status_code == 404
