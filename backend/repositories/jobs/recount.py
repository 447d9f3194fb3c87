"""Sets the kept totals of jobs right, after a crash between a move and its count.

Window by window, the newest first, each in short reads: others go on meanwhile, in this process
and in others. What differs is added, not replaced, and only if nobody counted since it was read.
"""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from backend.repositories.jobs.totals import (
    ALL,
    CHANGES,
    HIGH,
    LOW,
    WINDOW,
    JobTotals,
    TotalsKey,
    scope_of,
    scope_of_project,
    window_amounts,
)

#: Numbers that one read takes.
_READ = 1024
#: How often a window that changes all the time is tried.
_TRIES = 8

COUNTED_FIELDS = {
    "_id": 0,
    "number": 1,
    "status": 1,
    "priority": 1,
    "project_id": 1,
    "batch_id": 1,
}
Document = Mapping[str, Any]
#: Gives the documents of a filter, with COUNTED_FIELDS.
Read = Callable[[Mapping[str, Any]], Awaitable[Sequence[Document]]]
Truth = Callable[[], Awaitable[Counter[str]]]


class JobRecount:
    """`patience`: seconds that another process may take between a move and its count."""

    def __init__(self, totals: JobTotals, read: Read, *, patience: float) -> None:
        self._totals = totals
        self._read = read
        self._patience = patience
        self._seen: defaultdict[str, Counter[str]] = defaultdict(Counter)
        #: Of the jobs of each batch.
        self._numbers: defaultdict[str, list[int]] = defaultdict(list)

    async def run(self, last: int) -> None:
        """Prove every window up to the number `last`, then the projects and batches seen there."""
        for window in range(last // WINDOW, -1, -1):
            documents = await self._window(window, last)
            for document in documents:
                place = TotalsKey.read(document)
                self._seen[scope_of_project(place.project_id)][document["status"]] += 1
                if place.batch_id is not None:
                    self._seen[scope_of(place.batch_id)][document["status"]] += 1
                    self._numbers[place.batch_id].append(place.number)
            if _off(_in_window(documents), await self._totals.read(ALL, window)):
                await self._mend_window(window, last)
        await self._prove_ranges()
        await self._prove_others(last)

    async def _prove_ranges(self) -> None:
        """Before the amounts: those of a batch are counted within its numbers."""
        for batch_id, numbers in self._numbers.items():
            low, high = min(numbers), max(numbers)
            kept = await self._totals.range_of(batch_id)
            if kept is None or kept[0] > low or kept[1] < high:
                await self._totals.note_range(batch_id, low, high)

    async def _prove_others(self, last: int) -> None:
        """Those of which no job is left were not seen, and may be counted all the same."""
        kept = await self._totals.of_others()
        for scope in sorted({*self._seen, *kept}):
            if _off(self._seen[scope], kept.get(scope, {})):
                await self._mend(scope, partial(self._of_scope, scope, last))

    async def _mend_window(self, window: int, last: int) -> None:
        async def truth() -> Counter[str]:
            return _in_window(await self._window(window, last))

        await self._mend(ALL, truth, window=window)

    async def _mend(self, scope: str, truth: Truth, *, window: int | None = None) -> None:
        for _ in range(_TRIES):
            kept = await self._totals.read(scope, window)
            off = _off(await truth(), kept)
            if not off:
                return
            # What somebody moved a moment ago may be counted a moment later.
            await asyncio.sleep(self._patience)
            changes = kept.get(CHANGES)
            if await self._totals.correct(scope, off, window=window, changes=changes):
                return

    async def _window(self, window: int, last: int) -> list[Document]:
        low = window * WINDOW
        return await self._between({}, low, min(low + WINDOW, last + 1))

    async def _of_scope(self, scope: str, last: int) -> Counter[str]:
        project = scope.removeprefix(scope_of_project(""))
        if project != scope:
            found = await self._between({"project_id": project}, 0, last + 1, step=16 * _READ)
        else:
            batch_id = scope[len(ALL) + 1 :]
            low, high = await self._totals.range_of(batch_id) or (0, last)
            found = await self._between({"batch_id": batch_id}, low, high + 1)
        return Counter(document["status"] for document in found)

    async def _between(
        self, where: Mapping[str, Any], low: int, high: int, *, step: int = _READ
    ) -> list[Document]:
        found: list[Document] = []
        for first in range(low, high, step):
            window = {"number": {"$gte": first, "$lt": min(first + step, high)}}
            found += await self._read({**where, **window})
        return found


def _in_window(documents: Iterable[Document]) -> Counter[str]:
    counted: Counter[str] = Counter()
    for document in documents:
        counted.update(window_amounts(TotalsKey.read(document), document["status"]))
    return counted


def _off(truth: Mapping[str, int], kept: Mapping[str, int]) -> dict[str, int]:
    """What must be added to `kept` to make it true."""
    names = {*truth, *kept} - {CHANGES, LOW, HIGH}
    differences = {name: truth.get(name, 0) - kept.get(name, 0) for name in sorted(names)}
    return {name: amount for name, amount in differences.items() if amount}
