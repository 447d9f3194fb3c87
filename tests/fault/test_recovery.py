"""The driver takes up the queue again after an outage: to the end, and once at a time."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
import pytest_asyncio

from backend.container import Container
from backend.server import create_app
from backend.utils.errors import DatabaseUnavailableError
from tests.listening import eventually
from tests.studio import quick_settings, serving


@pytest_asyncio.fixture
async def container(tmp_path: Path) -> AsyncIterator[Container]:
    app = create_app(quick_settings(tmp_path))
    async with serving(app):
        running: Container = app.state.container
        await eventually(lambda: running.queue.dispatcher.is_leader)
        await asyncio.sleep(0.3)
        yield running


def recover(container: Container) -> None:
    """What a job does whose call timed out."""
    container.queue.dispatcher._to_recover = True
    container.queue.dispatcher.wake()


def slowly(
    work: Callable[..., Awaitable[object]], at_once: list[int]
) -> Callable[..., Awaitable[object]]:
    async def counted(*arguments: object) -> object:
        at_once.append(at_once[-1] + 1)
        await asyncio.sleep(1)
        at_once.append(at_once[-1] - 1)
        return await work(*arguments)

    return counted


async def test_a_reading_that_failed_is_tried_again(
    container: Container, monkeypatch: pytest.MonkeyPatch
) -> None:
    feed, reads = container.scheduler.backlog_sync, 0
    load = feed.load

    async def broken_once() -> None:
        nonlocal reads
        reads += 1
        if reads == 1:
            raise DatabaseUnavailableError("The database is away.")
        await load()

    monkeypatch.setattr(feed, "load", broken_once)
    recover(container)
    await eventually(lambda: reads == 2)


async def test_many_calls_that_time_out_make_one_reading_at_a_time(
    container: Container, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs, at_once = container.base.repositories.jobs, [0]
    monkeypatch.setattr(jobs, "pending_rows", slowly(jobs.pending_rows, at_once))
    for _ in range(4):
        recover(container)
        await asyncio.sleep(0.6)
    await eventually(lambda: len(at_once) > 4)
    assert max(at_once) == 1
