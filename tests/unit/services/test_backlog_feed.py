"""The backlog in memory stays what the database says, whatever moves while it is read."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import pytest_asyncio
from mongomock_motor import AsyncMongoMockClient

from backend.models.content import ContentType
from backend.models.job import Job, JobStatus
from backend.repositories.job_repository import JobRepository
from backend.repositories.job_rows import PendingRow
from backend.repositories.job_totals import Place
from backend.repositories.registry import repositories_on
from backend.services.backlog_feed import BacklogFeed
from backend.services.job_needs import JobNeeds
from backend.utils.clock import utc_now

Meanwhile = Callable[[JobRepository], Awaitable[object]]


class World:
    """A queue that is read in parts; `meanwhile` happens between a read and what comes of it."""

    def __init__(self) -> None:
        database: Any = AsyncMongoMockClient(tz_aware=True)["queue"]
        repos = repositories_on(database, lambda: None)
        self.jobs = repos.jobs
        self.reads = 0
        self.meanwhile: list[Meanwhile] = []
        self._read = self.jobs.pending_rows
        self.jobs.pending_rows = self._read_slowly  # type: ignore[method-assign]
        self.feed = BacklogFeed(repos.jobs, repos.workers, JobNeeds(), clock=utc_now)
        self.jobs.listeners.append(self.feed)

    async def _read_slowly(self, after_number: int, limit: int) -> list[PendingRow]:
        rows = await self._read(after_number, limit)
        self.reads += 1
        while self.meanwhile:
            await self.meanwhile.pop()(self.jobs)
        return rows

    async def queue(self, *names: str) -> None:
        await self.jobs.enqueue([_job(name) for name in names])

    async def start(self, name: str) -> None:
        await self.jobs.move(await self.jobs.get(name), JobStatus.PROCESSING, attempt=1)

    @property
    def waiting(self) -> set[str]:
        return {job.id for job in self.feed.backlog}


def _job(name: str) -> Job:
    place: dict[str, Any] = {"project_id": "p", "scene_id": "s", "clip_id": "c"}
    return Job(
        id=name,
        **place,
        generation_type=ContentType.IMAGE,
        prompt="a car",
        created_at=utc_now(),
    )


@pytest_asyncio.fixture
async def world() -> World:
    made = World()
    await made.queue("a", "b", "c")
    return made


async def test_a_job_that_starts_while_it_is_read_does_not_wait(world: World) -> None:
    world.meanwhile = [lambda jobs: world.start("b")]
    await world.feed.load()
    assert world.waiting == {"a", "c"}


async def test_a_job_that_comes_while_others_are_read_waits(world: World) -> None:
    world.meanwhile = [lambda jobs: world.queue("d")]
    await world.feed.load()
    assert world.waiting == {"a", "b", "c", "d"}


async def test_a_job_that_is_given_to_a_server_stands_in_line_no_more(world: World) -> None:
    await world.feed.load()
    world.feed.give("b", 0.0)
    await world.feed.load()
    assert world.waiting == {"a", "c"}


async def test_reading_again_finds_what_another_process_moved(world: World) -> None:
    await world.feed.load()
    world.jobs.listeners.clear()
    await world.start("b")
    await world.queue("d")
    await world.feed.load()
    assert world.waiting == {"a", "c", "d"}


async def looked(world: World, times: int = 20) -> int:
    """How often the queue was read in so many looks."""
    before = world.reads
    for _ in range(times):
        await world.feed.refresh()
    return world.reads - before


async def test_jobs_on_their_way_to_a_server_are_not_missing(world: World) -> None:
    await world.feed.load()
    world.feed.give("b", 0.0)
    assert await looked(world) == 0
    await world.start("b")
    world.feed.let_go("b")
    assert await looked(world) == 0


async def test_a_job_that_was_lost_on_its_way_is_found(world: World) -> None:
    await world.feed.load()
    world.feed.give("b", 0.0)
    world.feed.let_go("b")
    assert await looked(world) > 0
    assert world.waiting == {"a", "b", "c"}


@pytest.mark.parametrize("sign", [1, -1])
async def test_what_comes_and_goes_is_not_taken_for_missing(world: World, sign: int) -> None:
    """Another process moves jobs and counts them a moment later: by one, two, three."""
    await world.feed.load()
    before = world.reads
    for number in range(20):
        places = [Place(1, 0, "p", None)] * (number % 3 + 1)
        await world.jobs.totals.add(places, {JobStatus.PENDING: sign})
        await world.feed.refresh()
        await world.jobs.totals.add(places, {JobStatus.PENDING: -sign})
    assert world.reads == before
