"""The backlog in memory stays what the database says, whatever moves while it is read."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
import pytest_asyncio
from mongomock_motor import AsyncMongoMockClient

from backend.models.content import ContentType
from backend.models.job import Job, JobStatus
from backend.repositories.jobs.repository import JobRepository
from backend.repositories.jobs.rows import PendingRow
from backend.repositories.jobs.totals import TotalsKey
from backend.repositories.registry import repositories_on
from backend.services.queue import backlog_sync
from backend.services.queue.backlog_sync import BacklogSync
from backend.services.queue.job_requirements import JobNeeds
from backend.utils.clock import utc_now

Meanwhile = Callable[[JobRepository], Awaitable[object]]


class World:
    """A queue that is read in parts; `meanwhile` happens between a read and what comes of it."""

    def __init__(self) -> None:
        self.database: Any = AsyncMongoMockClient(tz_aware=True)["queue"]
        repos = repositories_on(self.database, lambda: None)
        self.jobs = repos.jobs
        self.reads = 0
        self.meanwhile: list[Meanwhile] = []
        self._read = self.jobs.pending_rows
        self.jobs.pending_rows = self._read_slowly  # type: ignore[method-assign]
        self.synced = BacklogSync(repos.jobs, repos.workers, JobNeeds(), clock=utc_now)

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
        return {job.id for job in self.synced.backlog}


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
async def world() -> AsyncIterator[World]:
    made = World()
    with made.synced.attached():
        await made.queue("a", "b", "c")
        yield made


async def test_a_job_that_starts_while_it_is_read_does_not_wait(world: World) -> None:
    world.meanwhile = [lambda jobs: world.start("b")]
    await world.synced.load()
    assert world.waiting == {"a", "c"}


async def test_a_job_that_comes_while_others_are_read_waits(world: World) -> None:
    world.meanwhile = [lambda jobs: world.queue("d")]
    await world.synced.load()
    assert world.waiting == {"a", "b", "c", "d"}


async def test_a_job_that_is_given_to_a_server_stands_in_line_no_more(world: World) -> None:
    await world.synced.load()
    world.synced.give("b", 0.0)
    await world.synced.load()
    assert world.waiting == {"a", "c"}


async def test_reading_again_finds_what_another_process_moved(world: World) -> None:
    await world.synced.load()
    elsewhere = repositories_on(world.database, lambda: None).jobs
    await elsewhere.move(await elsewhere.get("b"), JobStatus.PROCESSING, attempt=1)
    await elsewhere.enqueue([_job("d")])
    await world.synced.load()
    assert world.waiting == {"a", "c", "d"}


async def looked(world: World, times: int = 20) -> int:
    """How often the queue was read in so many looks."""
    before = world.reads
    for _ in range(times):
        await world.synced.refresh()
    return world.reads - before


async def test_jobs_on_their_way_to_a_server_are_not_missing(world: World) -> None:
    await world.synced.load()
    world.synced.give("b", 0.0)
    assert await looked(world) == 0
    await world.start("b")
    world.synced.let_go("b")
    assert await looked(world) == 0


async def test_a_job_that_was_lost_on_its_way_is_found(world: World) -> None:
    await world.synced.load()
    world.synced.give("b", 0.0)
    world.synced.let_go("b")
    assert await looked(world) > 0
    assert world.waiting == {"a", "b", "c"}


@pytest.mark.parametrize("sign", [1, -1])
async def test_what_comes_and_goes_is_not_taken_for_missing(world: World, sign: int) -> None:
    """Another process moves jobs and counts them a moment later: by one, two, three."""
    await world.synced.load()
    before = world.reads
    for number in range(20):
        places = [TotalsKey(1, 0, "p", None)] * (number % 3 + 1)
        await world.jobs.totals.add(places, {JobStatus.PENDING: sign})
        await world.synced.refresh()
        await world.jobs.totals.add(places, {JobStatus.PENDING: -sign})
    assert world.reads == before


async def test_one_reading_at_a_time_misses_nothing_that_goes_back(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backlog_sync, "_ROWS", 1)
    await world.start("a")

    async def back(jobs: JobRepository) -> None:
        await jobs.move(await jobs.get("a"), JobStatus.PENDING)
        await world.synced.refresh()

    world.meanwhile = [back]
    await asyncio.gather(*(world.synced.load() for _ in range(4)))
    assert world.waiting == {"a", "b", "c"}
    # Each has three rows, a row at a time, and finds none at last: one, and one for all others.
    assert world.reads <= 2 * 4


async def test_a_job_whose_number_is_older_than_the_reading_is_found(world: World) -> None:
    """Another process took a number, and stores the job after all were read."""
    await world.jobs._reserve_numbers(300)  # of a process that died
    number = await world.jobs._reserve_numbers(1)
    await world.synced.load()
    await world.jobs._store([_job("d").model_copy(update={"number": number})])
    await world.synced.refresh()
    assert world.waiting == {"a", "b", "c", "d"}


@pytest.mark.parametrize("busy", [0.0, 0.3, 0.5, 0.8])
async def test_a_lost_job_is_found_while_others_come_and_go(world: World, busy: float) -> None:
    chance = random.Random(7)
    await world.synced.load()
    world.synced.give("b", 0.0)
    world.synced.let_go("b")
    for _ in range(150):
        places = [TotalsKey(1, 0, "p", None)] * (
            chance.randint(1, 4) if chance.random() < busy else 0
        )
        await world.jobs.totals.add(places, {JobStatus.PENDING: -1})
        await world.synced.refresh()
        await world.jobs.totals.add(places, {JobStatus.PENDING: 1})
    assert "b" in world.waiting


async def test_reading_that_does_not_help_becomes_rare(world: World) -> None:
    """The totals are wrong, and nothing is lost."""
    await world.synced.load()
    await world.jobs.totals.add([TotalsKey(1, 0, "p", None)], {JobStatus.PENDING: 1})
    assert await looked(world, 10) > 0
    assert await looked(world, 200) < 2 * 4


async def test_who_does_not_drive_remembers_nothing() -> None:
    world = World()
    await world.queue("a", "b")
    assert world.waiting == set()
    with world.synced.attached():
        await world.synced.load()
        world.synced.give("b", 0.0)
        await world.queue("c")
    assert world.waiting == set()
    await world.queue("d")
    with world.synced.attached():
        assert world.waiting == set()
        await world.synced.load()
        # What was on its way to a server is known no more: another process may have had it.
        assert world.waiting == {"a", "b", "c", "d"}


async def test_a_job_is_only_announced_until_it_is_taken_in(world: World) -> None:
    await world.synced.load()
    await world.queue("d", "e")
    await world.start("d")
    assert world.waiting == {"a", "b", "c"}
    await world.synced.take_in()
    assert world.waiting == {"a", "b", "c", "e"}
