"""Limits how many jobs may wait, in all and of one project: more is refused, and not stored."""

import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Protocol

from backend.models.job import JobStatus
from backend.utils.errors import QueueFullError

#: What was read counts as true for so long, in seconds, less what was let in since.
_FRESH_SECONDS = 1.0


class KeptTotals(Protocol):
    """The part of the kept totals that admission reads."""

    async def by_status(self) -> dict[JobStatus, int]: ...

    async def by_project(self, project_id: str) -> dict[JobStatus, int]: ...


class QueueLimits:
    """Admits jobs before they are stored; call `done` once the kept totals have counted them.

    Of several processes each knows its own: together they may overshoot by what comes in within a
    second. Somebody is refused by totals just read, never by remembered ones.
    """

    def __init__(
        self,
        totals: KeptTotals,
        *,
        most: int,
        most_per_project: int,
        seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        self._totals = totals
        self._most = most
        self._most_per_project = most_per_project
        self._seconds = seconds
        #: Free places by project, and under None in all, until then.
        self._room: dict[str | None, int] = {}
        self._until = 0.0
        #: Let in and not counted yet, by project.
        self._under_way: Counter[str] = Counter()

    @asynccontextmanager
    async def admitted(self, wanted: Mapping[str, int]) -> AsyncIterator[None]:
        """Let so many jobs of each project in while they are stored; QueueFullError: too many."""
        await self.take(wanted)
        try:
            yield
        finally:
            self.done(wanted)

    async def take(self, wanted: Mapping[str, int]) -> None:
        """Admit all of them or none. The caller must call `done` afterwards."""
        if not self._fits(wanted):
            await self._look(wanted)
            self._refuse(wanted)
        self._under_way.update(wanted)
        for project_id, amount in _with_all(wanted).items():
            self._room[project_id] -= amount

    def done(self, wanted: Mapping[str, int]) -> None:
        self._under_way.subtract(wanted)
        self._under_way = +self._under_way

    def _fits(self, wanted: Mapping[str, int]) -> bool:
        if self._seconds() > self._until:
            return False
        return all(self._room.get(name, -1) >= n for name, n in _with_all(wanted).items())

    async def _look(self, wanted: Mapping[str, int]) -> None:
        """Count what waits. Jobs being stored may be counted twice, and are never missed."""
        under_way = Counter(self._under_way)
        room: dict[str | None, int] = {}
        for project_id in wanted:
            kept = await self._totals.by_project(project_id)
            waiting = kept[JobStatus.PENDING] + under_way[project_id]
            room[project_id] = self._most_per_project - waiting
        kept = await self._totals.by_status()
        room[None] = self._most - kept[JobStatus.PENDING] - under_way.total()
        let_in = _with_all(self._under_way - under_way)
        self._room = {name: free - let_in.get(name, 0) for name, free in room.items()}
        self._until = self._seconds() + _FRESH_SECONDS

    def _refuse(self, wanted: Mapping[str, int]) -> None:
        amounts = _with_all(wanted)
        # In all comes first: it is what everybody shares.
        for project_id in sorted(amounts, key=lambda name: name is not None):
            if self._room[project_id] < amounts[project_id]:
                raise self._full(project_id, amounts[project_id])

    def _full(self, project_id: str | None, amount: int) -> QueueFullError:
        whole = project_id is None
        most = self._most if whole else self._most_per_project
        waiting = max(0, most - self._room[project_id])
        setting = "QUEUE_MAX_PENDING" if whole else "QUEUE_MAX_PENDING_PER_PROJECT"
        # Pictures of characters that belong to no project share one part.
        part = "The project's part" if project_id else "The part for work of no project"
        where = "The queue" if whole else f"{part} of the queue"
        return QueueFullError(
            f"{where} is full: {waiting} jobs wait, {amount} more would be over the {most} that "
            f"{setting} allows. Try again when some have run.",
            limit=most,
            pending=waiting,
            wanted=amount,
        )


def _with_all(by_project: Mapping[str, int]) -> dict[str | None, int]:
    amounts: dict[str | None, int] = {None: sum(by_project.values())}
    amounts.update(by_project)
    return amounts
