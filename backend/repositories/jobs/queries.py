"""Jobs as they are looked for: every list is a window on an indexed number."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from backend.models.job import ACTIVE, Job, JobStatus
from backend.repositories.base_repository import BaseRepository, Document
from backend.repositories.jobs.rows import (
    PENDING_FIELDS,
    ROW_FIELDS,
    RUNNING_FIELDS,
    JobRow,
    PendingRow,
    RunningRow,
    pending_row,
    row,
    running_row,
)
from backend.repositories.jobs.totals import WINDOW, JobTotals
from backend.repositories.jobs.windows import SLICE, runs, slices, wider


class JobReading(BaseRepository[Job]):
    """Reads only. `totals` are the kept ones."""

    collection = "jobs"
    kind = "job"
    model = Job

    def __init__(self, database: Any, gate: Any) -> None:
        super().__init__(database, gate)
        self._counters = database["counters"]
        self.totals = JobTotals(self._counters, self._guarded)

    def to_model(self, document: Document) -> Job:
        """Tell a character's id, which stands in `clip_id` as well, from a clip's."""
        of_character = document.get("character_id") is not None
        return super().to_model({**document, "clip_id": None} if of_character else document)

    async def processing(self) -> list[Job]:
        return await self._find({"status": JobStatus.PROCESSING}, sort=(("number", 1),))

    async def active_for(self, field: str, value: str, *, project_id: str) -> list[Job]:
        """Pending and processing jobs of a clip, a character or a project.

        Those of a scene are looked for among the jobs of its project.
        """
        field = "clip_id" if field == "character_id" else field
        of_clip = field == "clip_id"
        where = {field: value} if of_clip else {"project_id": project_id}
        found: list[str] = []
        last = await self.last_number()
        width = last + 1 if of_clip else WINDOW
        for low in range(0, last + 1, width):
            window = {"number": {"$gte": low, "$lt": low + width}}
            seen = await self._find_raw({**where, **window}, fields={"status": 1, field: 1})
            found += [
                each["_id"]
                for each in seen
                if each["status"] in ACTIVE and each.get(field) == value
            ]
        jobs = await self.list_by_ids(found)
        return [job for job in jobs if job.status in ACTIVE]

    async def pending_rows(self, after_number: int, limit: int) -> list[PendingRow]:
        """Waiting jobs with a higher number, by number: `limit` of them, fewer only at the end.

        They are read in windows of numbers on `by_status`, so that no finished job is touched.
        """
        found: list[PendingRow] = []
        low, last, width = after_number, await self.last_number(), limit
        while low < last and len(found) < limit:
            window = {"number": {"$gt": low, "$lte": low + width}}
            where = {"status": JobStatus.PENDING, **window}
            seen = await self._find_raw(where, fields=PENDING_FIELDS)
            found += sorted(map(pending_row, seen), key=lambda waiting: waiting.number)
            grown = wider(width, limit - len(found), len(seen))
            low, width = low + width, min(grown, max(limit, WINDOW))
        return found[:limit]

    async def newest(self, where: Mapping[str, Any], *, skip: int, limit: int) -> list[Job]:
        """A page, newest first, read in windows of `number` until the page is full."""
        wanted = skip + limit
        statuses = where.get("status", {}).get("$in", list(JobStatus))
        named = {name: value for name, value in where.items() if name != "status"}
        found: list[Job] = []
        lowest, high = await self._numbers_of(named)
        width = high if "clip_id" in named else max(16, wanted)
        while high > lowest and len(found) < wanted:
            low = max(lowest, high - width)
            seen = await self._in_window(named, low, high, statuses)
            found += sorted(seen, key=lambda job: -job.number)
            high, width = low, min(wider(width, wanted - len(found), len(seen)), 2 * WINDOW)
            if not named:
                found += await self._newest_below(high, statuses, wanted - len(found))
                break
        return found[skip:wanted]

    async def _numbers_of(self, named: Mapping[str, str]) -> tuple[int, int]:
        """All numbers of what is asked for are above the first, and at most the second."""
        if "batch_id" not in named:
            return 0, await self.last_number()
        low, high = await self.totals.range_of(named["batch_id"]) or (1, 0)
        return low - 1, high

    async def _in_window(
        self, named: Mapping[str, str], low: int, high: int, statuses: Sequence[str]
    ) -> list[Job]:
        """The jobs above one number and up to another.

        The embedded database reads a window of an index only if the query has the fields of that
        index and no other; with one more it reads all that the first field matches.
        """
        window: dict[str, Any] = {"number": {"$gt": low, "$lte": high}}
        leading = next((name for name in ("clip_id", "project_id") if name in named), None)
        if leading is None:
            return await self._find({**window, **named, "status": {"$in": list(statuses)}})
        found = await self._find_raw({leading: named[leading], **window})
        return [
            self.to_model(each)
            for each in found
            if each["status"] in statuses
            and all(each.get(name) == value for name, value in named.items())
        ]

    async def _newest_below(self, high: int, statuses: Sequence[str], wanted: int) -> list[Job]:
        """Only where there are any, by kept totals, and status by status: nothing else is read."""
        found: list[Job] = []
        windows = await self.totals.windows_with(statuses) if wanted > 0 and high > 0 else []
        starts = [low for window in windows for low in slices(window) if low <= high]
        for low in starts:
            if len(found) >= wanted:
                break
            numbers = {"$gte": low, "$lte": min(high, low + SLICE - 1)}
            seen = await asyncio.gather(
                *(self._find({"status": status, "number": numbers}) for status in statuses)
            )
            found += sorted((job for jobs in seen for job in jobs), key=lambda job: -job.number)
        return found[: max(0, wanted)]

    async def batch_rows(self, batch_id: str) -> list[JobRow]:
        """Every job of a batch, cut down to what the batch shows of it."""
        low, high = await self.totals.range_of(batch_id) or (1, 0)
        found: list[JobRow] = []
        for first in range(low, high + 1, WINDOW):
            window = {"number": {"$gte": first, "$lte": min(high, first + WINDOW - 1)}}
            seen = await self._find_raw({**window, "batch_id": batch_id}, fields=ROW_FIELDS)
            found += map(row, seen)
        return found

    async def running_rows(self) -> list[RunningRow]:
        found = await self._find_raw({"status": JobStatus.PROCESSING}, fields=RUNNING_FIELDS)
        return [running_row(document) for document in found]

    async def numbers_between(self, low: int, high: int) -> set[int]:
        """The numbers above `low` and up to `high` that jobs have: some are never used."""
        window = {"number": {"$gt": low, "$lte": high}}
        found = await self._find_raw(window, fields={"_id": 0, "number": 1})
        return {document["number"] for document in found}

    async def list_by_numbers(self, numbers: Sequence[int]) -> list[Job]:
        """Those that exist: numbers close to each other are read as one window."""
        found: list[Job] = []
        wanted = set(numbers)
        for low, high in runs(numbers):
            seen = await self._find_raw({"number": {"$gte": low, "$lte": high}})
            found += [self.to_model(each) for each in seen if each["number"] in wanted]
        return found

    async def list_by_ids(self, job_ids: Sequence[str]) -> list[Job]:
        """Those of these jobs that exist, in no order."""
        return await self._list_by_ids(job_ids)

    async def expired(self, now: datetime) -> list[Job]:
        """Leased jobs whose worker has not been heard of in time."""
        return [
            job
            for job in await self.processing()
            if job.lease_expires_at is not None and job.lease_expires_at < now
        ]

    async def leased_by(self, worker_id: str) -> list[Job]:
        return [
            job
            for job in await self.processing()
            if job.lease_expires_at is not None and job.server_id == worker_id
        ]

    async def last_number(self) -> int:
        """The number of the newest job that was ever queued, 0 before the first."""
        with self._guarded():
            counter = await self._counters.find_one({"_id": self.collection})
        return int(counter["value"]) if counter else 0
