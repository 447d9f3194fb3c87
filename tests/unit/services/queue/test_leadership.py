"""One process drives the servers at a time, whatever becomes of it."""

import asyncio
import subprocess
import sys
from typing import Any

import pytest
from mongomock_motor import AsyncMongoMockClient

from backend.repositories.lease_repository import LeaseRepository
from backend.services.queue.leadership import Leadership, LeaseTiming, place_of_process
from backend.utils.errors import DatabaseUnavailableError

QUICK = LeaseTiming(renew=0.02, trusted=0.15, expires=0.25, look=0.01)


class Gate:
    """The database's door; shut, every call fails."""

    shut = False

    def __call__(self) -> None:
        if self.shut:
            raise DatabaseUnavailableError("Away.")


@pytest.fixture
def database() -> Any:
    return AsyncMongoMockClient(tz_aware=True)["lease"]


def ended_process() -> int:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    return process.pid


def leader(database: Any, gate: Gate | None = None, **fields: Any) -> Leadership:
    return Leadership(LeaseRepository(database, gate or Gate()), pace=QUICK, **fields)


async def got(leadership: Leadership, seconds: float = 2) -> bool:
    try:
        async with asyncio.timeout(seconds):
            await leadership.acquire()
    except TimeoutError:
        return False
    return leadership.holds()


async def test_the_first_gets_it_and_others_wait(database: Any) -> None:
    first, second = leader(database), leader(database)
    assert await got(first)
    async with first.kept():
        assert not await got(second, 0.4)
        assert first.holds()
        assert first.fence == 1
    assert not first.holds()
    assert await got(second, 0.2)
    assert second.fence == 2


async def test_of_many_who_come_at_once_one_gets_it(database: Any) -> None:
    many = [leader(database) for _ in range(8)]
    tries = [asyncio.create_task(one.acquire()) for one in many]
    await asyncio.sleep(0.1)
    assert sum(one.holds() for one in many) == 1
    for task in tries:
        task.cancel()
    await asyncio.gather(*tries, return_exceptions=True)


async def test_one_that_is_stopped_loses_it_and_knows(database: Any) -> None:
    time = [0.0]
    stopped = leader(database, monotonic=lambda: time[0])
    assert await got(stopped)
    time[0] = 0.2  # it wakes up: nothing ran meanwhile
    assert not stopped.holds()
    other = leader(database)
    assert await got(other)
    assert other.fence == 2
    async with stopped.kept() as lost:
        await asyncio.wait_for(lost.wait(), 1)
    assert other.holds()


async def test_one_that_cannot_reach_the_database_stops_by_itself(database: Any) -> None:
    gate = Gate()
    cut, other = leader(database, gate), leader(database)
    assert await got(cut)
    async with cut.kept() as lost:
        gate.shut = True
        assert await got(other)
        assert not cut.holds()
        await asyncio.wait_for(lost.wait(), 1)
        gate.shut = False


async def test_a_short_outage_takes_nothing(database: Any) -> None:
    gate = Gate()
    holder = leader(database, gate)
    assert await got(holder)
    async with holder.kept() as lost:
        gate.shut = True
        await asyncio.sleep(0.06)
        gate.shut = False
        await asyncio.sleep(0.2)
        assert holder.holds()
        assert not lost.is_set()


async def test_the_lease_of_a_dead_neighbour_is_free_at_once(database: Any) -> None:
    leases = LeaseRepository(database, Gate())
    await leases.take(None, "the dead one", place_of_process(ended_process()))
    patient = LeaseTiming(expires=60, look=0.01)
    assert await got(Leadership(leases, pace=patient), 0.5)


async def test_the_lease_of_a_stranger_counts_until_it_is_silent(database: Any) -> None:
    leases = LeaseRepository(database, Gate())
    await leases.take(None, "far away", "elsewhere pid:[1] 1")
    waiting = leader(database)
    assert not await got(waiting, 0.15)
    assert await got(waiting, 1)
