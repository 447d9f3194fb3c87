"""Jobs: every move is one guarded write, every list a window on an indexed number."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from backend.models.job import ACTIVE, Job, JobStatus
from backend.repositories.base import BaseRepository
from backend.utils.errors import ConflictError
from backend.utils.index_spec import IndexSpec

_NEWEST_FIRST = (("number", -1),)
_TOTALS = "job_totals"


class JobRepository(BaseRepository[Job]):
    collection = "jobs"
    kind = "job"
    model = Job
    indexes = (
        IndexSpec(name="unique_number", keys=(("number", 1),), unique=True),
        IndexSpec(name="by_turn", keys=(("status", 1), ("priority", -1), ("number", 1))),
        IndexSpec(name="by_status", keys=(("status", 1), ("number", 1))),
        IndexSpec(name="by_project", keys=(("project_id", 1), ("number", 1))),
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
        await self._add_to_totals({JobStatus.PENDING: len(numbered)})
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
            self._add_to_totals({job.status: -1, to: 1}), self.find_by_id(job.id)
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
        return {status: max(0, int(kept.get(status, 0))) for status in JobStatus}

    async def recount(self) -> None:
        """Set the kept totals to the truth, after a crash between a move and its count."""
        counted = {str(status): await self._count({"status": status}) for status in JobStatus}
        with self._guarded():
            await self._counters.update_one({"_id": _TOTALS}, {"$set": counted}, upsert=True)

    async def _reserve_numbers(self, amount: int) -> int:
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

    async def _add_to_totals(self, amounts: Mapping[JobStatus, int]) -> None:
        change = {str(status): amount for status, amount in amounts.items()}
        with self._guarded():
            await self._counters.update_one({"_id": _TOTALS}, {"$inc": change}, upsert=True)


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
