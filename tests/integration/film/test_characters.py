"""Characters (6): what they are, and what applying them does to a clip's prompts."""

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pymongo.monitoring
import pytest
from pymongo import AsyncMongoClient

from backend.container import Container
from backend.models.character import Character
from backend.mongo.embedded import EmbeddedDatabase
from tests.conftest import API, Maker, created
from tests.studio import ORIGIN, Studio, studio
from tests.support_explain import RecordedQueries, assert_uses_index

FIELDS = {
    "id", "project_id", "name", "description", "reference_images", "face_image", "lora",
    "lora_weight", "trigger_words", "style_notes", "generation_method", "generation_params",
    "created_at", "updated_at",
}  # fmt: skip

BAD_FIELDS: list[tuple[str, Any]] = [
    ("name", ""), ("name", " "), ("name", "x" * 201), ("name", None), ("description", "x" * 2001),
    ("description", 5), ("trigger_words", "x" * 2001), ("trigger_words", ["x" * 1000] * 3),
    ("trigger_words", [1]), ("trigger_words", {}),
    ("style_notes", "x" * 5001), ("lora", "x" * 501), ("lora_weight", 100.5),
    ("lora_weight", -100.5), ("lora_weight", None), ("lora_weight", "NaN"), ("lora_weight", "x"),
    ("reference_images", None), ("reference_images", ["/uploads/a.png"] * 51),
    ("reference_images", ["ftp://a/b"]), ("reference_images", ["file:///etc/passwd"]),
    ("reference_images", ["/uploads/"]), ("reference_images", ["/uploads/../x"]),
    ("reference_images", ["https://a/" + "x" * 2000]), ("reference_images", ["https://a b"]),
    ("reference_images", [None]), ("face_image", "mara.png"), ("face_image", "javascript:x"),
    ("face_image", "/uploads/a/../../b"), ("generation_params", None),
    ("generation_params", {"steps": 0}), ("generation_params", {"cfg": 31}),
    ("generation_params", {"width": 63}), ("generation_params", []),
    ("generation_params", {"x": "y" * 200_000}), ("generation_method", "x" * 201),
    ("project_id", "x" * 101), ("project_id", 5),
]  # fmt: skip


async def make(client: httpx.AsyncClient, **fields: Any) -> dict[str, Any]:
    return await created(client, "/characters", {"name": "Mara", **fields})


async def mara(client: httpx.AsyncClient, **fields: Any) -> dict[str, Any]:
    words = {"trigger_words": "ohwx woman", "style_notes": "film grain"}
    return await make(client, **{**words, **fields})


async def apply(
    client: httpx.AsyncClient, character: dict[str, Any], clip: dict[str, Any]
) -> dict[str, Any]:
    response = await client.post(f"{API}/characters/{character['id']}/apply/{clip['id']}")
    assert response.status_code == 200, response.text
    return dict(response.json())


async def read(client: httpx.AsyncClient, clip: dict[str, Any]) -> dict[str, Any]:
    return dict((await client.get(f"{API}/clips/{clip['id']}")).json())


def prompts(clip: dict[str, Any]) -> tuple[str, str, str | None]:
    return clip["image_prompt"], clip["video_prompt"], clip["character_id"]


def code(response: httpx.Response) -> tuple[int, str]:
    return response.status_code, response.json()["error"]["code"]


@pytest.fixture
def make_scripted(make_clip: Maker) -> Maker:
    async def scripted(**fields: Any) -> dict[str, Any]:
        words = {"image_prompt": "a car", "video_prompt": "dolly in", "auto_generate": False}
        return await make_clip(**{**words, **fields})

    return scripted


class TestFields:
    async def test_defaults(self, client: httpx.AsyncClient) -> None:
        character = await make(client)
        assert set(character) == FIELDS
        assert character["project_id"] is character["lora"] is character["face_image"] is None
        assert (character["lora_weight"], character["reference_images"]) == (1, [])
        assert (character["trigger_words"], character["generation_params"]) == ("", {})
        read = await client.get(f"{API}/characters/{character['id']}")
        assert read.json() == character

    async def test_everything_comes_back(
        self, client: httpx.AsyncClient, make_project: Maker
    ) -> None:
        body = {
            "project_id": (await make_project())["id"], "name": "Mara", "description": "d",
            "reference_images": ["https://example.org/a.png?b=c", "/uploads/b.png"],
            "face_image": "/uploads/f.png", "lora": "mara.safetensors", "lora_weight": -0.5,
            "trigger_words": "ohwx, scarf", "style_notes": "grain", "generation_method": "lora",
            "generation_params": {"steps": 20, "cfg": 6.5, "a.b": {"$where": [1, None]}},
        }  # fmt: skip
        character = await make(client, **body)
        body["reference_images"][1] = f"{ORIGIN}/uploads/b.png"
        body["face_image"] = f"{ORIGIN}/uploads/f.png"
        assert {key: character[key] for key in body} == body
        sent_back = await client.put(f"{API}/characters/{character['id']}", json=character)
        assert {**sent_back.json(), "updated_at": ""} == {**character, "updated_at": ""}

    async def test_a_list_of_trigger_words_is_joined(self, client: httpx.AsyncClient) -> None:
        for given, kept in (
            (["ohwx woman", " scarf ", ""], "ohwx woman, scarf"), ([], ""), (None, ""),
            ("a, b", "a, b"),
        ):  # fmt: skip
            character = await make(client, trigger_words=given)
            assert character["trigger_words"] == kept
            url = f"{API}/characters/{character['id']}"
            changed = (await client.put(url, json={"trigger_words": ["c", "d"]})).json()
            assert changed["trigger_words"] == "c, d"

    async def test_blank_and_null_clear(self, client: httpx.AsyncClient) -> None:
        full = {"lora": "a", "face_image": "/uploads/a", "generation_method": "m"}
        texts = {"description": "d", "trigger_words": "t", "style_notes": "s"}
        character = await make(client, **full, **texts)
        url = f"{API}/characters/{character['id']}"
        for nothing in (None, ""):
            await client.put(url, json={**full, **texts})
            cleared = await client.put(url, json=dict.fromkeys([*full, *texts], nothing))
            assert {cleared.json()[name] for name in full} == {None}
            assert {cleared.json()[name] for name in texts} == {""}

    async def test_bad_fields_store_and_change_nothing(self, client: httpx.AsyncClient) -> None:
        character = await make(client)
        url = f"{API}/characters/{character['id']}"
        for field, value in BAD_FIELDS:
            body = {"name": "x", field: value}
            for response in (
                await client.post(f"{API}/characters", json=body),
                await client.put(url, json=body),
            ):
                assert response.status_code == 422, (field, value)
        deep: Any = 1
        for _ in range(40):
            deep = {"a": deep}
        response = await client.put(url, json={"generation_params": deep})
        assert response.status_code == 422
        assert (await client.get(f"{API}/characters")).json() == [character]

    async def test_put_changes_only_what_is_sent(self, client: httpx.AsyncClient) -> None:
        character = await mara(client, generation_params={"steps": 4})
        url = f"{API}/characters/{character['id']}"
        changed = (await client.put(url, json={"lora_weight": 0.3, "unknown": 1})).json()
        assert changed["updated_at"] >= character["updated_at"]
        expected = {**character, "lora_weight": 0.3, "updated_at": changed["updated_at"]}
        assert changed == expected


async def test_list_is_one_projects_or_all_in_pages(
    client: httpx.AsyncClient, make_project: Maker
) -> None:
    first, second = await make_project(), await make_project()
    for name, project in (("a", first), ("b", None), ("c", second), ("d", first)):
        await make(client, name=name, project_id=project and project["id"])
    for query, names in (
        ("", "abcd"), (f"project_id={first['id']}", "ad"), ("project_id=none", ""),
        ("limit=2", "ab"), ("skip=1&limit=2", "bc"), ("skip=9", ""), ("project_id=", "abcd"),
    ):  # fmt: skip
        found = await client.get(f"{API}/characters?{query}")
        total = {"project_id=none": 0, f"project_id={first['id']}": 2}.get(query, 4)
        assert ("".join(c["name"] for c in found.json()), query) == (names, query)
        assert found.headers["X-Total-Count"] == str(total)
    for query in ("limit=0", "limit=501", "skip=-1", f"project_id={'x' * 101}"):
        assert (await client.get(f"{API}/characters?{query}")).status_code == 422


async def test_unknown_things(client: httpx.AsyncClient, make_scripted: Maker) -> None:
    clip, character = await make_scripted(), await make(client)
    url = f"{API}/characters"
    for method, path, body in (
        ("GET", "/none", None), ("PUT", "/none", {}), ("DELETE", "/none", None),
        ("POST", f"/none/apply/{clip['id']}", None),
    ):  # fmt: skip
        response = await client.request(method, url + path, json=body)
        assert code(response) == (404, "CHARACTER_NOT_FOUND")
    response = await client.post(f"{url}/{character['id']}/apply/none")
    assert code(response) == (404, "CLIP_NOT_FOUND")
    response = await client.post(url, json={"name": "a", "project_id": "none"})
    assert code(response) == (404, "PROJECT_NOT_FOUND")
    response = await client.put(f"{url}/{character['id']}", json={"project_id": "none"})
    assert code(response) == (404, "PROJECT_NOT_FOUND")


class TestApply:
    async def test_writes_words_once(self, client: httpx.AsyncClient, make_scripted: Maker) -> None:
        clip, character = await make_scripted(), await mara(client)
        first = await apply(client, character, clip)
        assert prompts(first) == (
            "ohwx woman, a car, film grain", "ohwx woman, dolly in, film grain", character["id"],
        )  # fmt: skip
        assert set(first) == set(clip) - {"queued_job_ids"}
        assert await apply(client, character, clip) == first == await read(client, clip)
        assert (await client.get(f"{API}/queue/jobs")).json() == []

    async def test_null_takes_them_out_again(
        self, client: httpx.AsyncClient, make_scripted: Maker
    ) -> None:
        clip, character = await make_scripted(video_prompt=""), await mara(client)
        assert (await apply(client, character, clip))["video_prompt"] == "ohwx woman, film grain"
        url = f"{API}/clips/{clip['id']}"
        bare = (await client.put(url, json={"character_id": None, "lyrics": "la"})).json()
        assert (prompts(bare), bare["lyrics"]) == (("a car", "", None), "la")
        again = (await client.put(url, json={"character_id": None})).json()
        assert prompts(again) == ("a car", "", None)

    async def test_edits_around_the_words_survive(
        self, client: httpx.AsyncClient, make_scripted: Maker
    ) -> None:
        clip, character = await make_scripted(), await mara(client)
        await apply(client, character, clip)
        url = f"{API}/clips/{clip['id']}"
        edited = "close-up of ohwx woman, a blue car, rain, film grain, 35 mm"
        kept = (await client.put(url, json={"image_prompt": edited})).json()
        assert await apply(client, character, clip) == kept
        bare = (await client.put(url, json={"character_id": None})).json()
        assert prompts(bare) == ("close-up of, a blue car, rain, 35 mm", "dolly in", None)

    async def test_another_one_replaces_what_the_first_added(
        self, client: httpx.AsyncClient, make_scripted: Maker
    ) -> None:
        clip, first = await make_scripted(), await mara(client)
        second = await make(client, trigger_words=["jun man"], style_notes="noir")
        await apply(client, first, clip)
        edit = {"trigger_words": "something else", "style_notes": ""}
        await client.put(f"{API}/characters/{first['id']}", json=edit)
        assert prompts(await apply(client, second, clip)) == (
            "jun man, a car, noir", "jun man, dolly in, noir", second["id"],
        )  # fmt: skip
        assert prompts(await apply(client, first, clip)) == (
            "something else, a car", "something else, dolly in", first["id"],
        )  # fmt: skip

    async def test_another_id_by_put_takes_the_words_along(
        self, client: httpx.AsyncClient, make_scripted: Maker
    ) -> None:
        clip, character = await make_scripted(), await mara(client)
        worn = await apply(client, character, clip)
        url = f"{API}/clips/{clip['id']}"
        same = (await client.put(url, json=worn)).json()
        assert prompts(same) == prompts(worn)
        other = (await client.put(url, json={"character_id": "other"})).json()
        assert prompts(other) == ("a car", "dolly in", "other")

    async def test_only_characters_of_the_project_or_of_all(
        self, client: httpx.AsyncClient, make_project: Maker, make_scripted: Maker
    ) -> None:
        clip = await make_scripted()
        stranger = await mara(client, project_id=(await make_project())["id"])
        response = await client.post(f"{API}/characters/{stranger['id']}/apply/{clip['id']}")
        assert code(response) == (400, "CHARACTER_OF_ANOTHER_PROJECT")
        assert prompts(await read(client, clip)) == ("a car", "dolly in", None)
        own = await mara(client, project_id=clip["project_id"])
        assert (await apply(client, own, clip))["character_id"] == own["id"]
        moved = await client.put(f"{API}/characters/{own['id']}", json={"project_id": None})
        assert moved.json()["project_id"] is None
        elsewhere = {"project_id": stranger["project_id"]}
        response = await client.put(f"{API}/characters/{own['id']}", json=elsewhere)
        assert code(response) == (409, "CHARACTER_IN_USE")
        home = {"project_id": clip["project_id"]}
        response = await client.put(f"{API}/characters/{own['id']}", json=home)
        assert response.json()["project_id"] == clip["project_id"]

    async def test_a_prompt_must_stay_within_its_length(
        self, client: httpx.AsyncClient, make_scripted: Maker
    ) -> None:
        character = await make(client, style_notes="x" * 5000)
        clip = await make_scripted(image_prompt="y" * 4999)
        response = await client.post(f"{API}/characters/{character['id']}/apply/{clip['id']}")
        assert code(response) == (400, "PROMPT_TOO_LONG")
        await client.put(f"{API}/clips/{clip['id']}", json={"image_prompt": "y" * 4998})
        worn = await apply(client, character, clip)
        assert len(worn["image_prompt"]) == 10_000
        assert (await client.put(f"{API}/clips/{clip['id']}", json=worn)).status_code == 200

    async def test_at_once_nothing_is_lost(
        self, client: httpx.AsyncClient, make_scripted: Maker
    ) -> None:
        clip = await make_scripted()
        cast = [await make(client, trigger_words=f"person {n}") for n in range(6)]
        await asyncio.gather(*(apply(client, one, clip) for one in cast for _ in range(3)))
        ids = {one["id"]: one["trigger_words"] for one in cast}
        image, video, worn = prompts(await read(client, clip))
        assert worn is not None
        assert (image, video) == (f"{ids[worn]}, a car", f"{ids[worn]}, dolly in")
        url = f"{API}/clips/{clip['id']}"
        await asyncio.gather(
            *(apply(client, one, clip) for one in cast),
            *(client.put(url, json={"character_id": None}) for _ in cast),
        )
        bare = (await client.put(url, json={"character_id": None})).json()
        assert prompts(bare) == ("a car", "dolly in", None)

    async def test_a_new_prompt_gets_the_words_when_it_is_applied_again(
        self, client: httpx.AsyncClient, make_scripted: Maker
    ) -> None:
        clip, character = await make_scripted(), await mara(client)
        await apply(client, character, clip)
        await client.put(f"{API}/clips/{clip['id']}/prompts", json={"image_prompt": "a boat"})
        again = await apply(client, character, clip)
        assert again["image_prompt"] == "ohwx woman, a boat, film grain"


class TestDelete:
    async def test_clips_lose_its_words_and_work_on(
        self, client: httpx.AsyncClient, make_scripted: Maker
    ) -> None:
        character, other = await mara(client), await make(client, trigger_words="jun man")
        clips = [await make_scripted()]
        scene = clips[0]["scene_id"]
        clips += [await make_scripted(scene_id=scene, image_prompt=f"{n}") for n in range(60)]
        for clip in clips[:-1]:
            await apply(client, character, clip)
        await apply(client, other, clips[-1])
        response = await client.delete(f"{API}/characters/{character['id']}")
        assert response.json() == {"message": "Character deleted.", "deleted": 1}
        for clip in clips[:-1]:
            assert prompts(await read(client, clip)) == (clip["image_prompt"], "dolly in", None)
        assert (await read(client, clips[-1]))["character_id"] == other["id"]
        assert (await client.delete(f"{API}/characters/{character['id']}")).status_code == 404

    async def test_a_projects_go_with_it(
        self, client: httpx.AsyncClient, make_scripted: Maker
    ) -> None:
        clip = await make_scripted()
        own = await make(client, project_id=clip["project_id"])
        of_all = await make(client)
        response = await client.delete(f"{API}/projects/{clip['project_id']}")
        assert response.json()["deleted"] == 4
        assert (await client.get(f"{API}/characters/{own['id']}")).status_code == 404
        assert (await client.get(f"{API}/characters")).json() == [of_all]

    async def test_while_it_is_applied(
        self, client: httpx.AsyncClient, container: Container, make_scripted: Maker
    ) -> None:
        clip, character = await make_scripted(), await mara(client)
        service = container.film.characters

        class Vanishing(type(service._characters)):  # type: ignore[misc]
            """Gone between the look and the write."""

            async def get(self, character_id: str) -> Character:
                found: Character = await super().get(character_id)
                await super().delete(character_id)
                return found

        service._characters.__class__ = Vanishing
        response = await client.post(f"{API}/characters/{character['id']}/apply/{clip['id']}")
        assert code(response) == (404, "CHARACTER_NOT_FOUND")
        assert prompts(await read(client, clip)) == ("a car", "dolly in", None)

    async def test_a_project_that_goes_meanwhile_takes_a_new_character_along(
        self, client: httpx.AsyncClient, container: Container, make_project: Maker
    ) -> None:
        project, service = await make_project(), container.film.characters

        class Leaving(type(service._characters)):  # type: ignore[misc]
            async def add(self, character: Character) -> Character:
                await container.film.projects.delete(project["id"])
                added: Character = await super().add(character)
                return added

        service._characters.__class__ = Leaving
        body = {"name": "late", "project_id": project["id"]}
        response = await client.post(f"{API}/characters", json=body)
        assert code(response) == (404, "PROJECT_NOT_FOUND")
        assert (await client.get(f"{API}/characters")).json() == []


RECORDER = RecordedQueries()


async def test_on_the_embedded_database_without_a_scan(
    tmp_path: Path, embedded: EmbeddedDatabase
) -> None:
    pymongo.monitoring.register(RECORDER)
    async with studio(tmp_path, mongo_url=embedded.url, db_name="characters") as desk:
        with RECORDER.recording() as queries:
            await _whole_life(desk)
        client: AsyncMongoClient[Any] = AsyncMongoClient(embedded.url)
        try:
            ours = [query for query in queries if query.collection in {"characters", "clips"}]
            for query in ours:
                collection = client["characters"][query.collection]
                await assert_uses_index(collection, query.filter, query.sort or None)
        finally:
            await client.close()
    assert {query.collection for query in ours} == {"characters", "clips"}


async def _whole_life(desk: Studio) -> None:
    clip = await desk.clip(image_prompt="a car")
    body = {"name": "Mara", "project_id": clip["project_id"], "trigger_words": "ohwx"}
    params = {"generation_params": {"$set": {"a.b": 2**64 - 1}}}
    character = await desk.post("/characters", {**body, **params})
    url = f"{API}/characters/{character['id']}"
    worn = [
        desk.post(f"/characters/{character['id']}/apply/{clip['id']}", {}, 200) for _ in range(5)
    ]
    assert {done["image_prompt"] for done in await asyncio.gather(*worn)} == {"ohwx, a car"}
    changed = await desk.client.put(url, json={"name": "b", "project_id": clip["project_id"]})
    assert changed.json()["generation_params"] == params["generation_params"]
    for query in ("", f"?project_id={clip['project_id']}", "?skip=5"):
        assert (await desk.client.get(f"{API}/characters{query}")).status_code == 200
    assert (await desk.client.delete(url)).json()["deleted"] == 1
    assert (await desk.get(f"/clips/{clip['id']}"))["image_prompt"] == "a car"
    await desk.post("/characters", body)
    assert (await desk.client.delete(f"{API}/projects/{clip['project_id']}")).status_code == 200
    assert await desk.get("/characters") == []
