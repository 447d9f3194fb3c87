"""Jobs: every move is one guarded write, every list a window on an indexed number."""

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from backend.models.job import ACTIVE, Job, JobStatus
from backend.repositories.base import BaseRepository
from backend.utils.errors import ConflictError
from backend.utils.index_spec import IndexSpec

_NEWEST_FIRST = (("number", -1),)
_TOTALS = "job_totals"
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
        IndexSpec(name="by_scene", keys=(("scene_id", 1), ("status", 1))),
        IndexSpec(name="by_clip", keys=(("clip_id", 1), ("number", 1))),
        IndexSpec(name="by_batch", keys=(("batch_id", 1), ("number", 1))),
    )

    def __init__(self, database: Any, gate: Any) -> None:
        super().__init__(database, gate)
        self._counters = database["counters"]

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
        for batch_id, amount in Counter(job.batch_id for job in numbered).items():
            await self._add_to_totals({JobStatus.PENDING: amount}, batch_id)
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
        # The job has moved, whatever happens next: counting and reading need not wait in turn.
        _, moved = await asyncio.gather(
            self._add_to_totals({job.status: -1, to: 1}, job.batch_id),
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
        turn = (("priority", -1), ("number", 1))
        where = {"status": JobStatus.PENDING}
        return await self._find(where, sort=turn, skip=skip, limit=limit)

    async def processing(self) -> list[Job]:
        return await self._find({"status": JobStatus.PROCESSING}, sort=(("number", 1),))

    async def active_for(self, field: str, value: str) -> list[Job]:
        """Pending and processing jobs of a project, scene, clip or batch."""
        return await self._find({field: value, "status": {"$in": sorted(ACTIVE)}})

    async def count_ahead(self, job: Job) -> int:
        """How many pending jobs come before this one."""
        pending = {"status": JobStatus.PENDING}
        higher = await self._count({**pending, "priority": {"$gt": job.priority}})
        older = {**pending, "priority": job.priority, "number": {"$lt": job.number}}
        return higher + await self._count(older)

    async def turns(self) -> list[tuple[int, int]]:
        """(-priority, number) of every pending job, the next one first."""
        fields = {"_id": 0, "priority": 1, "number": 1}
        found = await self._find_raw({"status": JobStatus.PENDING}, fields=fields)
        return sorted((-document["priority"], document["number"]) for document in found)

    async def newest(self, where: Mapping[str, Any], *, skip: int, limit: int) -> list[Job]:
        """A page, newest first, read in windows of `number` that grow until the page is full."""
        wanted = skip + limit
        found: list[Job] = []
        high = await self._last_number()
        width = max(64, 2 * wanted)
        while high > 0 and len(found) < wanted:
            low = max(0, high - width)
            window = {"number": {"$gt": low, "$lte": high}}
            found += await self._find({**where, **window}, sort=_NEWEST_FIRST)
            high, width = low, width * 4
        return found[skip:wanted]

    async def count(self, where: Mapping[str, Any]) -> int:
        """How many match; totals by status alone are kept, so they cost one read."""
        if set(where) <= {"status"}:
            totals = await self.totals()
            statuses: Iterable[str] = where.get("status", {}).get("$in", list(JobStatus))
            return sum(totals[JobStatus(status)] for status in statuses)
        return await self._count(where)

    async def totals(self) -> dict[JobStatus, int]:
        with self._guarded():
            kept = await self._counters.find_one({"_id": _TOTALS}) or {}
        return _totals(kept)

    async def batch_totals(self, batch_ids: Sequence[str]) -> dict[str, dict[JobStatus, int]]:
        """The kept totals of each of these batches."""
        where = {"_id": {"$in": [_scope(batch_id) for batch_id in batch_ids]}}
        with self._guarded():
            kept = {found["_id"]: found async for found in self._counters.find(where)}
        return {batch_id: _totals(kept.get(_scope(batch_id), {})) for batch_id in batch_ids}

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
        await self._recount({}, _TOTALS)
        running = await self._find_raw({"status": JobStatus.PROCESSING}, fields={"batch_id": 1})
        newest = await self.newest({}, skip=0, limit=_RECENT)
        touched = {document.get("batch_id") for document in running}
        touched |= {job.batch_id for job in newest}
        for batch_id in touched - {None}:
            await self._recount({"batch_id": batch_id}, _scope(batch_id))

    async def _recount(self, where: Mapping[str, Any], scope: str) -> None:
        counted = {
            str(status): await self._count({**where, "status": status}) for status in JobStatus
        }
        with self._guarded():
            await self._counters.update_one({"_id": scope}, {"$set": counted}, upsert=True)

    async def remove(self, job: Job) -> bool:
        """Delete a job that stands where `job` says; False when it has moved on."""
        with self._guarded():
            result = await self._documents.delete_one(_guard(job))
        if not result.deleted_count:
            return False
        await self._add_to_totals({job.status: -1}, job.batch_id)
        return True

    async def remove_all(self, status: JobStatus) -> int:
        """Delete every job of a status; gives how many."""
        removed = 0
        fields = {"batch_id": 1}
        while found := await self._find_raw({"status": status}, fields=fields, limit=_CLEARED):
            ids = [document["_id"] for document in found]
            with self._guarded():
                result = await self._documents.delete_many({"_id": {"$in": ids}, "status": status})
            deleted = int(result.deleted_count)
            removed += deleted
            if deleted == len(ids):
                batches = Counter(document.get("batch_id") for document in found)
                for batch_id, amount in batches.items():
                    await self._add_to_totals({status: -amount}, batch_id)
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

    async def _add_to_totals(
        self, amounts: Mapping[JobStatus, int], batch_id: str | None = None
    ) -> None:
        change = {"$inc": {str(status): amount for status, amount in amounts.items()}}
        with self._guarded():
            await self._counters.update_one({"_id": _TOTALS}, change, upsert=True)
            if batch_id is not None:
                await self._counters.update_one({"_id": _scope(batch_id)}, change, upsert=True)


def _scope(batch_id: str | None) -> str:
    return f"job_totals:{batch_id}"


def _totals(kept: Mapping[str, Any]) -> dict[JobStatus, int]:
    return {status: max(0, int(kept.get(status, 0))) for status in JobStatus}


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
