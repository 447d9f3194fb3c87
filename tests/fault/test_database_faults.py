"""The database dies, hangs, or loses StoryCanvas: calls fail within seconds and recover alone."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from backend.database import DatabaseManager, Driver
from backend.mongo.embedded import EmbeddedDatabase, takes_connections
from backend.repositories.shared.translation import translated
from backend.utils.errors import DatabaseUnavailableError
from tests.road import Road
from tests.waiting import eventually

#: What does not depend on the driver runs with one.
with_motor = pytest.mark.parametrize("manager", ["motor"], indirect=True)

#: A program that owns an embedded database and says so: `guard database port`.
OWNER = """
import asyncio, sys
from pathlib import Path
from backend.database import DatabaseManager

async def main():
    manager = DatabaseManager("", name="app", driver="motor", embedded_path=Path(sys.argv[1]))
    await manager.start()
    await manager.database()["things"].insert_one({"n": 1})
    own = manager.embedded
    print(own.guard_pid, own.database_pid, own.port, flush=True)
    await asyncio.sleep(600)

asyncio.run(main())
"""


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


async def one_read(manager: DatabaseManager, key: int) -> Any:
    """What a repository does: the gate, then a call whose failures are translated."""
    manager.require()
    with translated():
        return await manager.database()["things"].find_one({"_id": key})


async def outcomes(calls: list[Awaitable[Any]]) -> tuple[set[type], float]:
    """Run calls at once; give the kinds of their ends and how long the slowest took."""
    began = time.monotonic()
    ends = await asyncio.gather(*calls, return_exceptions=True)
    return {type(end) for end in ends}, time.monotonic() - began


@pytest_asyncio.fixture(params=["motor", "pymongo"])
async def manager(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[DatabaseManager]:
    driver: Driver = request.param
    manager = DatabaseManager("", name="app", driver=driver, embedded_path=tmp_path / "db")
    await manager.start()
    await manager.database()["things"].insert_one({"_id": 1})
    yield manager
    await manager.stop()


def process_of(manager: DatabaseManager) -> EmbeddedDatabase:
    assert manager.embedded is not None
    return manager.embedded


async def test_killed_database_comes_back_with_everything(manager: DatabaseManager) -> None:
    own = process_of(manager)
    first = own.database_pid
    os.kill(first, signal.SIGKILL)
    kinds, seconds = await outcomes([one_read(manager, 1) for _ in range(50)])
    assert kinds <= {dict, DatabaseUnavailableError}
    assert seconds < 6
    await eventually(lambda: own.database_pid not in {0, first} and takes_connections(own.port))
    await eventually(lambda: manager.available, 2)
    assert await one_read(manager, 1) == {"_id": 1}


@with_motor
async def test_killed_guard_takes_its_database_along(manager: DatabaseManager) -> None:
    own = process_of(manager)
    guard, database = own.guard_pid, own.database_pid
    os.kill(guard, signal.SIGKILL)
    await eventually(lambda: gone(database) or sys.platform != "linux")
    await eventually(lambda: own.guard_pid not in {0, guard} and takes_connections(own.port))
    await eventually(lambda: manager.available, 2)
    assert await one_read(manager, 1) == {"_id": 1}


@with_motor
async def test_hanging_database_fails_200_calls_in_time(manager: DatabaseManager) -> None:
    """Both drivers at once: Motor, whose few threads all block, and PyMongo's async client."""
    own = process_of(manager)
    second = DatabaseManager(own.url, name="app", driver="pymongo")
    await second.start()
    both = [manager, second]

    async def call_all() -> tuple[set[type], float]:
        return await outcomes([one_read(each, 1) for each in both for _ in range(200)])

    os.kill(own.database_pid, signal.SIGSTOP)
    try:
        kinds, seconds = await call_all()
        assert kinds == {DatabaseUnavailableError}
        assert seconds < 6
        await eventually(lambda: not manager.available and not second.available, 4)
        kinds, seconds = await call_all()
        assert kinds == {DatabaseUnavailableError}
        assert seconds < 2, "they waited for a database that is known to be away"
        os.kill(own.database_pid, signal.SIGCONT)
        await eventually(lambda: manager.available and second.available, 4)
        assert (await call_all())[0] == {dict}
    finally:
        os.kill(own.database_pid, signal.SIGCONT)
        await second.stop()


@with_motor
async def test_health_answers_while_the_database_hangs(manager: DatabaseManager) -> None:
    own = process_of(manager)
    os.kill(own.database_pid, signal.SIGSTOP)
    status = "healthy"
    while status == "healthy":  # the signal may take a moment to stop every thread
        began = time.monotonic()
        status = (await manager.health()).status
        assert time.monotonic() - began < 2
    began = time.monotonic()
    await manager.stop()
    assert time.monotonic() - began < 3
    assert not takes_connections(own.port)


@with_motor
async def test_ctrl_c_for_us_leaves_the_database_alone(manager: DatabaseManager) -> None:
    """A terminal sends SIGINT to our process group; the guard and its database are in another."""
    own = process_of(manager)
    assert os.getpgid(own.guard_pid) != os.getpgid(0)
    assert os.getpgid(own.database_pid) != os.getpgid(0)
    os.kill(own.guard_pid, signal.SIGINT)
    os.kill(own.guard_pid, signal.SIGTERM)
    assert await one_read(manager, 1) == {"_id": 1}
    assert not gone(own.guard_pid)


def start_and_kill_owner(directory: Path) -> tuple[int, int, int]:
    with subprocess.Popen(
        [sys.executable, "-c", OWNER, str(directory)],
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    ) as owner:
        assert owner.stdout is not None
        guard, database, port = (int(word) for word in owner.stdout.readline().split())
        owner.kill()
    return guard, database, port


async def test_killed_owner_leaves_nothing_behind(tmp_path: Path) -> None:
    guard, database, port = await asyncio.to_thread(start_and_kill_owner, tmp_path / "db")
    began = time.monotonic()
    manager = DatabaseManager("", name="app", driver="motor", embedded_path=tmp_path / "db")
    await manager.start()
    assert time.monotonic() - began < 5
    await eventually(lambda: gone(guard) and gone(database))
    assert not takes_connections(port)
    assert await manager.database()["things"].count_documents({}) == 1
    await manager.stop()


@with_motor
async def test_who_is_told_healthy_may_call(manager: DatabaseManager) -> None:
    """A ping may be answered when the database counts as lost, and its indexes are looked at."""
    road = Road(process_of(manager).port)
    await road.open()
    far = DatabaseManager(
        f"mongodb://127.0.0.1:{road.port}/?directConnection=true", name="app", driver="motor"
    )
    await far.start()

    async def told() -> tuple[str, bool]:
        return (await far.health()).status, far.available

    await road.close()
    asked = [asyncio.create_task(told())]
    async with asyncio.timeout(5):
        while far.available:
            asked.append(asyncio.create_task(told()))
            await asyncio.sleep(0.05)
    await road.open()
    assert ("healthy", False) not in await asyncio.gather(*asked)
    await eventually(lambda: far.available)
    assert await told() == ("healthy", True)
    await far.stop()
    await road.close()
