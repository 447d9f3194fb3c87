"""How long a big film takes to read: 200 scenes with 10,000 clips, and one scene with 10,000.

    .venv/bin/python -m scripts.bench.film [--scenes 200] [--clips 10000]

Prints medians beside what the driver alone takes for the same documents in the same run, the
longest that a small request waited meanwhile, and the most memory that the server had.
"""

import argparse
import asyncio
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
from motor.motor_asyncio import AsyncIOMotorClient
from rich.console import Console
from rich.table import Table

from backend.database import DatabaseManager
from backend.models.clip import Clip
from backend.models.project import Project
from backend.models.scene import Scene
from backend.mongo.embedded import EmbeddedDatabase
from backend.repositories.registry import REPOSITORIES, Repositories, repositories_on
from backend.utils.clock import utc_now
from scripts.bench._bench import free_port, median, peak_megabytes, process, ready, session

PAGE = 500
#: Requests for the whole film at once, for the most memory.
AT_ONCE = 4


class Size(NamedTuple):
    scenes: int
    clips: int
    rounds: int


class Film:
    """The film as the benchmark asks for it."""

    def __init__(self, client: aiohttp.ClientSession, url: str, size: Size) -> None:
        self._client = client
        self._url = f"{url}/api/v1"
        self._size = size

    async def get(self, path: str) -> bytes:
        async with self._client.get(self._url + path) as response:
            response.raise_for_status()
            return await response.read()

    async def pages(self) -> None:
        """All clips, a page at a time."""
        for skip in range(0, self._size.clips, PAGE):
            await self.get(f"/projects/film/clips?limit={PAGE}&skip={skip}")

    async def move(self, seconds: float) -> None:
        """Move a clip of the long scene: checked against all others, and their analysis is void."""
        path = f"{self._url}/clips/long-0/timeline-position"
        async with self._client.put(path, json={"position": seconds}) as response:
            response.raise_for_status()

    async def many_at_once(self) -> None:
        paths = ("/projects/film/timeline", "/projects/film/with-scenes?include_clips=true")
        await asyncio.gather(*(self.get(path) for path in paths * (AT_ONCE // 2)), self.pages())

    @asynccontextmanager
    async def watched(self) -> AsyncIterator[list[float]]:
        """Ask for something small all the time; gives the milliseconds that it took."""
        waits: list[float] = []

        async def ask() -> None:
            while True:
                waits.append(await milliseconds(lambda: self.get("/")))
                await asyncio.sleep(0.01)

        asking = asyncio.create_task(ask())
        try:
            yield waits
        finally:
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)


async def milliseconds(call: Callable[[], Awaitable[object]]) -> float:
    began = time.perf_counter()
    await call()
    return (time.perf_counter() - began) * 1000


async def measure(mongo: str, server: str, pid: int, size: Size) -> Table:
    table = Table("request", "median ms", "driver ms", "ratio", "a small request waited")
    driver: AsyncIOMotorClient[dict[str, Any]] = AsyncIOMotorClient(mongo)
    clips = driver["bench"]["clips"]
    async with session() as client:
        await ready(client, f"{server}/api/v1/health", 60)
        film = Film(client, server, size)
        cold = await milliseconds(film.pages)
        table.add_row(f"GET /projects/…/clips, {PAGE} a page, cold", f"{cold:.0f}", "", "", "")
        for name, call, where in (
            ("the same, warm", film.pages, {"project_id": "film"}),
            ("GET …/timeline", lambda: film.get("/projects/film/timeline"), {"project_id": "film"}),
            (
                "GET …/with-scenes?include_clips=true",
                lambda: film.get("/projects/film/with-scenes?include_clips=true"),
                {"project_id": "film"},
            ),
            (
                "GET …/timeline, one long scene",
                lambda: film.get("/projects/one/timeline"),
                {"project_id": "one"},
            ),
        ):
            read = partial(driver_read, clips, where)
            table.add_row(name, *await compare(film, call, read, size.rounds))
        for name, row in (await analyses(film, size.rounds)).items():
            table.add_row(name, f"{row:.1f}", "", "", "")
        await film.many_at_once()
        table.caption = f"Most memory of the server: {peak_megabytes(pid):.0f} MB"
    driver.close()
    return table


async def driver_read(clips: Any, where: dict[str, str]) -> None:
    await clips.find(where).to_list(None)


async def compare(
    film: Film,
    ours: Callable[[], Awaitable[object]],
    driver: Callable[[], Awaitable[object]],
    rounds: int,
) -> tuple[str, str, str, str]:
    """Ours and the driver's in turns."""
    mine: list[float] = []
    reference: list[float] = []
    for _ in range(rounds):
        mine.append(await milliseconds(ours))
        reference.append(await milliseconds(driver))
    async with film.watched() as waits:
        await ours()
    first, second = median(mine), median(reference)
    return f"{first:.0f}", f"{second:.0f}", f"{first / second:.2f}", f"{max(waits):.0f}"


async def analyses(film: Film, rounds: int) -> dict[str, float]:
    """The long scene: its analysis at first, again and after a move, and the move itself."""
    path = "/scenes/long/timeline-analysis"
    first = await milliseconds(lambda: film.get(path))
    moves: list[float] = []
    changed: list[float] = []
    again: list[float] = []
    for number in range(rounds):
        moves.append(await milliseconds(partial(film.move, 9_100 + 10 * number)))
        changed.append(await milliseconds(lambda: film.get(path)))
        again += [await milliseconds(lambda: film.get(path)) for _ in range(5)]
    return {
        f"GET {path}, for the first time": first,
        "PUT …/timeline-position in that scene": median(moves),
        f"GET {path}, after that": median(changed),
        f"GET {path}, again": median(again),
    }


async def prepare(url: str, size: Size) -> None:
    manager = DatabaseManager(url, name="bench", driver="motor")
    await manager.ensure_indexes({kind.collection: kind.indexes for kind in REPOSITORIES})
    await manager.start()
    try:
        repos = repositories_on(manager.database(), manager.require)
        each = size.clips // size.scenes
        await fill(repos, "film", [f"scene-{number}" for number in range(size.scenes)], each)
        await fill(repos, "one", ["long"], size.clips)
    finally:
        await manager.stop()


async def fill(repos: Repositories, project_id: str, scene_ids: list[str], clips: int) -> None:
    """Scenes of equally many clips, with a gap behind each."""
    now = utc_now()
    # Long ago, or the server would count all of it again when it starts.
    made = now - timedelta(hours=1)
    stamps: dict[str, Any] = {"created_at": made, "updated_at": made}
    seconds = round((clips - 1) * 0.9 + 0.8, 3)
    await repos.projects.add(Project(id=project_id, name="Film", created_at=made, updated_at=now))
    await repos.scenes.add_many(
        [
            Scene(
                id=scene_id,
                project_id=project_id,
                name=f"Scene {order}",
                order=order,
                clip_count=clips,
                duration=seconds,
                **stamps,
            )
            for order, scene_id in enumerate(scene_ids)
        ]
    )
    for scene_id in scene_ids:
        await repos.clips.add_many(
            [
                Clip(
                    id=f"{scene_id}-{number}",
                    scene_id=scene_id,
                    project_id=project_id,
                    name=f"Clip {number}",
                    length=0.8,
                    timeline_position=round(number * 0.9, 3),
                    image_prompt="a red car under neon, rain on the tiles, 35 mm, shallow focus",
                    **stamps,
                )
                for number in range(clips)
            ]
        )


def main() -> None:
    """Fill a database, start a server on it, ask."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scenes", type=int, default=200)
    parser.add_argument("--clips", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    size = Size(given.scenes, given.clips, given.rounds)
    with tempfile.TemporaryDirectory() as folder:
        database = EmbeddedDatabase(Path(folder) / "db")
        database.start()
        try:
            asyncio.run(prepare(database.url, size))
            port = free_port()
            place = {"MONGO_URL": database.url, "DB_NAME": "bench"}
            server = {"UPLOAD_DIR": f"{folder}/uploads", "BACKEND_PORT": str(port)}
            with process(["-m", "backend.server"], **place, **server) as pid:
                url = f"http://127.0.0.1:{port}"
                Console().print(asyncio.run(measure(database.url, url, pid, size)))
        finally:
            database.stop()


if __name__ == "__main__":
    main()
