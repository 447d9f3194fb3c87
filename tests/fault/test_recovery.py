"""The driver takes up the queue again after an outage: to the end, and once at a time."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from pymongo.errors import ConnectionFailure

from backend.container import Container, build_container
from backend.database import DatabaseManager
from backend.models.job import JobStatus
from tests.studio import quick_settings
from tests.waiting import eventually
from tests.watched_database import Call, WatchedDatabase


class Readings:
    """Readings of the queue: how many there were and are, and what becomes of them."""

    def __init__(self) -> None:
        self.begun = 0
        self.at_once = 0
        self.most = 0
        self.to_fail = 0
        self.seconds = 0.0

    async def __call__(self, call: Call) -> None:
        if call.collection != "jobs" or call.filter.get("status") != JobStatus.PENDING:
            return
        self.begun += 1
        if self.begun <= self.to_fail:
            raise ConnectionFailure("the database is away")
        self.at_once += 1
        self.most = max(self.most, self.at_once)
        await asyncio.sleep(self.seconds)
        self.at_once -= 1


@pytest.fixture
def readings() -> Readings:
    return Readings()


@pytest_asyncio.fixture
async def container(tmp_path: Path, readings: Readings) -> AsyncIterator[Container]:
    class WatchedManager(DatabaseManager):
        def database(self) -> Any:
            return WatchedDatabase(super().database(), before=readings)

    settings = quick_settings(tmp_path)
    async with build_container(settings, database_type=WatchedManager) as running:
        await eventually(lambda: running.queue.dispatcher.is_leader)
        # There is nothing to read in a queue that never had a job.
        await running.base.repositories.jobs._reserve_numbers(1)
        yield running


def recover(container: Container) -> None:
    """What a job does whose call timed out."""
    container.queue.dispatcher._to_recover = True
    container.queue.dispatcher.wake()


async def test_a_reading_that_failed_is_tried_again(
    container: Container, readings: Readings
) -> None:
    readings.to_fail = readings.begun + 1
    recover(container)
    await eventually(lambda: readings.begun > readings.to_fail)


async def test_many_calls_that_time_out_make_one_reading_at_a_time(
    container: Container, readings: Readings
) -> None:
    readings.seconds = 1.0
    for _ in range(4):
        recover(container)
        await asyncio.sleep(0.6)
    await eventually(lambda: readings.begun > 1)
    assert readings.most == 1
