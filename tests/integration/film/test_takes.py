"""Choosing the take that a clip shows."""

import asyncio
from typing import Any

import httpx
import pytest

from backend.config import Settings
from backend.container import Container
from tests.conftest import API, Maker
from tests.takes import IMAGE, VIDEO, Gallery


@pytest.fixture
def gallery(container: Container, settings: Settings) -> Gallery:
    return Gallery(container, settings.upload_dir)


async def select(client: httpx.AsyncClient, clip: dict[str, Any], **query: Any) -> httpx.Response:
    return await client.put(f"{API}/clips/{clip['id']}/select-content", params=query)


async def test_gives_the_clip_as_it_is_then(
    client: httpx.AsyncClient, make_clip: Maker, gallery: Gallery
) -> None:
    clip = await make_clip()
    first, second = await gallery.hang(clip), await gallery.hang(clip)
    film = await gallery.hang(clip, VIDEO)
    response = await select(client, clip, content_id=second.id, content_type="image")
    assert response.status_code == 200
    changed = response.json()
    assert changed == (await client.get(f"{API}/clips/{clip['id']}")).json()
    assert (changed["selected_image_id"], changed["selected_video_id"]) == (second.id, film.id)
    assert [take["is_selected"] for take in changed["generated_images"]] == [False, True]
    assert changed["updated_at"] > clip["updated_at"]
    again = await select(client, clip, content_id=second.id, content_type="image")
    assert again.json()["selected_image_id"] == second.id
    back = await select(client, clip, content_id=first.id, content_type="image")
    assert back.json()["selected_image_id"] == first.id


async def test_what_cannot_be_selected(
    client: httpx.AsyncClient, make_clip: Maker, gallery: Gallery
) -> None:
    clip = await make_clip()
    other = await make_clip(scene_id=clip["scene_id"])
    take, foreign = await gallery.hang(clip), await gallery.hang(other)
    for query, status, code in (
        ({"content_id": take.id, "content_type": "video"}, 400, "WRONG_CONTENT_TYPE"),
        ({"content_id": foreign.id, "content_type": "image"}, 404, "TAKE_NOT_FOUND"),
        ({"content_id": "none", "content_type": "image"}, 404, "TAKE_NOT_FOUND"),
        ({"content_id": "", "content_type": "image"}, 422, "VALIDATION_ERROR"),
        ({"content_id": "x" * 101, "content_type": "image"}, 422, "VALIDATION_ERROR"),
        ({"content_id": take.id, "content_type": "sound"}, 422, "VALIDATION_ERROR"),
        ({"content_id": take.id}, 422, "VALIDATION_ERROR"),
        ({"content_type": "image"}, 422, "VALIDATION_ERROR"),
    ):
        response = await select(client, clip, **query)
        assert (response.status_code, response.json()["error"]["code"]) == (status, code), query
    gone = await select(client, {"id": "none"}, content_id=take.id, content_type="image")
    assert (gone.status_code, gone.json()["error"]["code"]) == (404, "CLIP_NOT_FOUND")
    assert (await client.get(f"{API}/clips/{clip['id']}")).json()["selected_image_id"] == take.id


async def test_selections_made_at_once_lose_nothing(
    client: httpx.AsyncClient, make_clip: Maker, gallery: Gallery
) -> None:
    clip = await make_clip()
    images = [await gallery.hang(clip) for _ in range(5)]
    videos = [await gallery.hang(clip, VIDEO) for _ in range(2)]
    wanted = [(take, kind) for kind, takes in ((IMAGE, images), (VIDEO, videos)) for take in takes]
    answers = await asyncio.gather(
        *(select(client, clip, content_id=take.id, content_type=kind) for take, kind in wanted),
        client.put(f"{API}/clips/{clip['id']}/prompts", json={"image_prompt": "rain"}),
        client.put(f"{API}/clips/{clip['id']}", json={"lyrics": "la"}),
    )
    assert {answer.status_code for answer in answers} == {200}
    kept = (await client.get(f"{API}/clips/{clip['id']}")).json()
    assert (len(kept["generated_images"]), len(kept["generated_videos"])) == (5, 2)
    assert kept["selected_image_id"] in {take.id for take in images}
    assert kept["selected_video_id"] in {take.id for take in videos}
    assert (kept["image_prompt"], kept["lyrics"]) == ("rain", "la")


async def test_by_the_names_that_web_clients_use(
    client: httpx.AsyncClient, make_clip: Maker, gallery: Gallery
) -> None:
    clip = await make_clip()
    _, second = await gallery.hang(clip), await gallery.hang(clip)
    film = await gallery.hang(clip, VIDEO)
    changed = (await select(client, clip, image_id=second.id, video_id=film.id)).json()
    assert (changed["selected_image_id"], changed["selected_video_id"]) == (second.id, film.id)
    for query in ({}, {"content_id": second.id}, {"content_type": "image"}):
        refused = await select(client, clip, **query)
        assert (refused.status_code, refused.json()["error"]["code"]) == (422, "VALIDATION_ERROR")


async def test_a_version_written_twice_finds_the_route(client: httpx.AsyncClient) -> None:
    answer = await client.post(f"{API}/v1/generate", json={"clip_id": "none", "prompt": "x"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "CLIP_NOT_FOUND")
