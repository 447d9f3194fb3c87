"""Who gets into the queue, by totals that are remembered for a moment."""

from collections import Counter

import pytest

from backend.models.job import JobStatus
from backend.services.queue.admission import QueueLimits
from backend.utils.errors import QueueFullError


class Totals:
    """Kept totals that count how often somebody looks."""

    def __init__(self) -> None:
        self.waiting: Counter[str] = Counter()
        self.looks = 0

    async def by_status(self) -> dict[JobStatus, int]:
        self.looks += 1
        return {JobStatus.PENDING: self.waiting.total()}

    async def by_project(self, project_id: str) -> dict[JobStatus, int]:
        return {JobStatus.PENDING: self.waiting[project_id]}


class Gate:
    def __init__(self, most: int, most_per_project: int) -> None:
        self.totals = Totals()
        self.now = 100.0
        self.limits = QueueLimits(
            self.totals, most=most, most_per_project=most_per_project, seconds=lambda: self.now
        )

    async def let_in(self, **wanted: int) -> None:
        async with self.limits.admitted(wanted):
            self.totals.waiting.update(wanted)


async def test_it_looks_once_a_second_while_there_is_room() -> None:
    gate = Gate(most=100, most_per_project=100)
    for _ in range(10):
        await gate.let_in(a=1)
    assert gate.totals.looks == 1
    gate.now += 1.5
    await gate.let_in(a=1)
    assert gate.totals.looks == 2


async def test_nobody_is_refused_by_what_is_remembered() -> None:
    gate = Gate(most=2, most_per_project=2)
    await gate.let_in(a=2)
    with pytest.raises(QueueFullError) as refused:
        await gate.let_in(b=1)
    assert refused.value.details == {"limit": 2, "pending": 2, "wanted": 1}
    gate.totals.waiting["a"] = 1
    await gate.let_in(b=1)


async def test_what_was_let_in_and_is_not_counted_yet_takes_room() -> None:
    gate = Gate(most=10, most_per_project=10)
    await gate.limits.take({"a": 8})
    gate.now += 5
    with pytest.raises(QueueFullError):
        await gate.limits.take({"a": 3})
    gate.limits.done({"a": 8})
    await gate.limits.take({"a": 3})


async def test_of_several_projects_all_get_in_or_none() -> None:
    gate = Gate(most=100, most_per_project=5)
    with pytest.raises(QueueFullError, match="QUEUE_MAX_PENDING_PER_PROJECT"):
        await gate.let_in(a=1, b=6)
    assert not gate.totals.waiting
    await gate.let_in(a=5, b=5)
