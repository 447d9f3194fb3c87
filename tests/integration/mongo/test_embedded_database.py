"""The database manager against a real embedded database, over the wire, with both drivers."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import pytest_asyncio

from backend.database import DatabaseManager, Driver
from backend.mongo.embedded import (
    DatabaseStartError,
    EmbeddedDatabase,
    free_port,
    takes_connections,
)
from backend.mongo.indexes import IndexConflictError
from backend.repositories.shared.translation import translated
from backend.utils.errors import ConflictError, DatabaseUnavailableError, PayloadTooLargeError
from backend.utils.index_spec import IndexSpec
from tests.waiting import eventually


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedDatabase]:
    database = EmbeddedDatabase(tmp_path_factory.mktemp("db") / "made" / "on the way")
    database.start()
    yield database
    database.stop()


@pytest_asyncio.fixture(params=["motor", "pymongo"])
async def manager(
    request: pytest.FixtureRequest, embedded: EmbeddedDatabase
) -> AsyncIterator[DatabaseManager]:
    manager = DatabaseManager(embedded.url, name=f"test_{request.param}", driver=request.param)
    await manager.start()
    yield manager
    await manager.stop()


async def test_is_available_and_healthy(manager: DatabaseManager) -> None:
    manager.require()
    health = await manager.health()
    assert (health.status, health.kind) == ("healthy", "mongodb")
    assert health.latency_ms is not None
    assert 0 < health.latency_ms < 1000


async def test_keeps_times_in_utc(manager: DatabaseManager) -> None:
    things = manager.database()["times"]
    now = datetime(2026, 1, 2, 3, 4, 5, 678000, tzinfo=UTC)
    await things.insert_one({"_id": "1", "at": now})
    assert (await things.find_one({"_id": "1"}))["at"] == now


async def test_translates_what_the_server_refuses(manager: DatabaseManager) -> None:
    await manager.ensure_indexes({"unique": (IndexSpec((("name", 1),), unique=True),)})
    things = manager.database()["unique"]
    with translated():
        await things.insert_one({"name": "a"})
    with pytest.raises(ConflictError), translated():
        await things.insert_one({"name": "a"})
    with pytest.raises(ConflictError), translated():
        await things.insert_many([{"name": "a"}, {"name": "b"}], ordered=False)
    with pytest.raises(PayloadTooLargeError), translated():
        await things.insert_one({"name": "x" * 17_000_000})


@pytest.mark.parametrize(
    "spec",
    [
        IndexSpec((("name", 1),), unique=True),
        IndexSpec((("name", 1),), name="another"),
        IndexSpec((("other", 1),), name="name_1"),
        IndexSpec((("twice", 1),), unique=True),
    ],
    ids=["options differ", "name differs", "keys differ", "duplicates"],
)
async def test_conflicting_index_is_named(manager: DatabaseManager, spec: IndexSpec) -> None:
    plain = {"clash": (IndexSpec((("name", 1),)),)}
    await manager.ensure_indexes(plain)
    await manager.ensure_indexes(plain)
    await manager.database()["clash"].insert_many([{"twice": 1}, {"twice": 1}])
    with pytest.raises(IndexConflictError, match=f"'{spec.name}' of the collection 'clash'"):
        await manager.ensure_indexes({"clash": (spec,)})


async def test_an_index_drops_those_that_it_replaces(manager: DatabaseManager) -> None:
    old = (IndexSpec((("name", 1),), unique=True), IndexSpec((("age", 1),), name="mine"))
    await manager.ensure_indexes({"replaced": old})
    new = IndexSpec((("name", 1),), name="by_name", replaces=("name_1", "never_there"))
    for _ in range(2):
        await manager.ensure_indexes({"replaced": (new,)})
    there = await manager.database()["replaced"].index_information()
    assert set(there) == {"_id_", "by_name", "mine"}


async def test_conflict_stops_the_start(embedded: EmbeddedDatabase) -> None:
    first = DatabaseManager(embedded.url, name="start", driver="pymongo")
    await first.start()
    await first.database()["clash"].insert_many([{"a": 1}, {"a": 1}])
    await first.stop()
    second = DatabaseManager(embedded.url, name="start", driver="pymongo")
    await second.ensure_indexes({"clash": (IndexSpec((("a", 1),), unique=True),)})
    with pytest.raises(IndexConflictError):
        await second.start()
    assert not second.available


async def test_indexes_are_there_before_it_is_available(embedded: EmbeddedDatabase) -> None:
    manager = DatabaseManager(embedded.url, name="early", driver="motor")
    await manager.ensure_indexes({"things": (IndexSpec((("a", 1),), name="early_a"),)})
    await manager.start()
    assert "early_a" in await manager.database()["things"].index_information()
    await manager.stop()


async def test_own_database_keeps_its_documents(tmp_path: Path) -> None:
    """Two starts on one directory; after each stop nothing of it runs on."""
    for expected in (0, 1):
        manager = DatabaseManager("", name="app", driver="motor", embedded_path=tmp_path / "db")
        await manager.start()
        assert manager.kind == "embedded"
        assert manager.embedded is not None
        things = manager.database()["things"]
        assert await things.count_documents({}) == expected
        await things.insert_one({"n": expected})
        port = manager.embedded.port
        began = time.monotonic()
        await manager.stop()
        await manager.stop()
        assert time.monotonic() - began < 3
        assert not takes_connections(port)
        assert manager.embedded.guard_pid == 0


async def test_directory_in_use_is_refused(embedded: EmbeddedDatabase) -> None:
    taken = embedded._directory
    manager = DatabaseManager("", name="app", driver="motor", embedded_path=taken)
    with pytest.raises(DatabaseStartError, match="is in use by another") as caught:
        await manager.start()
    assert str(taken) in str(caught.value)
    assert not manager.available
    assert takes_connections(embedded.port)


def test_start_says_why_the_database_did_not_come_up(tmp_path: Path) -> None:
    (tmp_path / "WiredTiger.lock").mkdir()
    with pytest.raises(DatabaseStartError, match=r"(?s)Its last words:.*WiredTiger.lock") as caught:
        EmbeddedDatabase(tmp_path).start()
    assert str(tmp_path) in str(caught.value)


def test_start_says_that_the_path_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "db").write_text("a file")
    with pytest.raises(DatabaseStartError, match=r"(?s)Its last words:.*FileExistsError"):
        EmbeddedDatabase(tmp_path / "db").start()


def test_stop_before_start_prevents_it(tmp_path: Path) -> None:
    database = EmbeddedDatabase(tmp_path)
    database.stop()
    with pytest.raises(DatabaseStartError, match="stopped before"):
        database.start()
    assert database.guard_pid == 0


@pytest.mark.parametrize("driver", ["motor", "pymongo"])
async def test_database_that_appears_later_is_found(driver: Driver, tmp_path: Path) -> None:
    late = EmbeddedDatabase(tmp_path, port=free_port())
    manager = DatabaseManager(late.url, name="late", driver=driver)
    await manager.ensure_indexes({"things": (IndexSpec((("a", 1),), name="late_a"),)})
    await manager.start(patience=0.3)
    with pytest.raises(DatabaseUnavailableError):
        manager.require()
    await asyncio.to_thread(late.start)
    await eventually(lambda: manager.available)
    assert "late_a" in await manager.database()["things"].index_information()
    await manager.stop()
    await asyncio.to_thread(late.stop)


async def test_conflict_found_later_is_said_and_waited_for(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It must not serve without a unique index; once the duplicates are gone it comes up."""
    first = DatabaseManager("", name="app", driver="pymongo", embedded_path=tmp_path)
    await first.start()
    await first.database()["things"].insert_many([{"_id": 1, "a": 1}, {"_id": 2, "a": 1}])
    await first.stop()
    late = EmbeddedDatabase(tmp_path, port=free_port())
    manager = DatabaseManager(late.url, name="app", driver="pymongo")
    await manager.ensure_indexes({"things": (IndexSpec((("a", 1),), unique=True),)})
    await manager.start(patience=0.1)
    await asyncio.to_thread(late.start)
    await eventually(lambda: "'a_1' of the collection 'things'" in caplog.text)
    assert not manager.available
    await manager.database()["things"].delete_one({"_id": 2})
    await eventually(lambda: manager.available)
    await manager.stop()
    await asyncio.to_thread(late.stop)
