"""A running StoryCanvas for the benchmarks of its queue: embedded database and server process."""

import asyncio
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import aiohttp

from backend.comfyui_simulator.simulator import Simulator
from backend.database import DatabaseManager
from backend.models.clip import Clip
from backend.models.comfyui_server import ComfyUIServer
from backend.models.content import ContentType
from backend.models.job import Job
from backend.models.project import Project
from backend.models.scene import Scene
from backend.mongo.embedded import EmbeddedDatabase
from backend.repositories.registry import REPOSITORIES, Repositories, repositories_on
from backend.services.queue.scheduling.estimates import Estimates, estimates_to_dict
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
    project: str = "film"


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
            await _add_films(repos, orders)
            for number, simulator in enumerate(simulators):
                await repos.servers.add(_server(number, simulator))
            await repos.estimates.write(estimates_to_dict(estimates or Estimates()))
        finally:
            await manager.stop()


class Stack:
    """A server process on a place, spoken to by HTTP."""

    def __init__(self, client: aiohttp.ClientSession, url: str, pid: int, busy: Path) -> None:
        self._client = client
        self._url = f"{url}/api/v1"
        self._busy = busy
        self.pid = pid

    async def longest_busy(self) -> float:
        """The most milliseconds without a pause of its event loop, since this was last asked."""
        await asyncio.sleep(0.5)
        longest = float(self._busy.read_text())
        self._busy.unlink()
        return longest

    async def until_done(self, count: int, seconds: float) -> None:
        """Wait until so many jobs are done; RuntimeError if one failed."""
        async with asyncio.timeout(seconds):
            while (status := await self.status())["completed_jobs"] < count:
                if status["failed_jobs"]:
                    raise RuntimeError(f"jobs failed: {status}")
                await asyncio.sleep(0.25)

    async def status(self) -> dict[str, Any]:
        """What GET /queue/status answers."""
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
    busy = place.folder / "busy"
    program = ["-m", "scripts.bench._watched_server", str(busy)]
    with process(program, **here, BACKEND_PORT=str(port), **settings) as pid:
        async with aiohttp.ClientSession() as client:
            url = f"http://127.0.0.1:{port}"
            await ready(client, f"{url}/api/v1/health")
            yield Stack(client, url, pid, busy)


async def _add_films(repos: Repositories, orders: Sequence[Order]) -> None:
    now = utc_now()
    times: dict[str, Any] = {"created_at": now, "updated_at": now}
    names = sorted({order.project for order in orders})
    await repos.projects.add_many([Project(id=name, name="Film", **times) for name in names])
    await repos.scenes.add_many(
        [Scene(id=f"{name}-scene", project_id=name, name="One", **times) for name in names]
    )
    turns = Counter[str]()
    jobs = []
    for number, order in enumerate(orders):
        jobs.append(_job(number, order, turns[order.project] // _A_CLIP, now))
        turns[order.project] += 1
    clips = {
        job.clip_id: Clip(
            id=job.clip_id,
            project_id=job.project_id,
            scene_id=job.scene_id,
            name="Shot",
            **times,
        )
        for job in jobs
    }
    await repos.clips.add_many(list(clips.values()))
    await repos.jobs.enqueue(jobs)


def _job(number: int, order: Order, clip: int, now: datetime) -> Job:
    return Job(
        id=f"job-{number}",
        clip_id=f"{order.project}-clip-{clip}",
        project_id=order.project,
        scene_id=f"{order.project}-scene",
        generation_type=ContentType.IMAGE,
        prompt="a car",
        model=order.model,
        params={**order.params, "seed": number},
        created_at=now,
    )


def _server(number: int, simulator: Simulator) -> ComfyUIServer:
    now = utc_now()
    name = f"Server {number}"
    return ComfyUIServer(
        id=str(number), name=name, url=simulator.url, created_at=now, updated_at=now
    )
