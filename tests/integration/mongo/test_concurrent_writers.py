"""Many writers at once, through two server processes on one embedded database: no update is lost.

What a lock in one process keeps (no two clips at one place) is asked of one server; what guarded
writes keep is asked of both at once.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import AsyncExitStack, contextmanager
from typing import Any

import httpx
import pytest
import pytest_asyncio

from backend.mongo.embedded import EmbeddedDatabase
from tests.conftest import API
from tests.studio import ServerProcess, Studio, server_process
from tests.unit.services.media.media_samples import picture

ROUNDS = 8
#: A new clip goes to the end, which may be where another is on its way to.
TAKEN = 409

Answers = list[httpx.Response]


@contextmanager
def started(server: ServerProcess) -> Iterator[ServerProcess]:
    server.start()
    asyncio.run(server.ready())
    yield server


@pytest.fixture(scope="module")
def servers(
    embedded: EmbeddedDatabase, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[list[ServerProcess]]:
    """Two of them, with one database and one folder for media."""
    folders = [tmp_path_factory.mktemp(name) for name in ("first", "second")]
    shared = {
        "mongo_url": embedded.url, "db_name": "writers", "upload_dir": folders[0] / "uploads",
    }  # fmt: skip
    with (
        server_process(folders[0], **shared) as first,
        server_process(folders[1], **shared) as second,
        started(first),
        started(second),
    ):
        yield [first, second]


@pytest_asyncio.fixture
async def desks(servers: list[ServerProcess]) -> AsyncIterator[list[Studio]]:
    async with AsyncExitStack() as stack:
        clients = [
            await stack.enter_async_context(httpx.AsyncClient(base_url=one.url, timeout=60))
            for one in servers
        ]
        yield [Studio(client) for client in clients]


async def all_of(calls: Iterable[Awaitable[httpx.Response]], *allowed: int) -> Answers:
    answers = await asyncio.gather(*calls)
    assert {answer.status_code for answer in answers} <= {200, 201, *allowed}, [
        answer.text for answer in answers if answer.status_code >= 400
    ]
    return answers


async def pool_items(desk: Studio, project_id: str, count: int) -> list[str]:
    """Kept pictures that may be delivered into galleries."""
    face = await desk.client.post(
        f"{API}/media/upload-face-image", files={"file": ("f.png", picture(), "image/png")}
    )
    body = {"project_id": project_id, "media_url": face.json()["file_url"]}
    return [
        (await desk.post("/pool", {**body, "name": f"Kept {number}"}))["id"]
        for number in range(count)
    ]


async def test_one_clip_keeps_what_each_of_them_wrote(desks: list[Studio]) -> None:
    """Each field has its own writers; takes arrive and are chosen meanwhile."""
    clip = await desks[0].clip()
    items = await pool_items(desks[0], clip["project_id"], ROUNDS)
    url = f"{API}/clips/{clip['id']}"
    writes = []
    for number, item in enumerate(items):
        one, other = desks[number % 2].client, desks[(number + 1) % 2].client
        writes += [
            one.put(url, json={"lyrics": f"la {number}"}),
            other.put(url, json={"name": f"Clip {number}"}),
            one.put(url, json={"length": 1 + number}),
            other.put(f"{url}/prompts", json={"image_prompt": f"image {number}"}),
            one.put(f"{url}/prompts", params={"video_prompt": f"video {number}"}),
            other.post(f"{API}/pool/item/{item}/apply-to-clip/{clip['id']}"),
        ]
    await all_of(writes)
    kept = await desks[1].get(f"/clips/{clip['id']}")
    for field, word in (
        ("lyrics", "la"), ("name", "Clip"), ("image_prompt", "image"), ("video_prompt", "video"),
    ):  # fmt: skip
        assert kept[field] in {f"{word} {number}" for number in range(ROUNDS)}
    assert kept["length"] in range(1, ROUNDS + 1)
    assert len(kept["generated_images"]) == ROUNDS
    assert kept["selected_image_id"] in {take["id"] for take in kept["generated_images"]}
    scene = await desks[0].get(f"/scenes/{clip['scene_id']}")
    assert (scene["clip_count"], scene["duration"]) == (1, kept["length"])


async def test_the_last_selection_stands_and_no_take_is_lost(desks: list[Studio]) -> None:
    clip = await desks[0].clip()
    items = await pool_items(desks[0], clip["project_id"], 2 * ROUNDS)
    deliver = f"{API}/pool/item/{{}}/apply-to-clip/{clip['id']}"
    early, late = items[:ROUNDS], items[ROUNDS:]
    await all_of(desks[0].client.post(deliver.format(item)) for item in early)
    takes = await desks[0].takes(clip)
    chosen = {"content_type": "image"}
    url = f"{API}/clips/{clip['id']}/select-content"
    await all_of(
        call
        for number, (item, take) in enumerate(zip(late, takes, strict=True))
        for call in (
            desks[number % 2].client.post(deliver.format(item)),
            desks[(number + 1) % 2].client.put(url, params={**chosen, "content_id": take["id"]}),
        )
    )
    gallery = await desks[1].get(f"/clips/{clip['id']}/gallery")
    assert len({take["id"] for take in gallery["images"]}) == 2 * ROUNDS
    selected = [take["id"] for take in gallery["images"] if take["is_selected"]]
    assert selected == [gallery["selected_image_id"]]
    await all_of([desks[0].client.put(url, params={**chosen, "content_id": takes[3]["id"]})])
    shown = await desks[1].get(f"/clips/{clip['id']}")
    assert shown["selected_image_id"] == takes[3]["id"]


async def test_every_use_of_a_template_counts(desks: list[Studio]) -> None:
    template = await desks[0].post("/style-templates", {"name": "Noir"})
    url = f"{API}/style-templates/{template['id']}"
    calls = [desk.client.post(f"{url}/use") for desk in desks for _ in range(20)]
    calls += [desks[n % 2].client.put(url, json={"description": f"Take {n}"}) for n in range(6)]
    await all_of(calls)
    kept = await desks[1].get(f"/style-templates/{template['id']}")
    assert kept["use_count"] == 40
    assert kept["description"] in {f"Take {number}" for number in range(6)}


async def scene_of_clips(desk: Studio, count: int) -> tuple[dict[str, Any], list[str]]:
    """A scene of clips of one second each, in a row."""
    project = await desk.post("/projects", {"name": "Film"})
    scene = await desk.post("/scenes", {"project_id": project["id"], "name": "Scene"})
    body = {"scene_id": scene["id"], "length": 1}
    return scene, [(await desk.post("/clips", body))["id"] for _ in range(count)]


def shuffle_calls(desks: list[Studio], scene: dict[str, Any], clips: list[str]) -> list[Any]:
    """A third is moved away, a third is deleted, and as many are made; by turns at each server."""
    calls = []
    for number, clip_id in enumerate(clips):
        client = desks[number % len(desks)].client
        place = {"position": 100 + 2 * number}
        match number % 3:
            case 0:
                calls.append(client.put(f"{API}/clips/{clip_id}/timeline-position", json=place))
            case 1:
                calls.append(client.delete(f"{API}/clips/{clip_id}"))
            case _:
                body = {"scene_id": scene["id"], "length": 1}
                calls.append(client.post(f"{API}/clips", json=body))
    return calls


async def assert_totals_hold(desk: Studio, scene: dict[str, Any], count: int) -> None:
    clips = await desk.get(f"/scenes/{scene['id']}/clips")
    end = max(clip["timeline_position"] + clip["length"] for clip in clips)
    assert len(clips) == count
    assert await kept_totals(desk, f"/scenes/{scene['id']}") == (count, end)
    project = f"/projects/{scene['project_id']}"
    await eventually_equal(lambda: kept_totals(desk, project), (count, end))


async def kept_totals(desk: Studio, path: str) -> tuple[int, float]:
    kept = await desk.get(path)
    return kept["clip_count"], kept["duration"]


async def eventually_equal(read: Callable[[], Awaitable[Any]], expected: Any) -> None:
    """A project's totals are written a moment later; a server waits for its own writes only."""
    deadline = time.monotonic() + 5
    while (found := await read()) != expected:
        assert time.monotonic() < deadline, f"{found} is not {expected}"
        await asyncio.sleep(0.01)


async def test_a_timeline_of_one_server_never_overlaps(desks: list[Studio]) -> None:
    scene, clips = await scene_of_clips(desks[0], 24)
    moved = [clip for number, clip in enumerate(clips) if number % 3 == 0]
    await all_of(shuffle_calls(desks[:1], scene, clips), TAKEN)
    await assert_totals_hold(desks[0], scene, 24)
    report = await desks[0].get(f"/scenes/{scene['id']}/timeline-analysis")
    assert report["overlaps"] == []
    contested = {"position": 500}
    places = [f"{API}/clips/{clip_id}/timeline-position" for clip_id in moved]
    answers = await all_of((desks[0].client.put(url, json=contested) for url in places), 409)
    assert sorted(answer.status_code for answer in answers) == [200, *[409] * (len(moved) - 1)]


async def test_a_timeline_of_two_servers_counts_every_clip(desks: list[Studio]) -> None:
    scene, clips = await scene_of_clips(desks[0], 24)
    await all_of(shuffle_calls(desks, scene, clips), TAKEN)
    await assert_totals_hold(desks[1], scene, 24)


async def test_deleting_a_scene_while_clips_are_made_leaves_none(desks: list[Studio]) -> None:
    scene, _ = await scene_of_clips(desks[0], 2)
    body = {"scene_id": scene["id"], "length": 1}
    calls = [desks[n % 2].client.post(f"{API}/clips", json=body) for n in range(10)]
    calls.insert(5, desks[0].client.delete(f"{API}/scenes/{scene['id']}"))
    await all_of(calls, 404)
    project = f"/projects/{scene['project_id']}"
    assert await desks[1].get(f"{project}/clips") == []
    await eventually_equal(lambda: kept_totals(desks[1], project), (0, 0))
