"""What a real MongoDB examines for the queue's queries; needs MONGO_TEST_URL.

MONGO_TEST_URL=mongodb://localhost:27017 .venv/bin/pytest -m mongo
"""

import os
from collections.abc import AsyncIterator
from typing import Any

import pymongo.monitoring
import pytest
import pytest_asyncio

from backend.database import DatabaseManager
from backend.models.job import JobStatus
from backend.repositories.jobs.repository import JobRepository, job_filter
from backend.repositories.registry import repositories_on
from backend.utils.ids import random_id
from scripts.bench.jobs import fill
from tests.support_explain import Query, RecordedQueries

pytestmark = pytest.mark.mongo

JOBS = 5_000
RECORDER = RecordedQueries()
SPA = [JobStatus.PROCESSING, JobStatus.PENDING, JobStatus.COMPLETED]


@pytest_asyncio.fixture
async def manager() -> AsyncIterator[DatabaseManager]:
    """A database of its own with JOBS jobs, dropped at the end."""
    pymongo.monitoring.register(RECORDER)
    url = os.environ["MONGO_TEST_URL"]  # noqa: TID251 - a test's own setting
    manager = DatabaseManager(url, name=f"explain_{random_id()[:8]}", driver="pymongo")
    await manager.ensure_indexes({JobRepository.collection: JobRepository.indexes})
    await manager.start()
    await fill(manager.database(), repositories_on(manager.database(), manager.require).jobs, JOBS)
    yield manager
    await manager.database().client.drop_database(manager.database().name)
    await manager.stop()


async def look_at_everything(jobs: JobRepository) -> None:
    """What the web page asks every few seconds, and what the scheduler reads."""
    page = await jobs.newest(job_filter(statuses=SPA), skip=0, limit=50)
    await jobs.count(job_filter(statuses=SPA))
    await jobs.positions([job for job in page if job.status is JobStatus.PENDING])
    await jobs.newest(job_filter(statuses=[JobStatus.FAILED]), skip=0, limit=50)
    await jobs.newest(job_filter(project_id="project-7"), skip=0, limit=100)
    await jobs.newest(job_filter(clip_id="clip-7"), skip=0, limit=100)
    await jobs.project_totals("project-7")
    await jobs.totals.by_status()
    await jobs.processing()
    await jobs.pending_rows(0, 100)
    await jobs.pending(skip=0, limit=50)


async def examined(database: Any, query: Query) -> tuple[int, int]:
    """Documents that it examines, and documents that it gives."""
    command = {"find": query.collection, "filter": dict(query.filter)}
    if query.sort:
        command["sort"] = dict(query.sort)
    answer = await database.command({"explain": command, "verbosity": "executionStats"})
    stats = answer["executionStats"]
    return stats["totalDocsExamined"], stats["nReturned"]


async def test_no_query_examines_more_than_twice_what_it_gives(manager: DatabaseManager) -> None:
    database = manager.database()
    with RECORDER.recording() as queries:
        await look_at_everything(repositories_on(database, manager.require).jobs)
    asked = [query for query in queries if query.collection in {"jobs", "counters"}]
    assert len(asked) >= 12
    for query in asked:
        docs, given = await examined(database, query)
        assert docs <= max(1, 2 * given), (query, docs, given)
