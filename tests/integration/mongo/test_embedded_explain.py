"""The index check itself, against the embedded database."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pymongo.monitoring
import pytest
import pytest_asyncio

from backend.database import DatabaseManager
from backend.mongo.embedded import EmbeddedDatabase
from backend.utils.index_spec import IndexSpec
from tests.support_explain import Query, RecordedQueries, Sort, assert_uses_index

INDEXES = (
    IndexSpec((("project_id", 1), ("seq", 1))),
    IndexSpec((("url", 1),), unique=True, partial={"active": True}),
)


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedDatabase]:
    database = EmbeddedDatabase(tmp_path_factory.mktemp("db"))
    database.start()
    yield database
    database.stop()


@pytest.fixture(scope="module")
def recorded() -> RecordedQueries:
    recorder = RecordedQueries()
    pymongo.monitoring.register(recorder)
    return recorder


@pytest_asyncio.fixture(params=["motor", "pymongo"])
async def jobs(
    request: pytest.FixtureRequest, embedded: EmbeddedDatabase, recorded: RecordedQueries
) -> AsyncIterator[Any]:
    manager = DatabaseManager(embedded.url, name=f"x_{request.param}", driver=request.param)
    await manager.ensure_indexes({"jobs": INDEXES})
    await manager.start()
    jobs = manager.database()["jobs"]
    if not await jobs.find_one({}):
        await jobs.insert_one({"project_id": "p", "seq": 1, "url": "u", "active": True})
    yield jobs
    await manager.stop()


@pytest.mark.parametrize(
    ("query", "sort"),
    [
        ({"_id": "1"}, None),
        ({"_id": "1", "status": "pending"}, None),
        ({"_id": {"$in": ["1", "2"]}}, None),
        ({"project_id": "p"}, [("seq", -1)]),
        ({"project_id": "p", "seq": {"$gt": 5}, "other": 1}, [("seq", 1)]),
        ({"url": "u", "active": True}, None),
    ],
)
async def test_indexed(jobs: Any, query: dict[str, Any], sort: Sort | None) -> None:
    await assert_uses_index(jobs, query, sort)


@pytest.mark.parametrize(
    "query",
    [
        {},
        {"other": 1},
        {"seq": 1},
        {"url": "u"},
        {"_id": {"$gt": "1"}},
        {"$or": [{"project_id": "p"}, {"url": "u"}]},
        {"project_id": {"$regex": "p"}},
    ],
)
async def test_scanned(jobs: Any, query: dict[str, Any]) -> None:
    with pytest.raises(AssertionError, match="jobs is scanned"):
        await assert_uses_index(jobs, query)


async def test_records_what_is_sent(jobs: Any, recorded: RecordedQueries) -> None:
    with recorded.recording() as queries:
        await jobs.find({"project_id": "p"}).sort("seq", -1).to_list(None)
        await jobs.update_one({"_id": "1"}, {"$set": {"a": 1}})
        await jobs.delete_many({"project_id": "q"})
        await jobs.count_documents({"project_id": "p"})
        await jobs.find_one_and_update({"_id": "1"}, {"$set": {"a": 1}})
    await jobs.find_one({"after": 1})
    assert queries == [
        Query("jobs", {"project_id": "p"}, (("seq", -1),)),
        Query("jobs", {"_id": "1"}, ()),
        Query("jobs", {"project_id": "q"}, ()),
        Query("jobs", {"project_id": "p"}, ()),
        Query("jobs", {"_id": "1"}, ()),
    ]
