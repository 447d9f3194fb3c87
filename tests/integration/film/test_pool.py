"""A project's pool: kept takes with files of their own, and their way into clips."""

import asyncio
from typing import Any

import httpx
import pytest

from backend.config import Settings
from backend.container import Container
from tests.conftest import API, Maker
from tests.studio import ORIGIN, kept
from tests.takes import VIDEO, Gallery
from tests.unit.services.media.media_samples import animation, picture, video

FIELDS = {
    "id", "project_id", "name", "description", "content_type", "source_type", "source_clip_id",
    "media_url", "thumbnail_url", "generation_params", "loras", "structured_params", "tags",
    "metadata", "created_at",
}  # fmt: skip
DEEP: Any = {}
for _ in range(40):
    DEEP = {"a": DEEP}

BAD_FIELDS: list[tuple[str, Any]] = [
    ("name", ""), ("name", " "), ("name", None), ("name", "x" * 301), ("description", None),
    ("description", "x" * 10_001), ("tags", None), ("tags", "night"), ("tags", [5]),
    ("tags", ["x" * 501]), ("tags", ["x"] * 51), ("tags", [["a"]]), ("metadata", None),
    ("metadata", []), ("metadata", DEEP), ("metadata", {"a": "x" * 64_000}),
    ("generation_params", None), ("generation_params", "x"), ("generation_params", DEEP),
]  # fmt: skip
BAD_AT_CREATION: list[tuple[str, Any]] = [
    *BAD_FIELDS, ("project_id", None), ("project_id", ""), ("content_type", "sound"),
    ("content_type", None), ("source_type", "moon"), ("source_type", None),
    ("source_clip_id", ""), ("source_clip_id", 5), ("content_id", ""), ("media_url", ""),
    ("media_url", "x" * 2001), ("media_url", None),
]  # fmt: skip

OLDER_WORDS = {
    "clip": "clip_generation", "upload": "manual_upload", "generated": "batch_generation",
}  # fmt: skip


@pytest.fixture
def gallery(container: Container, settings: Settings) -> Gallery:
    return Gallery(container, settings.upload_dir)


@pytest.fixture
async def clip(make_clip: Maker) -> dict[str, Any]:
    return await make_clip(name="Wide", auto_generate=False)


async def keep(client: httpx.AsyncClient, clip: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """Keep a take of a clip, or whatever else the fields name."""
    body = {"project_id": clip["project_id"], "source_clip_id": clip["id"], **fields}
    response = await client.post(f"{API}/pool", json=body)
    assert response.status_code == 201, response.text
    return dict(response.json())


async def refused(client: httpx.AsyncClient, status: int, code: str, **body: Any) -> None:
    response = await client.post(f"{API}/pool", json=body)
    got = (response.status_code, response.json()["error"]["code"])
    assert got == (status, code), response.text


class TestKeepATake:
    async def test_the_selected_one(
        self, client: httpx.AsyncClient, clip: dict[str, Any], gallery: Gallery
    ) -> None:
        take = await gallery.hang(clip)
        item = await keep(client, clip)
        assert set(item) == FIELDS
        assert (item["name"], item["description"]) == ("Wide", "")
        assert (item["content_type"], item["source_type"]) == ("image", "clip_generation")
        assert (item["project_id"], item["source_clip_id"]) == (clip["project_id"], clip["id"])
        assert item["generation_params"] == {"steps": 4}
        assert (item["tags"], item["metadata"]) == ([], {})
        assert item["media_url"].startswith(f"{ORIGIN}/uploads/projects/{clip['project_id']}/pool/")
        assert gallery.read(item["media_url"]) == gallery.read(take.url)
        assert gallery.read(item["thumbnail_url"]) == gallery.read(str(take.thumbnail_url))
        assert (await client.get(item["media_url"])).headers["content-type"] == "image/png"
        assert (await client.get(f"{API}/pool/item/{item['id']}")).json() == item

    async def test_one_by_id_by_url_or_by_kind(
        self, client: httpx.AsyncClient, clip: dict[str, Any], gallery: Gallery
    ) -> None:
        first, second = await gallery.hang(clip), await gallery.hang(clip)
        assert (await keep(client, clip))["content_type"] == "image"
        film = await gallery.hang(clip, VIDEO)
        for fields, wanted in (
            ({"content_id": second.id}, second),
            ({"source_content_id": second.id}, second),
            ({"media_url": second.url}, second),
            ({"content_type": "image"}, first),
            ({"content_type": "video"}, film),
            ({}, film),
        ):
            item = await keep(client, clip, **fields)
            assert gallery.read(item["media_url"]) == gallery.read(wanted.url)

    async def test_what_was_sent_is_kept(
        self, client: httpx.AsyncClient, clip: dict[str, Any], gallery: Gallery
    ) -> None:
        await gallery.hang(clip)
        odd = {"$where": {"a.b": [1, 2**63, None, 1.5]}, "": "🎬", "deep": {"a": {"b": {}}}}
        fields = {
            "name": " Roof ", "description": "d", "source_type": "batch_generation",
            "tags": ["b", " a ", "b"], "metadata": odd, "generation_params": odd,
        }  # fmt: skip
        item = await keep(client, clip, thumbnail_url="/uploads/x", **fields)
        plain, nested = {"": "🎬"}, {name: odd[name] for name in ("$where", "deep")}
        expected = fields | {"name": "Roof", "tags": ["b", "a"], "generation_params": plain}
        assert item["structured_params"] == nested
        assert {name: item[name] for name in fields} == expected
        assert (await client.get(f"{API}/pool/item/{item['id']}")).json() == item

    async def test_as_a_gallery_sends_it(
        self, client: httpx.AsyncClient, make_clip: Maker, gallery: Gallery
    ) -> None:
        """A web client sends all that it knows of a take, and what nobody chose as well."""
        clip = await make_clip(name="x" * 200, auto_generate=False)
        take = await gallery.hang(clip, prompt="a red car " * 900)
        fields: dict[str, Any] = {
            "name": f"{clip['name']} - image",
            "description": take.prompt,
            "content_type": "image",
            "source_type": "clip_generation",
            "generation_params": {"prompt": take.prompt, "seed": 7, "model": None, "steps": 4},
            "metadata": {"clip_id": clip["id"], "generated_at": "2026-11-22T10:00:00.000Z"},
        }
        sent = {"media_url": take.url, "thumbnail_url": take.thumbnail_url}
        item = await keep(client, clip, **sent, **fields, tags=["image", "", None, clip["name"]])
        del fields["generation_params"]["model"]  # nobody chose one: nothing that can be shown
        assert {name: item[name] for name in fields} == fields
        assert item["tags"] == ["image", clip["name"]]
        assert gallery.read(item["media_url"]) == gallery.read(take.url)

    @pytest.mark.parametrize("old", OLDER_WORDS)
    async def test_older_words_for_the_source(
        self,
        client: httpx.AsyncClient,
        clip: dict[str, Any],
        gallery: Gallery,
        container: Container,
        old: str,
    ) -> None:
        """Of clients, and of documents that an older version wrote."""
        await gallery.hang(clip)
        item = await keep(client, clip, source_type=old)
        assert item["source_type"] == OLDER_WORDS[old]
        assert await container.base.repositories.pool.update(item["id"], {"source_type": old})
        assert (await client.get(f"{API}/pool/item/{item['id']}")).json() == item
        assert (await client.get(f"{API}/pool/{clip['project_id']}")).json() == [item]

    async def test_what_is_missing_or_elsewhere(
        self,
        client: httpx.AsyncClient,
        clip: dict[str, Any],
        make_clip: Maker,
        make_project: Maker,
        gallery: Gallery,
    ) -> None:
        project_id = clip["project_id"]
        named: dict[str, Any] = {"project_id": project_id, "source_clip_id": clip["id"]}
        await refused(client, 404, "TAKE_NOT_FOUND", **named)
        take, film = await gallery.hang(clip), await gallery.hang(clip, VIDEO)
        other = await make_clip()
        elsewhere = {**named, "project_id": (await make_project())["id"]}
        files = gallery.files()
        for status, code, body in (
            (404, "PROJECT_NOT_FOUND", {**named, "project_id": "none"}),
            (404, "CLIP_NOT_FOUND", {**named, "source_clip_id": "none"}),
            (400, "OTHER_PROJECT", {**named, "source_clip_id": other["id"]}),
            (400, "OTHER_PROJECT", elsewhere),
            (404, "TAKE_NOT_FOUND", {**named, "content_id": "none"}),
            (404, "TAKE_NOT_FOUND", {**named, "media_url": "/uploads/none.png"}),
            (404, "TAKE_NOT_FOUND", {**named, "content_id": take.id, "media_url": film.url}),
            (400, "WRONG_CONTENT_TYPE", {**named, "content_id": take.id, "content_type": "video"}),
            (422, "MEDIA_NOT_NAMED", {"project_id": project_id}),
            (422, "MEDIA_NOT_NAMED", {"project_id": project_id, "source_type": "clip_generation"}),
            (
                422,
                "MEDIA_NOT_NAMED",
                {"project_id": project_id, "source_type": "clip_generation", "media_url": take.url},
            ),
        ):
            await refused(client, status, code, **body)
        (gallery.folder / take.path).unlink()
        await refused(client, 404, "MEDIA_NOT_FOUND", **named, content_id=take.id)
        assert gallery.files() == files - {take.path}
        assert (await client.get(f"{API}/pool/{project_id}")).json() == []

    async def test_bad_fields_store_nothing(
        self, client: httpx.AsyncClient, clip: dict[str, Any], gallery: Gallery
    ) -> None:
        await gallery.hang(clip)
        bad = [pair for pair in BAD_AT_CREATION if pair != ("media_url", None)]
        for field, value in bad:
            body = {"project_id": clip["project_id"], "source_clip_id": clip["id"], field: value}
            response = await client.post(f"{API}/pool", json=body)
            assert response.status_code == 422, (field, value)
        assert (await client.get(f"{API}/pool/{clip['project_id']}")).json() == []


class TestKeepAnUpload:
    @pytest.mark.parametrize(
        ("name", "content", "kind", "ending"),
        [
            ("a.png", picture(), "image", ".png"),
            ("lies.png", picture("JPEG"), "image", ".jpg"),
            ("a b é%.png", picture("WEBP"), "image", ".webp"),
            ("film.mp4", video(), "video", ".mp4"),
            ("moving.gif", animation("GIF"), "video", ".mp4"),
        ],
    )
    async def test_by_its_path(
        self,
        client: httpx.AsyncClient,
        clip: dict[str, Any],
        gallery: Gallery,
        name: str,
        content: bytes,
        kind: str,
        ending: str,
    ) -> None:
        gallery.write(f"faces/{name}", content)
        url = str(httpx.URL(f"http://x/uploads/faces/{name.replace('%', '%25')}").raw_path, "ascii")
        item = await keep(client, clip, source_clip_id=None, media_url=url)
        assert (item["content_type"], item["source_type"]) == (kind, "manual_upload")
        assert item["name"] == name.rpartition(".")[0]
        assert (item["source_clip_id"], item["generation_params"]) == (None, {})
        assert item["media_url"].endswith(ending)
        assert (await client.get(item["thumbnail_url"])).headers["content-type"] == "image/webp"
        (gallery.folder / f"faces/{name}").unlink()
        assert (await client.get(item["media_url"])).status_code == 200

    async def test_what_is_not_there_not_ours_or_not_media(
        self, client: httpx.AsyncClient, clip: dict[str, Any], gallery: Gallery, settings: Settings
    ) -> None:
        gallery.write("notes.png", b"not a picture")
        gallery.write("cut.mp4", video()[:300])
        gallery.write(".incoming/a/b.png", picture())
        (settings.upload_dir.parent / "secret.png").write_bytes(picture())
        files = gallery.files()
        for status, code, url in (
            (404, "MEDIA_NOT_FOUND", "/uploads/none.png"),
            (404, "MEDIA_NOT_FOUND", "/uploads/notes.png/a"),
            (404, "MEDIA_NOT_FOUND", "/uploads/projects"),
            (404, "MEDIA_NOT_FOUND", "/uploads/notes.png%20"),
            (415, "UNSUPPORTED_MEDIA", "/uploads/notes.png"),
            (415, "UNSUPPORTED_MEDIA", "/uploads/cut.mp4"),
            (400, "MEDIA_NOT_OURS", "/uploads/../secret.png"),
            (400, "MEDIA_NOT_OURS", "/uploads/%2e%2e/secret.png"),
            (400, "MEDIA_NOT_OURS", "/uploads/a/..%2f..%2fsecret.png"),
            (400, "MEDIA_NOT_OURS", "/uploads/.incoming/a/b.png"),
            (400, "MEDIA_NOT_OURS", "/uploads//secret.png"),
            (400, "MEDIA_NOT_OURS", "/uploads/"),
            (400, "MEDIA_NOT_OURS", "/uploads"),
            (400, "MEDIA_NOT_OURS", "/uploads/%00.png"),
            (400, "MEDIA_NOT_OURS", "/uploads/..\\secret.png"),
            (400, "MEDIA_NOT_OURS", "/uploads/" + "x" * 256),
            (400, "MEDIA_NOT_OURS", "/uploads/" + "x/" * 300 + "a.png"),
            (400, "MEDIA_NOT_OURS", "notes.png"),
            (400, "MEDIA_NOT_OURS", "/etc/passwd"),
            (400, "MEDIA_NOT_OURS", "http://127.0.0.1/uploads/notes.png"),
            (400, "MEDIA_NOT_OURS", "file:///uploads/notes.png"),
        ):
            await refused(client, status, code, project_id=clip["project_id"], media_url=url)
        gallery.write("a.png", picture())
        await refused(
            client, 400, "WRONG_CONTENT_TYPE", project_id=clip["project_id"],
            media_url="/uploads/a.png", content_type="video",
        )  # fmt: skip
        assert gallery.files() == files | {"a.png"}


class TestList:
    async def test_newest_first_in_pages_by_kind(
        self, client: httpx.AsyncClient, clip: dict[str, Any], gallery: Gallery, make_project: Maker
    ) -> None:
        await gallery.hang(clip)
        film = await gallery.hang(clip, VIDEO)
        kept = [await keep(client, clip, content_type="image", name=str(n)) for n in range(3)]
        kept.append(await keep(client, clip, content_id=film.id))
        kept.sort(key=lambda item: (item["created_at"], item["id"]), reverse=True)
        url = f"{API}/pool/{clip['project_id']}"
        for query, wanted, total in (
            ("", kept, 4),
            ("?limit=2", kept[:2], 4),
            ("?skip=2&limit=2", kept[2:], 4),
            ("?skip=9", [], 4),
            ("?content_type=video", [i for i in kept if i["content_type"] == "video"], 1),
            ("?content_type=image&limit=3", [i for i in kept if i["content_type"] == "image"], 3),
        ):
            response = await client.get(url + query)
            assert (response.json(), response.headers["X-Total-Count"]) == (wanted, str(total))
        empty = (await make_project())["id"]
        assert (await client.get(f"{API}/pool/{empty}")).json() == []

    async def test_errors(self, client: httpx.AsyncClient, clip: dict[str, Any]) -> None:
        response = await client.get(f"{API}/pool/none")
        assert (response.status_code, response.json()["error"]["code"]) == (
            404, "PROJECT_NOT_FOUND",
        )  # fmt: skip
        for query in ("content_type=sound", "limit=0", "limit=501", "skip=-1", "limit=x"):
            response = await client.get(f"{API}/pool/{clip['project_id']}?{query}")
            assert response.status_code == 422, query


class TestChange:
    async def test_only_what_is_given(
        self, client: httpx.AsyncClient, clip: dict[str, Any], gallery: Gallery
    ) -> None:
        await gallery.hang(clip)
        item = await keep(client, clip, tags=["a"], metadata={"x": 1})
        url = f"{API}/pool/item/{item['id']}"
        assert (await client.put(url, json={})).json() == item
        changes: list[dict[str, Any]] = [
            {"name": "Roof"}, {"description": "d"}, {"tags": ["b", "b"]}, {"tags": []},
            {"metadata": {"a.b": {"$c": 1}}}, {"generation_params": {"steps": 5}},
        ]  # fmt: skip
        fixed = {"content_type": "video", "media_url": "/uploads/x", "id": "y"}
        for change in changes:
            item = {**item, **change}
            item["tags"] = list(dict.fromkeys(item["tags"]))
            assert (await client.put(url, json={**fixed, **change})).json() == item
        assert (await client.get(url)).json() == item

    async def test_bad_fields_change_nothing(
        self, client: httpx.AsyncClient, clip: dict[str, Any], gallery: Gallery
    ) -> None:
        await gallery.hang(clip)
        item = await keep(client, clip)
        url = f"{API}/pool/item/{item['id']}"
        for field, value in BAD_FIELDS:
            response = await client.put(url, json={"description": "y", field: value})
            assert response.status_code == 422, (field, value)
        assert (await client.get(url)).json() == item


class TestApply:
    async def test_puts_a_copy_into_the_gallery_once_and_shows_it(
        self, client: httpx.AsyncClient, clip: dict[str, Any], make_clip: Maker, gallery: Gallery
    ) -> None:
        take = await gallery.hang(clip, width=64, height=48, model_name="m")
        item = await keep(client, clip, generation_params={"mine": 1})
        other = await make_clip(scene_id=clip["scene_id"])
        own = await gallery.hang(other)
        url = f"{API}/pool/item/{item['id']}/apply-to-clip/{other['id']}"
        first, *rest = await asyncio.gather(*(client.post(url) for _ in range(4)))
        assert {answer.status_code for answer in (first, *rest)} == {200}
        changed = (await client.get(f"{API}/clips/{other['id']}")).json()
        repeated = (await client.post(url)).json()
        assert {**changed, "updated_at": repeated["updated_at"]} == repeated
        assert [image["is_selected"] for image in changed["generated_images"]] == [False, True]
        applied = changed["generated_images"][1]
        assert changed["selected_image_id"] == applied["id"] not in {take.id, item["id"], own.id}
        assert kept(applied["url"]).startswith(
            f"/uploads/projects/{clip['project_id']}/{other['id']}/"
        )
        assert gallery.read(applied["url"]) == gallery.read(take.url)
        assert (applied["prompt"], applied["seed"], applied["width"]) == ("a red car", 7, 64)
        assert applied["generation_params"] == {"steps": 4}
        back = {"content_id": own.id, "content_type": "image"}
        await client.put(f"{API}/clips/{other['id']}/select-content", params=back)
        again = (await client.post(url)).json()
        assert (len(again["generated_images"]), again["selected_image_id"]) == (2, applied["id"])

    async def test_everybody_keeps_what_is_theirs(
        self, client: httpx.AsyncClient, clip: dict[str, Any], make_clip: Maker, gallery: Gallery
    ) -> None:
        await gallery.hang(clip, VIDEO)
        item = await keep(client, clip)
        other = await make_clip(scene_id=clip["scene_id"])
        await client.delete(f"{API}/clips/{clip['id']}")
        assert (await client.get(item["media_url"])).status_code == 200
        applied = await client.post(f"{API}/pool/item/{item['id']}/apply-to-clip/{other['id']}")
        (take,) = applied.json()["generated_videos"]
        deleted = await client.delete(f"{API}/pool/item/{item['id']}")
        assert deleted.json() == {"message": "Pool item deleted.", "deleted": 1}
        assert (await client.get(item["media_url"])).status_code == 404
        assert (await client.get(take["url"])).status_code == 200
        await client.delete(f"{API}/clips/{other['id']}")
        assert gallery.files() == set()

    async def test_errors(
        self, client: httpx.AsyncClient, clip: dict[str, Any], make_clip: Maker, gallery: Gallery
    ) -> None:
        await gallery.hang(clip)
        item = await keep(client, clip)
        stranger = await make_clip()
        files = gallery.files()
        for item_id, clip_id, status, code in (
            ("none", clip["id"], 404, "POOL_ITEM_NOT_FOUND"),
            (item["id"], "none", 404, "CLIP_NOT_FOUND"),
            (item["id"], stranger["id"], 400, "OTHER_PROJECT"),
        ):
            response = await client.post(f"{API}/pool/item/{item_id}/apply-to-clip/{clip_id}")
            assert (response.status_code, response.json()["error"]["code"]) == (status, code)
        assert gallery.files() == files
        gallery.file(item["media_url"]).unlink()
        response = await client.post(f"{API}/pool/item/{item['id']}/apply-to-clip/{clip['id']}")
        assert (response.status_code, response.json()["error"]["code"]) == (404, "MEDIA_NOT_FOUND")


async def test_items_that_are_not_there(client: httpx.AsyncClient) -> None:
    url = f"{API}/pool/item/none"
    for answer in (
        await client.get(url),
        await client.put(url, json={"name": "a"}),
        await client.put(url, json={}),
        await client.delete(url),
    ):
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "POOL_ITEM_NOT_FOUND")


async def test_a_project_takes_its_pool_along(
    client: httpx.AsyncClient, clip: dict[str, Any], gallery: Gallery, container: Container
) -> None:
    await gallery.hang(clip)
    items = [await keep(client, clip) for _ in range(2)]
    answer = (await client.delete(f"{API}/projects/{clip['project_id']}")).json()
    assert answer["deleted"] == 5
    for item in items:
        assert (await client.get(f"{API}/pool/item/{item['id']}")).status_code == 404
    assert gallery.files() == set()
