"""Kept totals of jobs, so that nobody counts while people wait: counting costs what it counts.

For all jobs they are kept by window of numbers, with how many wait in each stretch of a window:
`windows.3.completed`, and `windows.3.line.5.100` for those of priority 5. So a place in line is a
sum, and each window can be proved against its jobs by itself while others change. Projects and
batches have totals of their own. Every write raises `changes` of what it touches.

A crash between a move and its count leaves the totals behind; `JobRecount` mends them.
"""

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from backend.models.job import Job, JobStatus
from backend.repositories.jobs.coalesced_increments import CoalescedIncrements
from backend.repositories.jobs.line import WaitingCounts
from backend.utils.errors import ConflictError

ALL = "job_totals"
#: Numbers that share one set of totals.
WINDOW = 4096
#: Numbers that share one count of those that wait; a window holds a whole number of them.
STRETCH = 128
CHANGES = "changes"
#: Of a batch: its jobs have no number below and none above.
LOW, HIGH = "low", "high"
#: Empty stretches that may stay in the document before they are taken out.
_EMPTY_AT_MOST = 64
#: Empty stretches that one write takes out.
_TIDIED = 200

Guarded = Any
Amounts = Mapping[str, int]


class TotalsKey(NamedTuple):
    """What a job is counted under, beside its status."""

    number: int
    priority: int
    project_id: str
    batch_id: str | None

    @classmethod
    def of(cls, job: Job) -> "TotalsKey":
        return cls(job.number, job.priority, job.project_id, job.batch_id)

    @classmethod
    def read(cls, document: Mapping[str, Any]) -> "TotalsKey":
        return cls(
            document["number"],
            document.get("priority", 0),
            document["project_id"],
            document.get("batch_id"),
        )


def scope_of(batch_id: str) -> str:
    return f"{ALL}:{batch_id}"


def scope_of_project(project_id: str) -> str:
    return f"{ALL}:project:{project_id}"


def window_amounts(place: TotalsKey, status: str, amount: int = 1) -> dict[str, int]:
    """What a job adds to its window, by the path inside it."""
    amounts = {status: amount}
    if status == JobStatus.PENDING:
        amounts[f"line.{place.priority}.{place.number // STRETCH}"] = amount
    return amounts


class JobTotals:
    """`guarded` is the repository's context manager for one database call."""

    def __init__(self, counters: Any, guarded: Guarded) -> None:
        self._counters = counters
        self._guarded = guarded
        self._additions = CoalescedIncrements(self._increase)

    async def add(self, places: Iterable[TotalsKey], amounts: Mapping[JobStatus, int]) -> None:
        """Add these amounts to the totals of each job's window, project and batch."""
        scopes: dict[str, Counter[str]] = {}
        for place in places:
            path = f"windows.{place.number // WINDOW}"
            for status, amount in amounts.items():
                own = window_amounts(place, status, amount)
                inside = {f"{path}.{name}": value for name, value in own.items()}
                scopes.setdefault(ALL, Counter()).update({**inside, f"{path}.{CHANGES}": 1})
                for scope in _others(place):
                    scopes.setdefault(scope, Counter()).update({str(status): amount, CHANGES: 1})
        await asyncio.gather(*(self._additions.add(scope, by) for scope, by in scopes.items()))

    async def by_status(self) -> dict[JobStatus, int]:
        counted: Counter[str] = Counter()
        for window in (await self._kept()).get("windows", {}).values():
            counted.update({name: window.get(name, 0) for name in JobStatus})
        return _by_status(counted)

    async def windows_with(self, statuses: Sequence[str]) -> list[int]:
        """Windows of numbers in which a job has one of these, the newest first."""
        kept = (await self._kept()).get("windows", {})
        return sorted(
            (
                int(window)
                for window, inside in kept.items()
                if any(inside.get(status, 0) > 0 for status in statuses)
            ),
            reverse=True,
        )

    async def by_project(self, project_id: str) -> dict[JobStatus, int]:
        return _by_status(await self.read(scope_of_project(project_id)))

    async def by_batch(self, batch_ids: Sequence[str]) -> dict[str, dict[JobStatus, int]]:
        kept = await self.read_many([scope_of(batch_id) for batch_id in batch_ids])
        return {batch_id: _by_status(kept.get(scope_of(batch_id), {})) for batch_id in batch_ids}

    async def note_range(self, batch_id: str, low: int, high: int) -> None:
        """Say, before they are stored, which numbers a batch's next jobs have."""
        change = {"$min": {LOW: low}, "$max": {HIGH: high}}
        await self._upsert(scope_of(batch_id), change)

    async def range_of(self, batch_id: str) -> tuple[int, int] | None:
        """The lowest and the highest number of a batch's jobs; None: it never had one."""
        kept = await self.read(scope_of(batch_id))
        return (kept[LOW], kept[HIGH]) if HIGH in kept else None

    async def changes_of(self, batch_ids: Sequence[str]) -> dict[str, int]:
        """How often each batch's jobs were counted: whoever stores some raises it."""
        kept = await self.read_many([scope_of(batch_id) for batch_id in batch_ids])
        return {each: int(kept.get(scope_of(each), {}).get(CHANGES, 0)) for each in batch_ids}

    async def line(self) -> WaitingCounts:
        """How many wait, by priority and stretch of numbers."""
        windows = (await self._kept()).get("windows", {})
        waiting: dict[int, dict[int, int]] = {}
        empty: list[str] = []
        for window, inside in windows.items():
            for priority, stretches in inside.get("line", {}).items():
                for stretch, amount in stretches.items():
                    if amount > 0:
                        waiting.setdefault(int(priority), {})[int(stretch)] = int(amount)
                    elif amount == 0:
                        empty.append(f"windows.{window}.line.{priority}.{stretch}")
        if len(empty) > _EMPTY_AT_MOST:
            await self._take_out(empty[:_TIDIED])
        return WaitingCounts(waiting)

    async def read(self, scope: str, window: int | None = None) -> dict[str, int]:
        """The totals of a scope, or of one window of all, by path."""
        with self._guarded():
            kept = await self._counters.find_one({"_id": scope}) or {}
        kept.pop("_id", None)
        return _flat(kept if window is None else kept.get("windows", {}).get(str(window), {}))

    async def read_many(self, scopes: Sequence[str]) -> dict[str, dict[str, int]]:
        with self._guarded():
            found = await self._counters.find({"_id": {"$in": list(scopes)}}).to_list(None)
        return {kept.pop("_id"): kept for kept in found}

    async def of_others(self) -> dict[str, dict[str, int]]:
        """The totals of every project and batch of which any job is counted, by scope."""
        where = {"_id": {"$gt": f"{ALL}:", "$lt": f"{ALL};"}}
        with self._guarded():
            found = await self._counters.find(where).to_list(None)
        kept = {each.pop("_id"): each for each in found}
        return {scope: by for scope, by in kept.items() if any(map(by.get, JobStatus))}

    async def correct(
        self, scope: str, off: Amounts, *, window: int | None, changes: int | None
    ) -> bool:
        """Add what is missing, if nothing was counted since `changes` was read."""
        await self._additions.settled(scope)
        path = "" if window is None else f"windows.{window}."
        where = {"_id": scope, f"{path}{CHANGES}": changes}
        amounts = {f"{path}{name}": amount for name, amount in {**off, CHANGES: 1}.items()}
        if changes is None:
            # A guard on what is not there would insert a second document, were it an upsert.
            await self._increase(scope, {f"{path}{CHANGES}": 0})
            where[f"{path}{CHANGES}"] = 0
        with self._guarded():
            result = await self._counters.update_one(where, {"$inc": amounts})
        return bool(result.matched_count)

    async def _take_out(self, paths: Sequence[str]) -> None:
        """Forget stretches in which nobody waits; if one of them is used again, all stay."""
        where = {"_id": ALL, **dict.fromkeys(paths, 0)}
        with self._guarded():
            await self._counters.update_one(where, {"$unset": dict.fromkeys(paths, "")})

    async def _kept(self) -> dict[str, Any]:
        with self._guarded():
            return await self._counters.find_one({"_id": ALL}) or {}

    async def _increase(self, scope: str, amounts: Amounts) -> None:
        await self._upsert(scope, {"$inc": dict(amounts)})

    async def _upsert(self, scope: str, change: Mapping[str, Any]) -> None:
        try:
            with self._guarded():
                await self._counters.update_one({"_id": scope}, change, upsert=True)
        except ConflictError:
            # Two made the document at once; now it is there.
            with self._guarded():
                await self._counters.update_one({"_id": scope}, change)


def _others(place: TotalsKey) -> list[str]:
    project = scope_of_project(place.project_id)
    return [project] if place.batch_id is None else [project, scope_of(place.batch_id)]


def _flat(kept: Mapping[str, Any], path: str = "") -> dict[str, int]:
    amounts: dict[str, int] = {}
    for name, value in kept.items():
        if isinstance(value, Mapping):
            amounts |= _flat(value, f"{path}{name}.")
        else:
            amounts[f"{path}{name}"] = int(value)
    return amounts


def _by_status(kept: Mapping[str, Any]) -> dict[JobStatus, int]:
    return {status: max(0, int(kept.get(status, 0))) for status in JobStatus}
