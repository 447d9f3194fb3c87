"""Kept totals of jobs: by status for all and for each batch, and by priority for those that wait.

Counting costs what it counts on the embedded database, so nobody counts while people wait. A
crash between a move and its count leaves the totals behind; `JobRepository.recount` mends them.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from backend.models.job import JobStatus

ALL = "job_totals"

Guarded = Any


def scope_of(batch_id: str) -> str:
    return f"{ALL}:{batch_id}"


class JobTotals:
    """`guarded` is the repository's context manager for one database call."""

    def __init__(self, counters: Any, guarded: Guarded) -> None:
        self._counters = counters
        self._guarded = guarded

    async def add(
        self,
        amounts: Mapping[JobStatus, int],
        *,
        batch_id: str | None = None,
        priority: int = 0,
    ) -> None:
        """Add to the totals of jobs that share batch and priority."""
        by_status = {str(status): amount for status, amount in amounts.items()}
        waiting = amounts.get(JobStatus.PENDING, 0)
        turns = {f"turns.{priority}": waiting} if waiting else {}
        await self._increase(ALL, {**by_status, **turns})
        if batch_id is not None:
            await self._increase(scope_of(batch_id), by_status)

    async def by_status(self) -> dict[JobStatus, int]:
        return _by_status(await self._kept())

    async def by_batch(self, batch_ids: Sequence[str]) -> dict[str, dict[JobStatus, int]]:
        where = {"_id": {"$in": [scope_of(batch_id) for batch_id in batch_ids]}}
        with self._guarded():
            found = await self._counters.find(where).to_list(None)
        kept = {document["_id"]: document for document in found}
        return {batch_id: _by_status(kept.get(scope_of(batch_id), {})) for batch_id in batch_ids}

    async def turns(self) -> dict[int, int]:
        """How many jobs wait at each priority, the highest first."""
        kept = (await self._kept()).get("turns", {})
        waiting = {int(priority): int(amount) for priority, amount in kept.items() if amount > 0}
        return dict(sorted(waiting.items(), reverse=True))

    async def put(self, scope: str, values: Mapping[str, Any]) -> None:
        """Replace a scope's totals."""
        with self._guarded():
            await self._counters.update_one({"_id": scope}, {"$set": dict(values)}, upsert=True)

    async def _kept(self) -> dict[str, Any]:
        with self._guarded():
            return await self._counters.find_one({"_id": ALL}) or {}

    async def _increase(self, scope: str, amounts: Mapping[str, int]) -> None:
        with self._guarded():
            await self._counters.update_one({"_id": scope}, {"$inc": dict(amounts)}, upsert=True)


def _by_status(kept: Mapping[str, Any]) -> dict[JobStatus, int]:
    return {status: max(0, int(kept.get(status, 0))) for status in JobStatus}
