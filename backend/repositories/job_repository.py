"""Jobs: every move is one guarded write, every list a window on an indexed number."""

import asyncio
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from backend.models.job import ACTIVE, Job, JobStatus
from backend.repositories.base import BaseRepository
from backend.repositories.job_totals import ALL, JobTotals, scope_of
from backend.utils.errors import ConflictError
from backend.utils.index_spec import IndexSpec

#: Jobs that one call of a recount reads.
_COUNTED = 5_000
#: After a crash the batches of this many newest jobs are counted again.
_RECENT = 200
#: Jobs that one call clears.
_CLEARED = 500
_ROW = {"clip_id": 1, "status": 1, "content_id": 1, "result_url": 1, "error": 1}


class JobRow(NamedTuple):
    """What a batch shows of one of its jobs."""

    id: str
    clip_id: str
    status: JobStatus
    content_id: str | None
    result_url: str | None
    error: str | None


class JobRepository(BaseRepository[Job]):
    collection = "jobs"
    kind = "job"
    model = Job
    indexes = (
        IndexSpec(name="unique_number", keys=(("number", 1),), unique=True),
        IndexSpec(name="by_turn", keys=(("status", 1), ("priority", -1), ("number", 1))),
        IndexSpec(name="by_status", keys=(("status", 1), ("number", 1))),
        IndexSpec(name="by_project", keys=(("project_id", 1), ("number", 1))),
        IndexSpec(name="by_project_status", keys=(("project_id", 1), ("status", 1))),
        IndexSpec(name="by_provider", keys=(("provider", 1), ("status", 1))),
        IndexSpec(name="by_scene", keys=(("scene_id", 1), ("status", 1))),
        IndexSpec(name="by_clip", keys=(("clip_id", 1), ("number", 1))),
        IndexSpec(name="by_batch", keys=(("batch_id", 1), ("number", 1))),
    )

    def __init__(self, database: Any, gate: Any) -> None:
        super().__init__(database, gate)
        self._counters = database["counters"]
        self.totals = JobTotals(self._counters, self._guarded)
        #: By priority: no waiting job was seen at or below this number.
        self._heads: dict[int, int] = {}

    async def enqueue(self, jobs: Sequence[Job]) -> list[Job]:
        """Number the jobs in the given order and store them."""
        if not jobs:
            return []
        last = await self._reserve_numbers(len(jobs))
        first = last - len(jobs) + 1
        numbered = [
            job.model_copy(update={"number": first + index}) for index, job in enumerate(jobs)
        ]
        await self.add_many(numbered)
        for priority in {job.priority for job in numbered}:
            self._search_from(priority, first - 1)
        for (batch_id, priority), amount in Counter(
            (job.batch_id, job.priority) for job in numbered
        ).items():
            await self.totals.add({JobStatus.PENDING: amount}, batch_id=batch_id, priority=priority)
        return numbered

    async def move(self, job: Job, to: JobStatus, **changes: Any) -> Job | None:
        """Move a job on, if it still is where `job` says: same status, same attempt.

        None means that somebody else was faster. Raises ConflictError for a move that no job
        may make.
        """
        if not job.may_move_to(to):
            raise ConflictError(
                f"A {job.status} job cannot become {to}.", code="ILLEGAL_MOVE", job_id=job.id
            )
        won = await self._update_one(
            _guard(job), {"$set": {**changes, "status": to}, "$inc": {"seq": 1}}
        )
        if not won:
            return None
        if to is JobStatus.PENDING:
            self._search_from(job.priority, job.number - 1)
        # The job has moved, whatever happens next: counting and reading need not wait in turn.
        _, moved = await asyncio.gather(
            self.totals.add({job.status: -1, to: 1}, batch_id=job.batch_id, priority=job.priority),
            self.find_by_id(job.id),
        )
        return moved

    async def note(self, job: Job, **changes: Any) -> bool:
        """Change fields of a job that stays where it is; False when it has moved on."""
        return await self._update_one(_guard(job), {"$set": changes, "$inc": {"seq": 1}})

    async def unpin(self, server_id: str) -> None:
        """Let pending jobs that asked for this server run anywhere."""
        where = {"status": JobStatus.PENDING, "pinned_server_id": server_id}
        with self._guarded():
            await self._documents.update_many(
                where, {"$set": {"pinned_server_id": None}, "$inc": {"seq": 1}}
            )

    async def pending(self, *, skip: int, limit: int) -> list[Job]:
        """The jobs whose turn comes first: by priority, then by age."""
        wanted = skip + limit
        found: list[Job] = []
        for priority in await self.totals.turns():
            if len(found) >= wanted:
                break
            found += await self._oldest(priority, wanted - len(found))
        return found[skip:wanted]

    async def _oldest(self, priority: int, wanted: int) -> list[Job]:
        """The waiting jobs of a priority, oldest first, in windows that grow until it is enough.

        The next search begins where this one found its first: what waits moves up steadily. A
        job that goes back to the queue moves that place back too.
        """
        found: list[Job] = []
        low, last = self._heads.get(priority, 0), await self._last_number()
        width = max(64, 2 * wanted)
        where = {"status": JobStatus.PENDING, "priority": priority}
        while low < last and len(found) < wanted:
            window = {"number": {"$gt": low, "$lte": low + width}}
            seen = await self._find({**where, **window})
            found += sorted(seen, key=lambda job: job.number)
            low, width = low + width, width * 4
        self._heads[priority] = found[0].number - 1 if found else min(low, last)
        return found[:wanted]

    def _search_from(self, priority: int, number: int) -> None:
        """Look for waiting jobs no later than after this number: one of them may be new there."""
        self._heads[priority] = min(self._heads.get(priority, 0), number)

    def forget_heads(self) -> None:
        """Search from the very first job again: another process may have sent one back."""
        self._heads.clear()

    async def pending_at(self, provider: str) -> list[Job]:
        """The jobs that wait for a paid provider, in turn."""
        where = {"provider": provider, "status": JobStatus.PENDING}
        return await self._find(where, sort=(("priority", -1), ("number", 1)))

    async def processing(self) -> list[Job]:
        return await self._find({"status": JobStatus.PROCESSING}, sort=(("number", 1),))

    async def active_for(self, field: str, value: str) -> list[Job]:
        """Pending and processing jobs of a project, scene, clip or batch."""
        return await self._find({field: value, "status": {"$in": sorted(ACTIVE)}})

    async def positions(self, jobs: Sequence[Job]) -> dict[str, int]:
        """The places in line of waiting jobs, 1 for the next, by id.

        Read from the nearer end of each priority's line: new jobs stand at its end, and those
        are what people look at.
        """
        turns = await self.totals.turns()
        places: dict[str, int] = {}
        for priority in {job.priority for job in jobs}:
            numbers = sorted(job.number for job in jobs if job.priority == priority)
            behind = await self._numbers_after(priority, numbers[0] - 1)
            ahead = sum(amount for other, amount in turns.items() if other > priority)
            line = max(turns.get(priority, 0), len(behind))
            for job in jobs:
                if job.priority == priority:
                    after = len(behind) - bisect_right(behind, job.number)
                    places[job.id] = max(1, ahead + line - after)
        return places

    async def _numbers_after(self, priority: int, number: int) -> list[int]:
        where = {"status": JobStatus.PENDING, "priority": priority, "number": {"$gt": number}}
        found = await self._find_raw(where, fields={"_id": 0, "number": 1})
        return sorted(document["number"] for document in found)

    async def newest(self, where: Mapping[str, Any], *, skip: int, limit: int) -> list[Job]:
        """A page, newest first, read in windows of `number` that grow until the page is full."""
        wanted = skip + limit
        statuses = {name: value for name, value in where.items() if name == "status"}
        one_of_a_kind = {name: value for name, value in where.items() if name != "status"}
        found: list[Job] = []
        high = await self._last_number()
        width = max(16, wanted)
        while high > 0 and len(found) < wanted:
            low = max(0, high - width)
            window = {"number": {"$gt": low, "$lte": high}}
            # The embedded database takes the index of the fields that come first, and none at
            # all beside a sort: what is selective leads, the statuses come last.
            seen = await self._find({**one_of_a_kind, **window, **statuses})
            found += sorted(seen, key=lambda job: -job.number)
            high, width = low, width * 4
        return found[skip:wanted]

    async def count(self, where: Mapping[str, Any]) -> int:
        """How many match; totals by status alone are kept, so they cost one read."""
        if set(where) <= {"status"}:
            totals = await self.totals.by_status()
            statuses: Iterable[str] = where.get("status", {}).get("$in", list(JobStatus))
            return sum(totals[JobStatus(status)] for status in statuses)
        return await self._count(where)

    async def project_totals(self, project_id: str) -> dict[JobStatus, int]:
        """Counted, not kept: only a person looking at a project asks."""
        where = {"project_id": project_id}
        return {status: await self._count({**where, "status": status}) for status in JobStatus}

    async def batch_rows(self, batch_id: str) -> list[JobRow]:
        """Every job of a batch, cut down to what the batch shows of it."""
        found = await self._find_raw({"batch_id": batch_id}, fields=_ROW)
        return [_row(document) for document in found]

    async def recount(self) -> None:
        """Set the kept totals to the truth, after a crash between a move and its count.

        Of the batches only those are counted whose jobs a crash can have cut short.
        """
        counted: Counter[str] = Counter()
        turns: Counter[str] = Counter()
        last = await self._last_number()
        fields = {"_id": 0, "status": 1, "priority": 1}
        for low in range(0, last, _COUNTED):
            window = {"number": {"$gt": low, "$lte": low + _COUNTED}}
            found = await self._find_raw(window, fields=fields)
            counted.update(document["status"] for document in found)
            turns.update(
                str(document["priority"])
                for document in found
                if document["status"] == JobStatus.PENDING
            )
        by_status = {str(status): counted[status] for status in JobStatus}
        await self.totals.put(ALL, {**by_status, "turns": dict(turns)})
        self.forget_heads()
        await self._recount_batches()

    async def _recount_batches(self) -> None:
        running = await self._find_raw({"status": JobStatus.PROCESSING}, fields={"batch_id": 1})
        newest = await self.newest({}, skip=0, limit=_RECENT)
        touched = {document.get("batch_id") for document in running}
        touched |= {job.batch_id for job in newest}
        for batch_id in touched - {None}:
            rows = Counter(row.status for row in await self.batch_rows(str(batch_id)))
            counted = {str(status): rows[status] for status in JobStatus}
            await self.totals.put(scope_of(str(batch_id)), counted)

    async def remove(self, job: Job) -> bool:
        """Delete a job that stands where `job` says; False when it has moved on."""
        with self._guarded():
            result = await self._documents.delete_one(_guard(job))
        if not result.deleted_count:
            return False
        await self.totals.add({job.status: -1}, batch_id=job.batch_id, priority=job.priority)
        return True

    async def remove_all(self, status: JobStatus) -> int:
        """Delete every job of a status; gives how many."""
        removed = 0
        fields = {"batch_id": 1, "priority": 1}
        while found := await self._find_raw({"status": status}, fields=fields, limit=_CLEARED):
            ids = [document["_id"] for document in found]
            with self._guarded():
                result = await self._documents.delete_many({"_id": {"$in": ids}, "status": status})
            deleted = int(result.deleted_count)
            removed += deleted
            if deleted == len(ids):
                gone = Counter(
                    (document.get("batch_id"), document.get("priority", 0)) for document in found
                )
                for (batch_id, priority), amount in gone.items():
                    await self.totals.add({status: -amount}, batch_id=batch_id, priority=priority)
            else:
                await self.recount()
        return removed

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

    async def _reserve_numbers(self, amount: int) -> int:
        """Give the last of `amount` numbers that are now ours; some may be skipped.

        Of several who make the counter at once, SecantusDB 0.7.0b3 tells some nothing.
        """
        counter = None
        while counter is None:
            with self._guarded():
                counter = await self._counters.find_one_and_update(
                    {"_id": self.collection},
                    {"$inc": {"value": amount}},
                    upsert=True,
                    return_document=True,
                )
        return int(counter["value"])

    async def _last_number(self) -> int:
        with self._guarded():
            counter = await self._counters.find_one({"_id": self.collection})
        return int(counter["value"]) if counter else 0


def _row(document: Mapping[str, Any]) -> JobRow:
    return JobRow(
        id=document["_id"],
        clip_id=document["clip_id"],
        status=JobStatus(document["status"]),
        content_id=document.get("content_id"),
        result_url=document.get("result_url"),
        error=document.get("error"),
    )


def _guard(job: Job) -> dict[str, Any]:
    return {"_id": job.id, "status": job.status, "attempt": job.attempt}


def job_filter(
    *,
    statuses: Sequence[JobStatus] = (),
    project_id: str | None = None,
    clip_id: str | None = None,
    batch_id: str | None = None,
) -> dict[str, Any]:
    """The query for a list of jobs; what is left out does not filter."""
    where: dict[str, Any] = {
        field: value
        for field, value in (
            ("project_id", project_id),
            ("clip_id", clip_id),
            ("batch_id", batch_id),
        )
        if value is not None
    }
    if statuses:
        where["status"] = {"$in": [str(status) for status in statuses]}
    return where
