"""Additions that arrive together are written together, and each is heard of."""

import asyncio
from collections import Counter
from collections.abc import Mapping

import pytest

from backend.repositories.jobs.coalesced_increments import CoalescedIncrements
from backend.utils.errors import DatabaseUnavailableError
from tests.waiting import eventually


class Document:
    """Takes a moment to write; fails while it is `broken`."""

    def __init__(self) -> None:
        self.totals: dict[str, Counter[str]] = {}
        self.writes = 0
        self.broken = False

    async def write(self, key: str, amounts: Mapping[str, int]) -> None:
        self.writes += 1
        await asyncio.sleep(0.01)
        if self.broken:
            raise ConnectionError(key)
        self.totals.setdefault(key, Counter()).update(amounts)


async def test_those_that_arrive_during_a_write_share_the_next() -> None:
    document = Document()
    additions = CoalescedIncrements(document.write)
    first = asyncio.create_task(additions.add("jobs", {"done": 1}))
    await asyncio.sleep(0.005)
    await asyncio.gather(*(additions.add("jobs", {"done": 1, "failed": 2}) for _ in range(50)))
    assert first.done()
    assert document.totals == {"jobs": Counter(done=51, failed=100)}
    assert document.writes == 2


async def test_documents_do_not_wait_for_one_another() -> None:
    begun: set[str] = set()
    released = asyncio.Event()

    async def write(key: str, amounts: Mapping[str, int]) -> None:
        begun.add(key)
        await released.wait()

    additions = CoalescedIncrements(write)
    adding = [asyncio.create_task(additions.add(f"film {n}", {"done": 1})) for n in range(100)]
    await eventually(lambda: len(begun) == 100)
    released.set()
    await asyncio.gather(*adding)


async def test_one_after_another_nothing_is_joined() -> None:
    document = Document()
    additions = CoalescedIncrements(document.write)
    for _ in range(3):
        await additions.add("jobs", {"done": 1})
    assert (document.writes, document.totals["jobs"]["done"]) == (3, 3)


async def test_a_failure_is_everybodys_who_shared_it_and_nobody_elses() -> None:
    document = Document()
    additions = CoalescedIncrements(document.write)
    document.broken = True
    ends = await asyncio.gather(
        *(additions.add("jobs", {"done": 1}) for _ in range(3)), return_exceptions=True
    )
    assert [type(end) for end in ends] == [ConnectionError] * 3
    document.broken = False
    await additions.add("jobs", {"done": 1})
    assert document.totals["jobs"]["done"] == 1


@pytest.mark.parametrize("moment", [0.0, 0.005])
async def test_who_is_cancelled_takes_nothing_back(moment: float) -> None:
    document = Document()
    additions = CoalescedIncrements(document.write)
    gone = asyncio.create_task(additions.add("jobs", {"done": 1}))
    stays = asyncio.create_task(additions.add("jobs", {"done": 1}))
    await asyncio.sleep(moment)
    gone.cancel()
    await stays
    assert gone.cancelled()
    assert document.totals["jobs"]["done"] == 2


async def test_who_waits_for_a_database_that_is_away_gives_up_with_the_first() -> None:
    written = 0

    async def write(key: str, amounts: Mapping[str, int]) -> None:
        nonlocal written
        written += 1
        await asyncio.sleep(0.05)
        raise DatabaseUnavailableError("The database is away.")

    additions = CoalescedIncrements(write)
    first = asyncio.create_task(additions.add("jobs", {"done": 1}))
    await asyncio.sleep(0.01)
    ends = await asyncio.gather(
        first, *(additions.add("jobs", {"done": 1}) for _ in range(3)), return_exceptions=True
    )
    assert [type(end) for end in ends] == [DatabaseUnavailableError] * 4
    assert written == 1
    with pytest.raises(DatabaseUnavailableError):
        await additions.add("jobs", {"done": 1})
    assert written == 2, "the next tries again"


async def test_settled_waits_for_all_that_was_added_by_now() -> None:
    document = Document()
    additions = CoalescedIncrements(document.write)
    await additions.settled("jobs")
    adding = [asyncio.create_task(additions.add("jobs", {"done": 1}))]
    await asyncio.sleep(0.005)
    adding += [asyncio.create_task(additions.add("jobs", {"done": 1})) for _ in range(2)]
    await asyncio.sleep(0)
    await additions.settled("jobs")
    assert document.totals["jobs"]["done"] == 3
    await asyncio.gather(*adding)
