"""How long the queue's reads take with very many jobs in the embedded database.

    .venv/bin/python -m scripts.bench.jobs [--jobs 100000]

Prints medians of what a web page asks for every few seconds, beside one read by id.
"""

import argparse
import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table

from backend.database import DatabaseManager
from backend.embedded_database import EmbeddedDatabase
from backend.models.content import ContentType
from backend.models.job import Job, JobStatus
from backend.repositories.job_repository import JobRepository
from backend.repositories.registry import repositories_on
from scripts.bench._bench import free_port, median, process, ready, session

ROUNDS = 15
_BLOCK = 2_000


def a_job(number: int, status: JobStatus) -> Job:
    now = datetime.now(UTC)
    return Job(
        id=f"job-{number}",
        project_id=f"project-{number % 50}",
        scene_id=f"scene-{number % 500}",
        clip_id=f"clip-{number}",
        generation_type=ContentType.IMAGE,
        prompt="a red car under neon, rain, 35 mm",
        params={"seed": number, "width": 1024, "height": 576},
        status=status,
        created_at=now,
    )


async def fill(jobs: JobRepository, count: int) -> None:
    """Nine of ten are done; the rest waits."""
    done = count * 9 // 10
    for first in range(0, count, _BLOCK):
        await jobs.enqueue(
            [
                a_job(number, JobStatus.COMPLETED if number < done else JobStatus.PENDING)
                for number in range(first, min(count, first + _BLOCK))
            ]
        )
    await jobs.recount()


async def milliseconds(call: Callable[[], Awaitable[object]]) -> float:
    took: list[float] = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        await call()
        took.append((time.perf_counter() - began) * 1000)
    return median(took)


async def measure(url: str, server_url: str, count: int) -> Table:
    table = Table("request", "median ms", title=f"{count:,} jobs, one in ten waiting")
    async with session() as client:
        await ready(client, f"{server_url}/api/v1/health", 60)

        async def get(path: str) -> None:
            async with client.get(f"{server_url}/api/v1{path}") as response:
                await response.read()
                response.raise_for_status()

        listed = "/queue/jobs?status=processing,pending,completed&limit=50"
        for name, path in (
            ("GET /queue/jobs/{id}, done", "/queue/jobs/job-5"),
            ("GET /queue/status", "/queue/status"),
            (f"GET {listed}", listed),
            ("GET /queue/jobs?project_id=…", "/queue/jobs?project_id=project-7"),
        ):
            table.add_row(name, f"{await milliseconds(lambda path=path: get(path)):.1f}")
    return table


async def prepare(url: str, count: int) -> None:
    manager = DatabaseManager(url, name="bench", driver="motor")
    await manager.ensure_indexes({JobRepository.collection: JobRepository.indexes})
    await manager.start()
    try:
        await fill(repositories_on(manager.database(), manager.require).jobs, count)
    finally:
        await manager.stop()


def main() -> None:
    """Fill a database, start a server on it, ask."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=100_000)
    count: int = parser.parse_args().jobs
    with tempfile.TemporaryDirectory() as folder:
        database = EmbeddedDatabase(Path(folder) / "db")
        database.start()
        try:
            asyncio.run(prepare(database.url, count))
            port = free_port()
            place = {"MONGO_URL": database.url, "DB_NAME": "bench"}
            server = {"UPLOAD_DIR": f"{folder}/uploads", "BACKEND_PORT": str(port)}
            with process(["-m", "backend.server"], **place, **server):
                url = f"http://127.0.0.1:{port}"
                Console().print(asyncio.run(measure(database.url, url, count)))
        finally:
            database.stop()


if __name__ == "__main__":
    main()
