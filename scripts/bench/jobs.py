"""How long the queue's reads take with very many jobs in the embedded database.

    .venv/bin/python -m scripts.bench.jobs [--jobs 100000] [--batch 10000]

Prints medians of what a web page asks for every few seconds, beside the driver's own read of 50
jobs by their ids, the time of a recount, and what queueing a batch in one request costs: seconds
until its answer and until all is stored, processor time of database and server, the longest that
the server's event loop was busy without a pause, and the server's memory.
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
from backend.models.clip import Clip
from backend.models.content import ContentType
from backend.models.job import Job, JobStatus
from backend.models.project import Project
from backend.models.scene import Scene
from backend.mongo.embedded import EmbeddedDatabase
from backend.repositories.jobs.repository import JobRepository
from backend.repositories.jobs.totals import TotalsKey
from backend.repositories.registry import REPOSITORIES, Repositories, repositories_on
from backend.repositories.shared.translation import translated
from scripts.bench._bench import (
    cpu_seconds,
    free_port,
    median,
    peak_megabytes,
    process,
    ready,
    session,
)

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
            places = [TotalsKey.of(job) for job in made if job.status is status]
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


class Watched(NamedTuple):
    """The processes, and the file in which the server tells how long its loop was busy."""

    server: int
    database: int
    busy: Path


class Queued(NamedTuple):
    """Seconds, milliseconds and megabytes."""

    answered: float
    stored: float
    database: float
    server: float
    busy: float
    memory: float

    def add_to(self, table: Table, size: int) -> None:
        table.add_row(f"POST /generate/batch of {size:,}: answered after", f"{self.answered:.1f} s")
        table.add_row("    all stored after", f"{self.stored:.1f} s")
        table.add_row("    processor time of the database", f"{self.database:.1f} s")
        table.add_row("    processor time of the server", f"{self.server:.1f} s")
        table.add_row("    its loop was busy without a pause", f"{self.busy:.0f} ms")
        table.add_row("    its memory at most", f"{self.memory:.0f} MB")


async def queue_batch(
    client: aiohttp.ClientSession, url: str, size: int, watched: Watched
) -> Queued:
    """One request that queues a job for each clip, and what follows it."""
    body = {"clip_ids": [f"shot-{n}" for n in range(size)], "prompt": "a red car under neon"}
    waited = await pending(client, url)
    watched.busy.unlink(missing_ok=True)
    spent = cpu_seconds(watched.database), cpu_seconds(watched.server)
    began = time.perf_counter()
    timeout = aiohttp.ClientTimeout(total=_BATCH_SECONDS)
    async with client.post(f"{url}/generate/batch", json=body, timeout=timeout) as response:
        answer = await response.json()
        response.raise_for_status()
    answered = time.perf_counter() - began
    if answer["total"] != size or len(answer["job_ids"]) != size:
        raise RuntimeError(f"{len(answer['job_ids'])} jobs of {size} were queued")
    await until_pending(client, url, waited + size)
    stored = time.perf_counter() - began
    now = cpu_seconds(watched.database), cpu_seconds(watched.server)
    await asyncio.sleep(0.5)
    busy = float(watched.busy.read_text())
    memory = peak_megabytes(watched.server)
    return Queued(answered, stored, now[0] - spent[0], now[1] - spent[1], busy, memory)


async def until_pending(client: aiohttp.ClientSession, url: str, amount: int) -> None:
    async with asyncio.timeout(_BATCH_SECONDS):
        while True:
            if await pending(client, url) >= amount:
                return
            await asyncio.sleep(0.25)


async def pending(client: aiohttp.ClientSession, url: str) -> int:
    async with client.get(f"{url}/queue/status") as response:
        return int((await response.json())["pending_jobs"])


async def measure(
    server_url: str, count: int, batch: int, *, prepared: Prepared, watched: Watched
) -> Table:
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
            (await queue_batch(client, url, batch, watched)).add_to(table, batch)
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
            busy = Path(folder) / "busy"
            with process(
                ["-m", "scripts.bench._watched_server", str(busy)], **place, **server
            ) as pid:
                url = f"http://127.0.0.1:{port}"
                watched = Watched(pid, database.database_pid, busy)
                told = measure(url, options.jobs, options.batch, prepared=prepared, watched=watched)
                Console().print(asyncio.run(told))
        finally:
            database.stop()


if __name__ == "__main__":
    main()
