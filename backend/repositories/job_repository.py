"""Jobs: every move is one guarded write, every list a window on an indexed number."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from backend.models.job import ACTIVE, Job, JobStatus
from backend.repositories.base import BaseRepository, Document
from backend.repositories.job_line import JobPlaces
from backend.repositories.job_recount import COUNTED_FIELDS, JobRecount
from backend.repositories.job_rows import (
    PENDING_FIELDS,
    ROW_FIELDS,
    JobRow,
    PendingRow,
    pending_row,
    row,
)
from backend.repositories.job_totals import STRETCH, WINDOW, JobTotals, Place
from backend.repositories.job_windows import SLICE, slices, wider
from backend.utils.errors import ConflictError
from backend.utils.index_spec import IndexSpec

#: Jobs that one call stores, and that are counted together.
_STORED = 500
#: Jobs that one call clears.
_CLEARED = 500
#: A bulk call has work to do where another one waits for an answer.
_BULK_SECONDS = 20.0
#: Who makes videos for money; their jobs have an index of their own, all others none for it.
_PAID = "openai"
#: Stored even if they are what they are by default: queries, guards and totals name them.
_ALWAYS = ("number", "seq", "status", "priority", "batch_id", "attempt")


class JobRepository(BaseRepository[Job]):
    collection = "jobs"
    kind = "job"
    model = Job
    indexes = (
        IndexSpec(name="unique_number", keys=(("number", 1),), unique=True),
        IndexSpec(name="by_turn", keys=(("status", 1), ("priority", -1), ("number", 1))),
        IndexSpec(name="by_status", keys=(("status", 1), ("number", 1))),
        IndexSpec(name="by_project", keys=(("project_id", 1), ("number", 1))),
        IndexSpec(
            name="by_paid_provider",
            keys=(("provider", 1), ("status", 1)),
            partial={"provider": _PAID},
        ),
        IndexSpec(name="by_scene", keys=(("scene_id", 1), ("status", 1))),
        IndexSpec(name="by_clip", keys=(("clip_id", 1), ("number", 1))),
        IndexSpec(name="by_batch", keys=(("batch_id", 1), ("number", 1))),
    )

    def __init__(self, database: Any, gate: Any) -> None:
        super().__init__(database, gate)
        self._counters = database["counters"]
        self.totals = JobTotals(self._counters, self._guarded)
        self._places = JobPlaces(self._waiting_numbers, stretch=STRETCH)
        #: By priority: no waiting job was seen at or below this number.
        self._heads: dict[int, int] = {}

    def to_document(self, model: Job) -> Document:
        """Without what is as by default: a job has many fields, and each costs at every read."""
        document = model.model_dump(exclude_defaults=True)
        document |= {name: getattr(model, name) for name in _ALWAYS}
        document["_id"] = document.pop("id")
        return document

    async def enqueue(self, jobs: Sequence[Job]) -> list[Job]:
        """Number the jobs in the given order and store them."""
        if not jobs:
            return []
        last = await self._reserve_numbers(len(jobs))
        first = last - len(jobs) + 1
        numbered = [
            job.model_copy(update={"number": first + index}) for index, job in enumerate(jobs)
        ]
        for start in range(0, len(numbered), _STORED):
            await self._store(numbered[start : start + _STORED])
        return numbered

    async def _store(self, jobs: Sequence[Job]) -> None:
        """Insert and count; of jobs that are refused, those before the first known one stay."""
        documents = [self.to_document(job) for job in jobs]
        try:
            with self._guarded(_BULK_SECONDS):
                await self._documents.insert_many(documents)
        except ConflictError:
            window = {"$gte": jobs[0].number, "$lte": jobs[-1].number}
            there = await self._find_raw({"number": window}, fields=COUNTED_FIELDS)
            await self._count_in([Place.read(document) for document in there])
            raise
        await self._count_in([Place.of(job) for job in jobs])

    async def _count_in(self, places: Sequence[Place]) -> None:
        for priority in {place.priority for place in places}:
            numbers = [place.number for place in places if place.priority == priority]
            self._search_from(priority, min(numbers) - 1)
        for place in places:
            self._places.forget(place.priority, place.number)
        await self.totals.add(places, {JobStatus.PENDING: 1})

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
        self._places.forget(job.priority, job.number)
        _, moved = await asyncio.gather(
            self.totals.add([Place.of(job)], {job.status: -1, to: 1}),
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
        low, last = self._heads.get(priority, 0), await self.last_number()
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
        statuses = sorted(ACTIVE)
        if field == "scene_id":
            return await self._find({field: value, "status": {"$in": statuses}})
        found: list[Job] = []
        last = await self.last_number()
        for low in range(0, last + 1, WINDOW):
            window = {"number": {"$gte": low, "$lt": low + WINDOW}}
            found += await self._find({field: value, **window, "status": {"$in": statuses}})
        return found

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

    async def positions(self, jobs: Sequence[Job]) -> dict[str, int]:
        """The places in line of waiting jobs, 1 for the next, by id; see `JobPlaces`."""
        line, last = await asyncio.gather(self.totals.line(), self.last_number())
        return await self._places.places(jobs, line, last)

    async def _waiting_numbers(self, priority: int, low: int, high: int) -> list[int]:
        where = {"status": JobStatus.PENDING, "priority": priority}
        window = {"number": {"$gte": low, "$lt": high}}
        found = await self._find_raw({**where, **window}, fields={"_id": 0, "number": 1})
        return [document["number"] for document in found]

    async def newest(self, where: Mapping[str, Any], *, skip: int, limit: int) -> list[Job]:
        """A page, newest first, read in windows of `number` until the page is full."""
        wanted = skip + limit
        statuses = {name: value for name, value in where.items() if name == "status"}
        named = {name: value for name, value in where.items() if name != "status"}
        found: list[Job] = []
        high = await self.last_number()
        width = high if "clip_id" in named else max(16, wanted)
        while high > 0 and len(found) < wanted:
            low = max(0, high - width)
            window = {"number": {"$gt": low, "$lte": high}}
            # The embedded database takes the index of the fields that come first, and none at
            # all beside a sort: what is selective leads, the statuses come last.
            seen = await self._find({**named, **window, **statuses})
            found += sorted(seen, key=lambda job: -job.number)
            high, width = low, min(wider(width, wanted - len(found), len(seen)), 2 * WINDOW)
            if not named:
                chosen = statuses.get("status", {}).get("$in", list(JobStatus))
                found += await self._newest_below(high, chosen, wanted - len(found))
                break
        return found[skip:wanted]

    async def _newest_below(self, high: int, statuses: Sequence[str], wanted: int) -> list[Job]:
        """Only where there are any, by kept totals, and status by status: nothing else is read."""
        found: list[Job] = []
        windows = await self.totals.windows_with(statuses) if wanted > 0 and high > 0 else []
        slices = [low for window in windows for low in slices(window) if low <= high]
        for low in slices:
            if len(found) >= wanted:
                break
            numbers = {"$gte": low, "$lte": min(high, low + SLICE - 1)}
            seen = await asyncio.gather(
                *(self._find({"status": status, "number": numbers}) for status in statuses)
            )
            found += sorted((job for jobs in seen for job in jobs), key=lambda job: -job.number)
        return found[: max(0, wanted)]

    async def count(self, where: Mapping[str, Any]) -> int:
        """How many match; of all, of a project and of a batch they are kept: that is one read."""
        totals = await self._totals_of({name: where[name] for name in where if name != "status"})
        if totals is None:
            return await self._count(where)
        statuses: Iterable[str] = where.get("status", {}).get("$in", list(JobStatus))
        return sum(totals[JobStatus(status)] for status in statuses)

    async def _totals_of(self, named: Mapping[str, str]) -> Mapping[JobStatus, int] | None:
        if not named:
            return await self.totals.by_status()
        if set(named) == {"project_id"}:
            return await self.totals.by_project(named["project_id"])
        if set(named) == {"batch_id"}:
            return (await self.totals.by_batch([named["batch_id"]]))[named["batch_id"]]
        return None

    async def project_totals(self, project_id: str) -> dict[JobStatus, int]:
        return await self.totals.by_project(project_id)

    async def batch_rows(self, batch_id: str) -> list[JobRow]:
        """Every job of a batch, cut down to what the batch shows of it."""
        found = await self._find_raw({"batch_id": batch_id}, fields=ROW_FIELDS)
        return [row(document) for document in found]

    async def recount(self, *, patience: float = 0.25) -> None:
        """Set the kept totals to the truth, after a crash between a move and its count.

        Takes seconds with very many jobs, in short reads: nothing need wait for its end.
        `patience`: seconds that other processes may take between a move and its count.
        """

        async def read(where: Mapping[str, Any]) -> list[Document]:
            return await self._find_raw(where, fields=COUNTED_FIELDS)

        await JobRecount(self.totals, read, patience=patience).run(await self.last_number())
        self.forget_heads()

    async def remove(self, job: Job) -> bool:
        """Delete a job that stands where `job` says; False when it has moved on."""
        with self._guarded():
            result = await self._documents.delete_one(_guard(job))
        if not result.deleted_count:
            return False
        self._places.forget(job.priority, job.number)
        await self.totals.add([Place.of(job)], {job.status: -1})
        return True

    async def remove_all(self, status: JobStatus) -> int:
        """Delete every job of a status; gives how many."""
        removed = 0
        fields = {**COUNTED_FIELDS, "_id": 1}
        while found := await self._find_raw({"status": status}, fields=fields, limit=_CLEARED):
            ids = [document["_id"] for document in found]
            with self._guarded():
                result = await self._documents.delete_many({"_id": {"$in": ids}, "status": status})
            deleted = int(result.deleted_count)
            removed += deleted
            if deleted == len(ids):
                places = [Place.read(document) for document in found]
                await self.totals.add(places, {status: -1})
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

    async def last_number(self) -> int:
        """The number of the newest job that was ever queued, 0 before the first."""
        with self._guarded():
            counter = await self._counters.find_one({"_id": self.collection})
        return int(counter["value"]) if counter else 0


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
