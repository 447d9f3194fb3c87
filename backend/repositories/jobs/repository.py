"""Jobs: every move is one guarded write, every list a window on an indexed number."""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from backend.models.job import Job, JobStatus
from backend.repositories.base_repository import Document
from backend.repositories.jobs.line import JobPlaces
from backend.repositories.jobs.listener import JobListener
from backend.repositories.jobs.queries import JobReading
from backend.repositories.jobs.recount import COUNTED_FIELDS, JobRecount
from backend.repositories.jobs.requeued import Requeued
from backend.repositories.jobs.totals import STRETCH, TotalsKey
from backend.utils.errors import ConflictError
from backend.utils.index_spec import IndexSpec

#: Jobs that one call stores, and that are counted together.
_STORED = 500
#: Jobs that one call clears.
_CLEARED = 500
#: A bulk call has work to do where another one waits for an answer.
_BULK_SECONDS = 20.0
#: Stored even if they are what they are by default: queries, guards and totals name them.
_ALWAYS = ("number", "seq", "status", "priority", "batch_id", "attempt", "fence")
#: Indexes of earlier versions.
_FORMER = ("unique_number", "by_turn", "by_scene", "by_batch", "by_paid_provider")


class JobRepository(JobReading):
    indexes = (
        # Numbers come from one counter, so no two jobs share one: uniqueness would be proved
        # again at every insert, and each index costs a fifth of what storing a job costs.
        IndexSpec(name="by_number", keys=(("number", 1),), replaces=_FORMER),
        IndexSpec(name="by_status", keys=(("status", 1), ("number", 1))),
        IndexSpec(name="by_project", keys=(("project_id", 1), ("number", 1))),
        IndexSpec(name="by_clip", keys=(("clip_id", 1), ("number", 1))),
    )

    def __init__(self, database: Any, gate: Any) -> None:
        super().__init__(database, gate)
        self.requeued = Requeued(self._counters, self._guarded)
        self._places = JobPlaces(self._waiting_numbers, stretch=STRETCH)
        #: Who in this process follows what jobs do.
        self.listeners: list[JobListener] = []
        #: Told of fields that changed on a job that stays where it is, such as its progress.
        self.on_note: list[Callable[[Job, Mapping[str, Any]], None]] = []

    def to_document(self, model: Job) -> Document:
        """Without what is as by default: a job has many fields, and each costs at every read."""
        document = model.model_dump(exclude_defaults=True)
        document |= {name: getattr(model, name) for name in _ALWAYS}
        if model.clip_id is None:
            # One index finds the jobs of clips and of characters: a second would cost at every
            # insert, also of the jobs that it does not hold.
            document["clip_id"] = model.character_id
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
        for batch_id in {job.batch_id for job in jobs if job.batch_id is not None}:
            await self.totals.note_range(batch_id, first, last)
        for start in range(0, len(numbered), _STORED):
            await self._store(numbered[start : start + _STORED])
        for listener in self.listeners:
            listener.queued(numbered)
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
            await self._count_in([TotalsKey.read(document) for document in there])
            raise
        await self._count_in([TotalsKey.of(job) for job in jobs])

    async def _count_in(self, places: Sequence[TotalsKey]) -> None:
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
        # The job has moved, whatever happens next: counting and reading need not wait in turn.
        self._places.forget(job.priority, job.number)
        _, moved = await asyncio.gather(
            self.totals.add([TotalsKey.of(job)], {job.status: -1, to: 1}),
            self.find_by_id(job.id),
        )
        if moved is None:
            return None
        moved = _as_moved(job, moved, to, changes)
        await self._tell_move(job, moved)
        return moved

    async def _tell_move(self, job: Job, moved: Job) -> None:
        if moved.status is JobStatus.PENDING:
            await self.requeued.add(job.id)
        for listener in self.listeners:
            listener.changed(job, moved)

    async def adopt(self, job: Job, fence: int) -> Job | None:
        """Take a running job into the hands of this dispatcher; None: it has moved on."""
        won = await self._update_one(_guard(job), {"$set": {"fence": fence}, "$inc": {"seq": 1}})
        return await self.find_by_id(job.id) if won else None

    async def note(self, job: Job, **changes: Any) -> bool:
        """Change fields of a job that stays where it is; False when it has moved on."""
        noted = await self._update_one(_guard(job), {"$set": changes, "$inc": {"seq": 1}})
        if noted:
            for tell in self.on_note:
                tell(job, changes)
        return noted

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
        line = await self.totals.line()
        found: list[Job] = []
        for priority in line.turns:
            for first, last in line.runs(priority, wanted - len(found)):
                if len(found) >= wanted:
                    break
                found += await self._waiting(priority, first * STRETCH, (last + 1) * STRETCH)
        return found[skip:wanted]

    async def _waiting(self, priority: int, low: int, high: int) -> list[Job]:
        """What waits at a priority, from one number to before another, oldest first."""
        window = {"number": {"$gte": low, "$lt": high}}
        # One condition more in the query, and the embedded database reads all that wait.
        found = await self._find_raw({"status": JobStatus.PENDING, **window})
        ours = [self.to_model(each) for each in found if each["priority"] == priority]
        return sorted(ours, key=lambda job: job.number)

    async def positions(self, jobs: Sequence[Job]) -> dict[str, int]:
        """The places in line of waiting jobs, 1 for the next, by id; see `JobPlaces`."""
        line, last = await asyncio.gather(self.totals.line(), self.last_number())
        return await self._places.places(jobs, line, last)

    async def _waiting_numbers(self, priority: int, low: int, high: int) -> list[int]:
        where = {"status": JobStatus.PENDING, "number": {"$gte": low, "$lt": high}}
        fields = {"_id": 0, "number": 1, "priority": 1}
        found = await self._find_raw(where, fields=fields)
        return [each["number"] for each in found if each["priority"] == priority]

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

    async def recount(self, *, patience: float = 0.25) -> None:
        """Set the kept totals to the truth, after a crash between a move and its count.

        Takes seconds with very many jobs, in short reads: nothing need wait for its end.
        `patience`: seconds that other processes may take between a move and its count.
        """

        async def read(where: Mapping[str, Any]) -> list[Document]:
            return await self._find_raw(where, fields=COUNTED_FIELDS)

        await JobRecount(self.totals, read, patience=patience).run(await self.last_number())

    async def remove(self, job: Job) -> bool:
        """Delete a job that stands where `job` says; False when it has moved on."""
        with self._guarded():
            result = await self._documents.delete_one(_guard(job))
        if not result.deleted_count:
            return False
        self._places.forget(job.priority, job.number)
        await self.totals.add([TotalsKey.of(job)], {job.status: -1})
        for listener in self.listeners:
            listener.removed(job)
        return True

    async def remove_all(self, status: JobStatus) -> int:
        """Delete every job of a status; gives how many."""
        removed, is_shared = 0, False
        fields = {**COUNTED_FIELDS, "_id": 1}
        while found := await self._find_raw({"status": status}, fields=fields, limit=_CLEARED):
            ids = [document["_id"] for document in found]
            with self._guarded():
                result = await self._documents.delete_many({"_id": {"$in": ids}, "status": status})
            deleted = int(result.deleted_count)
            removed += deleted
            if deleted == len(ids):
                places = [TotalsKey.read(document) for document in found]
                await self.totals.add(places, {status: -1})
            else:
                is_shared = True  # nobody knows which of them somebody else removed, and counted
        if is_shared:
            await self.recount()
        for listener in self.listeners:
            listener.cleared(status)
        return removed

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


def _as_moved(job: Job, read: Job, to: JobStatus, changes: Mapping[str, Any]) -> Job:
    """The job as this move left it: somebody may have moved it on before it was read again.

    Whoever made the move must find that out by its next guarded write, not take over their job.
    """
    if (read.status, read.attempt) == (to, changes.get("attempt", job.attempt)):
        return read
    return Job.model_validate({**job.model_dump(), **changes, "status": to, "seq": job.seq + 1})


def _guard(job: Job) -> dict[str, Any]:
    as_read = {"status": job.status, "attempt": job.attempt, "fence": job.fence}
    return {"_id": job.id, **as_read}


def job_filter(
    *,
    statuses: Sequence[JobStatus] = (),
    project_id: str | None = None,
    clip_id: str | None = None,
    character_id: str | None = None,
    batch_id: str | None = None,
) -> dict[str, Any]:
    """The query for a list of jobs; what is left out does not filter."""
    where: dict[str, Any] = {
        field: value
        for field, value in (
            ("project_id", project_id),
            ("clip_id", clip_id or character_id),
            ("character_id", character_id),
            ("batch_id", batch_id),
        )
        if value is not None
    }
    if statuses:
        where["status"] = {"$in": [str(status) for status in statuses]}
    return where
