"""How long the queue's reads take with very many jobs in the embedded database.

    .venv/bin/python -m scripts.bench.jobs [--jobs 100000] [--batch 10000]

Prints medians of what a web page asks for every few seconds, beside the driver's own read of 50
jobs by their ids, the time of a recount, and the time of queueing a batch in one request.
"""

import argparse
import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
from rich.console import Console
from rich.table import Table

from backend.database import DatabaseManager
from backend.embedded_database import EmbeddedDatabase
from backend.models.clip import Clip
from backend.models.content import ContentType
from backend.models.job import Job, JobStatus
from backend.models.project import Project
from backend.models.scene import Scene
from backend.repositories.job_repository import JobRepository
from backend.repositories.job_totals import Place
from backend.repositories.registry import REPOSITORIES, Repositories, repositories_on
from backend.repositories.translation import translated
from scripts.bench._bench import free_port, median, process, ready, session

ROUNDS = 15
_BLOCK = 500
#: A block's time on a busy machine.
_FILL_SECONDS = 30
_RUNNING = 3
_BATCH_SECONDS = 120
_LISTED = "/queue/jobs?status=processing,pending,completed&limit=50"
ASKED = (
    ("GET /queue/jobs/{id}, done", "/queue/jobs/job-5"),
    ("GET /queue/status", "/queue/status"),
    (f"GET {_LISTED}", _LISTED),
    ("GET /queue/jobs?project_id=…, 100 of it", "/queue/jobs?project_id=project-7&limit=100"),
    ("GET /queue/projects/{id}/jobs", "/queue/projects/project-7/jobs"),
)


class Prepared(NamedTuple):
    """Seconds that a recount took, and the milliseconds of reading 50 jobs by id."""

    recount: float
    reference: float


def a_job(number: int, status: JobStatus, now: datetime) -> Job:
    return Job(
        id=f"job-{number}",
        number=number,
        project_id=f"project-{number % 50}",
        scene_id=f"scene-{number % 500}",
        clip_id=f"clip-{number}",
        generation_type=ContentType.IMAGE,
        prompt="a red car under neon, rain, 35 mm",
        params={"seed": number, "width": 1024, "height": 576, "steps": 20, "cfg": 7.0},
        status=status,
        priority=(0, 0, 0, 5)[number % 4],
        created_at=now,
    )


def status_of(number: int, count: int) -> JobStatus:
    """The newest tenth waits, a few run, one in twenty of the rest failed."""
    done = count * 9 // 10
    if number > done:
        return JobStatus.PROCESSING if number <= done + _RUNNING else JobStatus.PENDING
    return JobStatus.FAILED if number % 20 == 0 else JobStatus.COMPLETED


async def fill(database: Any, jobs: JobRepository, count: int) -> None:
    """Straight into the database, with the totals that they would have."""
    now = datetime.now(UTC)
    for first in range(1, count + 1, _BLOCK):
        numbers = range(first, min(count, first + _BLOCK - 1) + 1)
        made = [a_job(number, status_of(number, count), now) for number in numbers]
        with translated(_FILL_SECONDS):
            await database["jobs"].insert_many([jobs.to_document(job) for job in made])
        for status in JobStatus:
            places = [Place.of(job) for job in made if job.status is status]
            await jobs.totals.add(places, {status: 1})
    await database["counters"].update_one({"_id": "jobs"}, {"$set": {"value": count}}, upsert=True)


async def add_film(repos: Repositories, clips: int) -> None:
    """What a batch is asked for, and the projects that are asked about."""
    now = datetime.now(UTC)
    times: dict[str, Any] = {"created_at": now, "updated_at": now}
    await repos.projects.add_many(
        [Project(id=f"project-{n}", name="Film", **times) for n in range(50)]
    )
    place: dict[str, Any] = {"project_id": "project-0", "scene_id": "scene-0"}
    await repos.scenes.add(Scene(id="scene-0", project_id="project-0", name="One", **times))
    await repos.clips.add_many(
        [Clip(id=f"shot-{n}", name="Shot", **place, **times) for n in range(clips)]
    )


async def milliseconds(call: Callable[[], Awaitable[object]]) -> float:
    took: list[float] = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        await call()
        took.append((time.perf_counter() - began) * 1000)
    return median(took)


async def prepare(url: str, count: int, batch: int) -> Prepared:
    manager = DatabaseManager(url, name="bench", driver="motor")
    await manager.ensure_indexes({kind.collection: kind.indexes for kind in REPOSITORIES})
    await manager.start()
    try:
        database = manager.database()
        repos = repositories_on(database, manager.require)
        await fill(database, repos.jobs, count)
        await add_film(repos, batch)
        began = time.perf_counter()
        await repos.jobs.recount()
        recount = time.perf_counter() - began
        ids = {"_id": {"$in": [f"job-{count - n}" for n in range(50)]}}
        reference = await milliseconds(lambda: database["jobs"].find(ids).to_list(None))
        return Prepared(recount, reference)
    finally:
        await manager.stop()


async def queue_batch(client: aiohttp.ClientSession, url: str, size: int) -> float:
    """Seconds of one request that queues a job for each clip."""
    body = {"clip_ids": [f"shot-{n}" for n in range(size)], "prompt": "a red car under neon"}
    began = time.perf_counter()
    timeout = aiohttp.ClientTimeout(total=_BATCH_SECONDS)
    async with client.post(f"{url}/generate/batch", json=body, timeout=timeout) as response:
        answer = await response.json()
        response.raise_for_status()
    if answer["total"] != size or len(answer["job_ids"]) != size:
        raise RuntimeError(f"{len(answer['job_ids'])} jobs of {size} were queued")
    return time.perf_counter() - began


async def measure(server_url: str, count: int, batch: int, prepared: Prepared) -> Table:
    url = f"{server_url}/api/v1"
    table = Table("what", "median", title=f"{count:,} jobs, one in ten waiting")
    table.add_row("the driver's own read of 50 jobs by id", f"{prepared.reference:.1f} ms")
    async with session() as client:
        await ready(client, f"{url}/health", 60)
        # The server counts everything again at its start, beside the requests.
        await asyncio.sleep(prepared.recount + 1)

        async def get(path: str) -> None:
            async with client.get(url + path) as response:
                await response.read()
                response.raise_for_status()

        for name, path in ASKED:
            table.add_row(name, f"{await milliseconds(partial(get, path)):.1f} ms")
        table.add_row("recount, beside others", f"{prepared.recount:.1f} s")
        if batch:
            took = await queue_batch(client, url, batch)
            table.add_row(f"POST /generate/batch of {batch:,}", f"{took:.1f} s")
    return table


def main() -> None:
    """Fill a database, start a server on it, ask."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=100_000)
    parser.add_argument("--batch", type=int, default=10_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        database = EmbeddedDatabase(Path(folder) / "db")
        database.start()
        try:
            prepared = asyncio.run(prepare(database.url, options.jobs, options.batch))
            port = free_port()
            place = {"MONGO_URL": database.url, "DB_NAME": "bench"}
            server = {"UPLOAD_DIR": f"{folder}/uploads", "BACKEND_PORT": str(port)}
            with process(["-m", "backend.server"], **place, **server):
                url = f"http://127.0.0.1:{port}"
                Console().print(
                    asyncio.run(measure(url, options.jobs, options.batch, prepared)),
                )
        finally:
            database.stop()


if __name__ == "__main__":
    main()
