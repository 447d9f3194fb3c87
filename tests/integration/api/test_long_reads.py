"""Films that are too long for one query: pages, streams, and what happens when they break."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
import uvicorn
from fastapi import FastAPI

from backend.container import Container
from backend.dtos.clip_dto import ClipResponseDTO
from backend.dtos.project_dto import ProjectWithScenesDTO
from backend.dtos.project_timeline_dto import ProjectTimelineDTO
from backend.models.clip import Clip
from backend.utils.clock import utc_now
from backend.utils.errors import DatabaseUnavailableError
from tests.conftest import API, Maker


@pytest.fixture
async def long_film(container: Container, make_scene: Maker) -> tuple[str, list[str]]:
    """A long scene between two short ones, the middle one empty; all clips in story order."""
    first = await make_scene(name="Short")
    project_id = first["project_id"]
    scenes = [first]
    for name in ("Empty", "Long", "Last"):
        scenes.append(await make_scene(project_id=project_id, name=name))
    now = utc_now()
    clips = [
        Clip(
            id=f"{scene['name']}-{number:03}",
            scene_id=scene["id"],
            project_id=project_id,
            name="Clip",
            length=1,
            # Three at each place: the order among them is that of their ids.
            timeline_position=float(number // 3),
            is_alternate=number % 10 == 9,
            # Without a number of its own, one index of the clips would let in only one.
            alternate_number=number,
            created_at=now,
            updated_at=now,
        )
        for scene, count in zip(scenes, (5, 0, 430, 2), strict=True)
        for number in range(count)
    ]
    await container.base.repositories.clips.add_many(clips[::-1])
    for scene in scenes:
        await container.film.timeline.recount(scene["id"])
    return project_id, [clip.id for clip in clips]


async def test_pages_together_are_the_film(
    client: httpx.AsyncClient, long_film: tuple[str, list[str]]
) -> None:
    project_id, ids = long_film
    for limit in (500, 97):
        found: list[str] = []
        for skip in range(0, len(ids) + limit, limit):
            response = await client.get(
                f"{API}/projects/{project_id}/clips?skip={skip}&limit={limit}"
            )
            assert response.headers["X-Total-Count"] == str(len(ids))
            assert len(response.json()) <= limit
            found += [ClipResponseDTO.model_validate(clip).id for clip in response.json()]
        assert found == ids


async def test_streams_are_the_film(
    client: httpx.AsyncClient, long_film: tuple[str, list[str]]
) -> None:
    project_id, ids = long_film
    project = (await client.get(f"{API}/projects/{project_id}")).json()
    timeline = (await client.get(f"{API}/projects/{project_id}/timeline")).json()
    nested = await client.get(f"{API}/projects/{project_id}/with-scenes?include_clips=true")
    ProjectTimelineDTO.model_validate(timeline)
    ProjectWithScenesDTO.model_validate(nested.json())
    assert timeline["project"] == project
    assert nested.json() == {**project, "scenes": timeline["scenes"]}
    assert [clip["id"] for scene in timeline["scenes"] for clip in scene["clips"]] == ids
    plain = (await client.get(f"{API}/projects/{project_id}/with-scenes")).json()
    assert plain["scenes"] == [{**scene, "clips": None} for scene in timeline["scenes"]]
    page = await client.get(f"{API}/projects/{project_id}/clips?limit=500")
    assert page.json() == [clip for scene in timeline["scenes"] for clip in scene["clips"]][:500]


READS = ("clips", "timeline", "with-scenes?include_clips=true")


@pytest.mark.parametrize("path", READS)
async def test_what_fails_before_the_first_byte_is_a_plain_error(
    client: httpx.AsyncClient, path: str
) -> None:
    response = await client.get(f"{API}/projects/none/{path}")
    assert response.status_code == 404
    assert response.json()["error"]["code"] == "PROJECT_NOT_FOUND"


async def test_what_fails_in_between_cuts_the_connection(
    app: FastAPI, container: Container, long_film: tuple[str, list[str]]
) -> None:
    project_id, _ = long_film
    container.film.story._clips = BrokenClips(container.base.repositories.clips)  # type: ignore[assignment]
    async with served(app) as url, httpx.AsyncClient(base_url=url) as client:
        async with client.stream("GET", f"{API}/projects/{project_id}/timeline") as response:
            assert response.status_code == 200
            received = response.aiter_bytes()
            assert (await anext(received)).startswith(b'{"project":')
            with pytest.raises(httpx.RemoteProtocolError, match="incomplete chunked read"):
                assert [chunk async for chunk in received]
        assert (await client.get(f"{API}/projects/{project_id}")).status_code == 200


@asynccontextmanager
async def served(app: FastAPI) -> AsyncIterator[str]:
    """The running app on a port of its own, as uvicorn serves it."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(uvicorn.Config(app, lifespan="off", log_config=None))
        running = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            await running


class BrokenClips:
    """Clips of a database that goes away after the first read."""

    def __init__(self, clips: Any) -> None:
        self._clips = clips
        self.asked = 0

    async def positions(self, scene_id: str) -> Any:
        return await self._clips.positions(scene_id)

    async def along(self, scene_id: str, **bounds: Any) -> Any:
        self.asked += 1
        if self.asked > 1:
            raise DatabaseUnavailableError("The database is not reachable. Try again shortly.")
        return await self._clips.along(scene_id, **bounds)
