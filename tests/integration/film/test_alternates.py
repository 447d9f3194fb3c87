"""Alternates of clips and scenes: numbers, files of their own, and totals that leave them out."""

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest

from backend.config import Settings
from backend.container import Container
from backend.mongo.embedded import EmbeddedDatabase
from backend.utils.ids import new_id
from tests.conftest import API, Maker
from tests.studio import quick_settings
from tests.takes import VIDEO, Gallery

COPIED = (
    "scene_id", "project_id", "lyrics", "length", "timeline_position", "order", "image_prompt",
    "video_prompt", "character_id", "versions", "active_version",
)  # fmt: skip


@pytest.fixture
def gallery(container: Container, settings: Settings) -> Gallery:
    return Gallery(container, settings.upload_dir)


async def post(client: httpx.AsyncClient, path: str) -> dict[str, Any]:
    response = await client.post(f"{API}{path}/create-alternate")
    assert response.status_code == 201, response.text
    return dict(response.json())


async def read(client: httpx.AsyncClient, path: str) -> Any:
    response = await client.get(f"{API}{path}")
    assert response.status_code == 200, response.text
    return response.json()


async def totals(client: httpx.AsyncClient, project_id: str) -> list[float]:
    project = await read(client, f"/projects/{project_id}")
    return [project["scene_count"], project["clip_count"], project["duration"]]


def takes_of(clip: dict[str, Any]) -> list[dict[str, Any]]:
    return [*clip["generated_images"], *clip["generated_videos"]]


class TestClip:
    async def test_is_a_numbered_copy_outside_the_timeline(
        self, client: httpx.AsyncClient, make_clip: Maker
    ) -> None:
        clip = await make_clip(
            name="Wide", length=3, image_prompt="i", video_prompt="v", auto_generate=False
        )
        before = await totals(client, clip["project_id"])
        alternate = await post(client, f"/clips/{clip['id']}")
        assert {field: alternate[field] for field in COPIED} == {f: clip[f] for f in COPIED}
        assert alternate["id"] != clip["id"]
        assert (alternate["is_alternate"], alternate["alternate_number"]) == (True, 1)
        assert (alternate["parent_clip_id"], alternate["name"]) == (
            clip["id"], "Wide (alternate 1)",
        )  # fmt: skip
        assert await read(client, f"/clips/{alternate['id']}") == alternate
        assert await totals(client, clip["project_id"]) == before
        report = await read(client, f"/scenes/{clip['scene_id']}/timeline-analysis")
        assert (report["total_clips"], report["has_issues"]) == (1, False)
        assert len(await read(client, f"/clips/scene/{clip['scene_id']}")) == 2
        assert (await client.get(f"{API}/queue/jobs")).json() == []

    async def test_the_parent_is_always_the_original(
        self, client: httpx.AsyncClient, make_clip: Maker
    ) -> None:
        clip = await make_clip(name="x" * 200)
        first = await post(client, f"/clips/{clip['id']}")
        second = await post(client, f"/clips/{first['id']}")
        third = await post(client, f"/clips/{clip['id']}")
        assert [one["alternate_number"] for one in (first, second, third)] == [1, 2, 3]
        assert {one["parent_clip_id"] for one in (first, second, third)} == {clip["id"]}
        assert second["name"] == "x" * 186 + " (alternate 2)"

    async def test_takes_are_copied_with_files_of_their_own(
        self, client: httpx.AsyncClient, make_clip: Maker, gallery: Gallery
    ) -> None:
        clip = await make_clip()
        await gallery.hang(clip)
        chosen = await gallery.hang(clip)
        await gallery.hang(clip, VIDEO, duration=0.5, fps=16.0)
        url = f"{API}/clips/{clip['id']}/select-content"
        await client.put(url, params={"content_id": chosen.id, "content_type": "image"})
        original = await read(client, f"/clips/{clip['id']}")
        alternate = await post(client, f"/clips/{clip['id']}")
        assert [take["is_selected"] for take in alternate["generated_images"]] == [False, True]
        assert alternate["selected_video_id"] == alternate["generated_videos"][0]["id"]
        own = {"id", "url", "thumbnail_url"}
        for old, new in zip(takes_of(original), takes_of(alternate), strict=True):
            assert {k: v for k, v in old.items() if k not in own} == {
                k: v for k, v in new.items() if k not in own
            }
            assert not {old[name] for name in own} & {new[name] for name in own}
            for name in ("url", "thumbnail_url"):
                assert gallery.read(old[name]) == gallery.read(new[name])
                assert (await client.get(new[name])).status_code == 200

    @pytest.mark.parametrize("goes_first", ["original", "alternate"])
    async def test_deleting_one_leaves_the_other_whole(
        self, client: httpx.AsyncClient, make_clip: Maker, gallery: Gallery, goes_first: str
    ) -> None:
        clip = await make_clip()
        await gallery.hang(clip)
        alternate = await post(client, f"/clips/{clip['id']}")
        clip = await read(client, f"/clips/{clip['id']}")
        gone, stays = (clip, alternate) if goes_first == "original" else (alternate, clip)
        deleted = (await client.delete(f"{API}/clips/{gone['id']}")).json()
        assert deleted["deleted"] == 1
        assert await read(client, f"/clips/{stays['id']}") == stays
        (take,) = stays["generated_images"]
        assert (await client.get(take["url"])).status_code == 200
        assert len(gallery.files()) == 2
        another = await post(client, f"/clips/{stays['id']}")
        assert another["parent_clip_id"] == clip["id"]

    async def test_a_missing_file_is_missing_in_the_copy_too(
        self, client: httpx.AsyncClient, make_clip: Maker, gallery: Gallery
    ) -> None:
        clip = await make_clip()
        take = await gallery.hang(clip, prompt="kept")
        (gallery.folder / take.path).unlink()
        alternate = await post(client, f"/clips/{clip['id']}")
        (copy,) = alternate["generated_images"]
        assert copy["prompt"] == "kept"
        assert (await client.get(copy["url"])).status_code == 404

    async def test_an_unknown_clip(self, client: httpx.AsyncClient) -> None:
        response = await client.post(f"{API}/clips/none/create-alternate")
        assert (response.status_code, response.json()["error"]["code"]) == (404, "CLIP_NOT_FOUND")

    async def test_withdraws_when_the_scene_is_gone(
        self, client: httpx.AsyncClient, make_clip: Maker, gallery: Gallery, container: Container
    ) -> None:
        clip = await make_clip()
        await gallery.hang(clip)
        files = gallery.files()
        await container.base.repositories.scenes.delete(clip["scene_id"])
        response = await client.post(f"{API}/clips/{clip['id']}/create-alternate")
        assert (response.status_code, response.json()["error"]["code"]) == (404, "SCENE_NOT_FOUND")
        assert await container.base.repositories.clips.ids_for_scene(clip["scene_id"]) == [
            clip["id"]
        ]
        assert gallery.files() == files


class TestScene:
    async def test_copies_clips_and_galleries_outside_the_film(
        self, client: httpx.AsyncClient, make_scene: Maker, make_clip: Maker, gallery: Gallery
    ) -> None:
        scene = await make_scene(name="Verse", lyrics="la", description="blue")
        first = await make_clip(scene_id=scene["id"], length=2)
        await make_clip(scene_id=scene["id"], length=1)
        spare = await post(client, f"/clips/{first['id']}")
        await gallery.hang(first)
        await gallery.hang(spare)
        scene = await read(client, f"/scenes/{scene['id']}")
        before = await totals(client, scene["project_id"])
        alternate = await post(client, f"/scenes/{scene['id']}")
        assert (alternate["name"], alternate["lyrics"]) == ("Verse (alternate 1)", "la")
        assert (alternate["is_alternate"], alternate["alternate_number"]) == (True, 1)
        assert alternate["parent_scene_id"] == scene["id"]
        assert (alternate["clip_count"], alternate["duration"]) == (2, 3)
        assert await totals(client, scene["project_id"]) == before == [1, 2, 3]
        old = await read(client, f"/clips/scene/{scene['id']}")
        new = await read(client, f"/clips/scene/{alternate['id']}")
        assert sorted(clip["name"] for clip in old) == sorted(clip["name"] for clip in new)
        assert not {clip["id"] for clip in old} & {clip["id"] for clip in new}
        (copied_spare,) = (clip for clip in new if clip["is_alternate"])
        parent = await read(client, f"/clips/{copied_spare['parent_clip_id']}")
        assert (parent["scene_id"], parent["name"]) == (alternate["id"], first["name"])
        assert len(gallery.files()) == 8
        scenes = await read(client, f"/scenes/project/{scene['project_id']}")
        assert [one["id"] for one in scenes] == [scene["id"], alternate["id"]]

    async def test_an_alternate_of_an_alternate_belongs_to_the_original(
        self, client: httpx.AsyncClient, make_scene: Maker
    ) -> None:
        scene = await make_scene(name="Verse")
        first = await post(client, f"/scenes/{scene['id']}")
        second = await post(client, f"/scenes/{first['id']}")
        assert (second["parent_scene_id"], second["alternate_number"]) == (scene["id"], 2)
        assert second["name"] == "Verse (alternate 2)"

    async def test_spare_clips_of_a_deleted_original_come_along_too(
        self, client: httpx.AsyncClient, make_clip: Maker
    ) -> None:
        clip = await make_clip(name="Wide")
        for _ in range(2):
            await post(client, f"/clips/{clip['id']}")
        await client.delete(f"{API}/clips/{clip['id']}")
        alternate = await post(client, f"/scenes/{clip['scene_id']}")
        copies = await read(client, f"/clips/scene/{alternate['id']}")
        assert sorted(copy["alternate_number"] for copy in copies) == [1, 2]
        assert len({copy["parent_clip_id"] for copy in copies} - {clip["id"]}) == 1
        third = await post(client, f"/clips/{copies[0]['id']}")
        assert third["alternate_number"] == 3

    @pytest.mark.parametrize("goes_first", ["original", "alternate"])
    async def test_deleting_one_leaves_the_other_whole(
        self, client: httpx.AsyncClient, make_clip: Maker, gallery: Gallery, goes_first: str
    ) -> None:
        clip = await make_clip(length=2)
        await gallery.hang(clip)
        alternate = await post(client, f"/scenes/{clip['scene_id']}")
        ids = [clip["scene_id"], alternate["id"]]
        gone, stays = ids if goes_first == "original" else reversed(ids)
        deleted = (await client.delete(f"{API}/scenes/{gone}")).json()
        assert deleted["deleted"] == 2
        (left,) = await read(client, f"/clips/scene/{stays}")
        assert (await client.get(left["generated_images"][0]["url"])).status_code == 200
        assert len(gallery.files()) == 2
        kept = [0, 0, 0] if goes_first == "original" else [1, 1, 2]
        assert await totals(client, clip["project_id"]) == kept
        await client.delete(f"{API}/projects/{clip['project_id']}")
        assert gallery.files() == set()

    async def test_its_parent_stays(self, client: httpx.AsyncClient, make_scene: Maker) -> None:
        scene = await make_scene()
        other = await make_scene(project_id=scene["project_id"])
        alternate = await post(client, f"/scenes/{scene['id']}")
        url = f"{API}/scenes/{alternate['id']}"
        for parent_id in (other["id"], None):
            response = await client.put(url, json={"parent_scene_id": parent_id})
            assert (response.status_code, response.json()["error"]["code"]) == (
                409, "IS_ALTERNATE",
            )  # fmt: skip
        same = {"parent_scene_id": scene["id"], "name": "Bridge"}
        assert (await client.put(url, json=same)).json()["name"] == "Bridge"

    async def test_an_unknown_scene(self, client: httpx.AsyncClient) -> None:
        response = await client.post(f"{API}/scenes/none/create-alternate")
        assert (response.status_code, response.json()["error"]["code"]) == (404, "SCENE_NOT_FOUND")

    async def test_exports_know_alternates(
        self, client: httpx.AsyncClient, make_clip: Maker
    ) -> None:
        clip = await make_clip(length=2)
        await post(client, f"/clips/{clip['id']}")
        await post(client, f"/scenes/{clip['scene_id']}")
        url = f"{API}/projects/{clip['project_id']}/export/json"
        for query in ("", "?include_alternates=true&media=placeholder"):
            assert (await client.get(url + query)).status_code == 200


class TestAtOnce:
    """Numbers are given out once, whatever the database."""

    @pytest.fixture(params=["memory", "embedded"])
    def settings(
        self, request: pytest.FixtureRequest, tmp_path: Path, embedded: EmbeddedDatabase
    ) -> Settings:
        url = "memory:" if request.param == "memory" else embedded.url
        return quick_settings(tmp_path, mongo_url=url, db_name=f"alt_{new_id()}"[:38])

    @pytest.mark.parametrize("kind", ["clips", "scenes"])
    async def test_numbers_are_given_out_once(
        self, client: httpx.AsyncClient, make_clip: Maker, gallery: Gallery, kind: str
    ) -> None:
        clip = await make_clip(length=2)
        await gallery.hang(clip)
        path = f"/{kind}/{clip['id'] if kind == 'clips' else clip['scene_id']}"
        made = await asyncio.gather(*(post(client, path) for _ in range(8)))
        assert sorted(one["alternate_number"] for one in made) == list(range(1, 9))
        assert await totals(client, clip["project_id"]) == [1, 1, 2]
        assert len(gallery.files()) == 18

    async def test_a_project_deleted_meanwhile_leaves_nothing(
        self, client: httpx.AsyncClient, make_clip: Maker, gallery: Gallery, container: Container
    ) -> None:
        clip = await make_clip(length=2)
        await gallery.hang(clip)
        answers = await asyncio.gather(
            *(client.post(f"{API}/scenes/{clip['scene_id']}/create-alternate") for _ in range(3)),
            *(client.post(f"{API}/clips/{clip['id']}/create-alternate") for _ in range(3)),
            client.delete(f"{API}/projects/{clip['project_id']}"),
        )
        assert {answer.status_code for answer in answers} <= {200, 201, 404}
        repos = container.base.repositories
        assert await repos.clips.list_for_project(clip["project_id"]) == []
        assert await repos.scenes.list_for_project(clip["project_id"]) == []
        assert gallery.files() == set()
