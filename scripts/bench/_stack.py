"""A running StoryCanvas for the benchmarks of its queue: embedded database and server process."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from backend.comfyui_simulator.simulator import Simulator
from backend.database import DatabaseManager
from backend.embedded_database import EmbeddedDatabase
from backend.models.clip import Clip
from backend.models.comfyui_server import ComfyUIServer
from backend.models.content import ContentType
from backend.models.job import Job
from backend.models.project import Project
from backend.models.scene import Scene
from backend.repositories.registry import REPOSITORIES, Repositories, repositories_on
from backend.services.estimates import Estimates, estimates_to_dict
from backend.utils.clock import utc_now
from scripts.bench._bench import free_port, process, ready

_NAME = "bench"
#: Jobs whose takes go into one gallery: people try again what they do not like.
_A_CLIP = 10


@dataclass(frozen=True)
class Order:
    """A picture to make."""

    model: str
    params: dict[str, int]


@dataclass(frozen=True)
class Place:
    """An embedded database that runs, and the folder for uploads beside it."""

    url: str
    folder: Path

    async def fill(
        self,
        orders: Sequence[Order],
        simulators: Sequence[Simulator],
        estimates: Estimates | None = None,
    ) -> None:
        """Store a film with these orders waiting, the servers, and what was learnt of them.

        The servers' ids are their numbers.
        """
        manager = DatabaseManager(self.url, name=_NAME, driver="motor")
        await manager.ensure_indexes({kind.collection: kind.indexes for kind in REPOSITORIES})
        await manager.start()
        try:
            repos = repositories_on(manager.database(), manager.require)
            await _add_film(repos, orders)
            for number, simulator in enumerate(simulators):
                await repos.servers.add(_server(number, simulator))
            await repos.estimates.write(estimates_to_dict(estimates or Estimates()))
        finally:
            await manager.stop()


class Stack:
    """A server process on a place, spoken to by HTTP."""

    def __init__(self, client: aiohttp.ClientSession, url: str, pid: int) -> None:
        self._client = client
        self._url = f"{url}/api/v1"
        self.pid = pid

    async def until_done(self, count: int, seconds: float) -> None:
        """Wait until so many jobs are done; RuntimeError if one failed."""
        async with asyncio.timeout(seconds):
            while (status := await self._status())["completed_jobs"] < count:
                if status["failed_jobs"]:
                    raise RuntimeError(f"jobs failed: {status}")
                await asyncio.sleep(0.25)

    async def _status(self) -> dict[str, Any]:
        async with self._client.get(f"{self._url}/queue/status") as response:
            response.raise_for_status()
            status: dict[str, Any] = await response.json()
            return status


@contextmanager
def place() -> Iterator[Place]:
    with tempfile.TemporaryDirectory() as folder:
        database = EmbeddedDatabase(Path(folder) / "db")
        database.start()
        try:
            yield Place(database.url, Path(folder))
        finally:
            database.stop()


@asynccontextmanager
async def stack(place: Place, **settings: str) -> AsyncIterator[Stack]:
    """Start a server there; it takes up what waits."""
    port = free_port()
    here = {"MONGO_URL": place.url, "DB_NAME": _NAME, "UPLOAD_DIR": f"{place.folder}/uploads"}
    with process(["-m", "backend.server"], **here, BACKEND_PORT=str(port), **settings) as pid:
        async with aiohttp.ClientSession() as client:
            url = f"http://127.0.0.1:{port}"
            await ready(client, f"{url}/api/v1/health")
            yield Stack(client, url, pid)


async def _add_film(repos: Repositories, orders: Sequence[Order]) -> None:
    now = utc_now()
    times: dict[str, Any] = {"created_at": now, "updated_at": now}
    await repos.projects.add(Project(id="film", name="Film", **times))
    await repos.scenes.add(Scene(id="scene", project_id="film", name="One", **times))
    clips = range(-(-len(orders) // _A_CLIP))
    home: dict[str, Any] = {"project_id": "film", "scene_id": "scene"}
    await repos.clips.add_many([Clip(id=f"clip-{n}", name="Shot", **home, **times) for n in clips])
    await repos.jobs.enqueue(
        [
            Job(
                id=f"job-{number}",
                clip_id=f"clip-{number // _A_CLIP}",
                **home,
                generation_type=ContentType.IMAGE,
                prompt="a car",
                model=order.model,
                params={**order.params, "seed": number},
                created_at=now,
            )
            for number, order in enumerate(orders)
        ]
    )


def _server(number: int, simulator: Simulator) -> ComfyUIServer:
    now = utc_now()
    name = f"Server {number}"
    return ComfyUIServer(
        id=str(number), name=name, url=simulator.url, created_at=now, updated_at=now
    )
