"""The database manager's decisions, and the parts that need no server."""

import asyncio
import contextlib
import logging
import time
from itertools import islice

import pymongo
import pytest
from pymongo.errors import (
    AutoReconnect,
    BulkWriteError,
    DocumentTooLarge,
    DuplicateKeyError,
    ExecutionTimeout,
    InvalidOperation,
    NetworkTimeout,
    OperationFailure,
    ServerSelectionTimeoutError,
    WaitQueueTimeoutError,
)

from backend.database import DatabaseManager, Driver, options_for
from backend.mongo.embedded import DatabaseStartError, free_port, require_installed
from backend.mongo.indexes import IndexConflictError
from backend.mongo.watch import GRACE_SECONDS, Reachability, pauses
from backend.repositories.shared.translation import translated
from backend.utils.errors import (
    ConflictError,
    DatabaseUnavailableError,
    PayloadTooLargeError,
    StorageFullError,
    StoryCanvasError,
)
from backend.utils.index_spec import IndexSpec

INDEXES = {"things": (IndexSpec((("name", 1),), unique=True),)}


class TestReachability:
    def test_short_loss_is_none(self) -> None:
        seen = Reachability()
        assert seen.observe(writable=False, now=10.0)
        assert seen.observe(writable=False, now=10.0 + GRACE_SECONDS - 0.01)
        assert seen.observe(writable=True, now=10.0 + GRACE_SECONDS)

    def test_long_loss_counts_until_it_is_back(self) -> None:
        seen = Reachability()
        seen.observe(writable=False, now=10.0)
        assert not seen.observe(writable=False, now=10.0 + GRACE_SECONDS)
        assert seen.observe(writable=True, now=20.0)
        assert seen.observe(writable=False, now=21.0)


def test_pauses_grow_to_their_limit_and_vary() -> None:
    waits = list(islice(pauses(longest=1.0), 40))
    assert waits[0] <= 0.1
    assert all(0.5 <= wait <= 1.0 for wait in waits[5:])
    assert len(set(waits[5:])) > 1


class TestOptions:
    def test_what_the_url_says_wins(self) -> None:
        options = options_for("mongodb://host/?TimeoutMS=9000&appName=mine")
        assert "timeoutMS" not in options
        assert "appName" not in options
        assert options["heartbeatFrequencyMS"] == 2000
        assert options["tz_aware"] is True


class TestIndexSpec:
    def test_has_the_name_that_mongodb_would_give(self) -> None:
        spec = IndexSpec((("scene_id", 1), ("order", -1)))
        assert spec.name == "scene_id_1_order_-1"
        assert spec.options() == {"name": "scene_id_1_order_-1"}

    def test_options(self) -> None:
        spec = IndexSpec((("a", 1),), unique=True, partial={"b": 1}, name="mine")
        assert spec.options() == {
            "name": "mine",
            "unique": True,
            "partialFilterExpression": {"b": 1},
        }


class TestTranslated:
    @pytest.mark.parametrize(
        ("theirs", "ours"),
        [
            (AutoReconnect("gone"), DatabaseUnavailableError),
            (ServerSelectionTimeoutError("none"), DatabaseUnavailableError),
            (NetworkTimeout("slow"), DatabaseUnavailableError),
            (ExecutionTimeout("slow", 50), DatabaseUnavailableError),
            (WaitQueueTimeoutError("queue"), DatabaseUnavailableError),
            (InvalidOperation("Cannot use MongoClient after close"), DatabaseUnavailableError),
            (DuplicateKeyError("twice", 11000), ConflictError),
            (BulkWriteError({"writeErrors": [{"code": 11000}]}), ConflictError),
            (DocumentTooLarge("big"), PayloadTooLargeError),
            (OperationFailure("big", 10334), PayloadTooLargeError),
            (OperationFailure("full", 14031), StorageFullError),
        ],
    )
    def test_becomes_ours(self, theirs: Exception, ours: type[StoryCanvasError]) -> None:
        with pytest.raises(ours) as caught, translated():
            raise theirs
        assert caught.value.__cause__ is theirs

    @pytest.mark.parametrize(
        "fault",
        [
            OperationFailure("bad query", 2),
            BulkWriteError({"writeErrors": [{"code": 11000}, {"code": 2}]}),
            InvalidOperation("cannot set options after executing query"),
            KeyError("ours"),
        ],
    )
    def test_our_own_faults_rise(self, fault: Exception) -> None:
        with pytest.raises(type(fault)) as caught, translated():
            raise fault
        assert caught.value is fault

    async def test_a_cancellation_that_the_driver_swallows_still_ends_the_task(self) -> None:
        began = asyncio.Event()

        async def call() -> None:
            with translated(), contextlib.suppress(asyncio.CancelledError):
                began.set()
                await asyncio.sleep(20)

        async def work() -> None:
            await call()
            pytest.fail("it went on")

        task = asyncio.create_task(work())
        await began.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    async def test_who_cleans_up_after_a_cancellation_may_call_the_database(self) -> None:
        done: list[str] = []

        async def work() -> None:
            try:
                await asyncio.sleep(20)
            finally:
                with translated():
                    await asyncio.sleep(0)
                done.append("cleaned up")

        task = asyncio.create_task(work())
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait({task})
        assert done == ["cleaned up"]

    def test_sets_one_deadline(self) -> None:
        with translated(2.0):
            first = pymongo._csot.remaining()
            assert first is not None
            assert 1.5 < first <= 2.0
        assert pymongo._csot.remaining() is None


class TestMemory:
    async def test_works_and_warns_once(self, caplog: pytest.LogCaptureFixture) -> None:
        manager = DatabaseManager("memory:", name="unit", driver="motor")
        with pytest.raises(DatabaseUnavailableError):
            manager.require()
        with caplog.at_level(logging.WARNING):
            await manager.start()
        assert [r.message for r in caplog.records] == [
            "The database is in memory only: everything is gone at exit."
        ]
        await manager.ensure_indexes(INDEXES)
        manager.require()
        things = manager.database()["things"]
        await things.insert_one({"_id": "1", "name": "a"})
        with pytest.raises(ConflictError), translated():
            await things.insert_one({"_id": "2", "name": "a"})
        health = await manager.health()
        assert (health.status, health.kind) == ("healthy", "memory")
        assert health.latency_ms is not None
        await manager.stop()
        await manager.stop()
        assert not manager.available
        assert (await manager.health()).status == "unhealthy"
        with pytest.raises(DatabaseUnavailableError):
            manager.database()

    async def test_conflicting_index_is_named(self) -> None:
        manager = DatabaseManager("memory:", name="unit", driver="motor")
        await manager.start()
        things = manager.database()["things"]
        await things.insert_many([{"name": "a"}, {"name": "a"}])
        with pytest.raises(IndexConflictError, match="'name_1' of the collection 'things'"):
            await manager.ensure_indexes(INDEXES)
        await manager.stop()


class TestUnreachable:
    async def test_start_returns_and_calls_fail_at_once(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        url = f"mongodb://user:secret@127.0.0.1:{free_port()}/"
        drivers: tuple[Driver, ...] = ("motor", "pymongo")
        managers = [DatabaseManager(url, name="unit", driver=driver) for driver in drivers]
        began = time.monotonic()
        await asyncio.gather(*(manager.start(patience=1.8) for manager in managers))
        assert time.monotonic() - began < 2.5
        for manager in managers:
            with pytest.raises(DatabaseUnavailableError):
                manager.require()
            began = time.monotonic()
            assert (await manager.health()).status == "unhealthy"
            assert time.monotonic() - began < 0.1
            await manager.stop()
        warnings = [r for r in caplog.records if r.levelno >= logging.WARNING]
        assert len(warnings) == len(managers)
        assert "secret" not in caplog.text

    @pytest.mark.parametrize("driver", ["motor", "pymongo"])
    async def test_unusable_url_keeps_its_password(self, driver: Driver) -> None:
        manager = DatabaseManager("mongodb://u:secret@host:99999999", name="u", driver=driver)
        with pytest.raises(DatabaseStartError) as caught:
            await manager.start()
        assert "secret" not in str(caught.value)
        assert "MONGO_URL" in str(caught.value)


def test_missing_package_says_what_to_set() -> None:
    with pytest.raises(DatabaseStartError, match="MONGO_URL=memory:"):
        require_installed(lambda name: None)


def test_free_port_is_below_the_ephemeral_range() -> None:
    assert 20_000 <= free_port() < 32_000
