"""Stores the jobs of batches: the first in the request that brings them, the others beside it.

A batch is written before its jobs, and each job's id derives from batch and clip. So whoever finds
a batch that is open can go on without making a job twice; two who do it at once only waste time.
`BatchClips` reads the clips of a large batch by their project, which is quicker than by id.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial

from backend.dtos.generation_dto import RenderOrderDTO
from backend.models.batch import Batch, RejectedClip
from backend.models.clip import Clip
from backend.models.job import Job, JobStatus
from backend.repositories.batch_repository import BatchRepository
from backend.repositories.clip_repository import ClipRepository
from backend.repositories.jobs.repository import JobRepository
from backend.repositories.project_repository import ProjectRepository
from backend.services.generation.job_factory import JobFactory
from backend.services.queue.admission import QueueLimits
from backend.services.queue_manager import QueueManager
from backend.utils.clock import Clock
from backend.utils.errors import (
    ConflictError,
    DatabaseUnavailableError,
    ResourceNotFoundError,
    StorageFullError,
    StoryCanvasError,
    UnprocessableError,
)
from backend.utils.ids import derived_id


def job_id_of(batch_id: str, clip_id: str) -> str:
    """The id of a clip's job in a batch, whoever stores it, and whenever."""
    return derived_id("batch job", batch_id, clip_id)


#: Clips read by id, which tell the projects of the others.
_SAMPLE = 32
#: So few are read by id at once.
_FEW = 200
#: A clip costs three times as much by its id as among all of its project (embedded database).
_WORTH = 3
#: Projects that are read as a whole for one batch.
_PROJECTS = 8


class BatchClips:
    def __init__(self, clips: ClipRepository, projects: ProjectRepository) -> None:
        self._clips = clips
        self._projects = projects

    async def read(self, clip_ids: Sequence[str]) -> dict[str, Clip]:
        """Those that exist, by id; of many without their takes."""
        if len(clip_ids) <= _FEW:
            return {clip.id: clip for clip in await self._clips.list_by_ids(clip_ids)}
        wanted = set(clip_ids)
        found = {clip.id: clip for clip in await self._clips.list_by_ids(clip_ids[:_SAMPLE])}
        for project_id in await self._worth_reading(found.values(), len(wanted)):
            clips = await self._clips.to_render_of_project(project_id)
            found |= {clip.id: clip for clip in clips if clip.id in wanted}
        rest = [clip_id for clip_id in clip_ids[_SAMPLE:] if clip_id not in found]
        return found | {clip.id: clip for clip in await self._clips.list_by_ids(rest)}

    async def gone(self, clips: Iterable[Clip]) -> set[str]:
        """The ids of those that were deleted since they were read."""
        read = {clip.id: clip for clip in clips}
        there: set[str] = set()
        if len(read) > _FEW:
            for project_id in await self._worth_reading(read.values(), len(read)):
                there |= await self._clips.ids_of_project(project_id)
        # Of a project that was not read as a whole, or that these clips left with it.
        return set(read) - there - await self._clips.existing(sorted(set(read) - there))

    async def _worth_reading(self, clips: Iterable[Clip], wanted: int) -> list[str]:
        """The projects of these clips that have not many more clips than are wanted."""
        most = Counter(clip.project_id for clip in clips).most_common(_PROJECTS)
        projects = [await self._projects.find_by_id(project_id) for project_id, _ in most]
        left = _WORTH * wanted
        worth: list[str] = []
        for project in projects:
            if project is not None and project.clip_count <= left:
                left -= project.clip_count
                worth.append(project.id)
        return worth


logger = logging.getLogger(__name__)

_CHUNK = 500
#: Jobs made, or ids derived, without letting others have a turn.
_AT_ONCE = 100
#: Batches that nobody fills are looked for this often, in seconds. One in which nothing moved from
#: one look to the next is nobody's.
_LOOK_SECONDS = 3.0
#: After the database was away, or full.
_PAUSE = 1.0


@dataclass
class _Filling:
    """One batch in hand. `clips`: those of it that exist, if they were read already."""

    batch_id: str
    clips: dict[str, Clip] | None
    #: Let into the queue and not stored yet, by project.
    admitted: Counter[str]
    #: Set once the request may be answered, or `error` says why it must fail.
    begun: asyncio.Event = field(default_factory=asyncio.Event)
    error: StoryCanvasError | None = None
    task: asyncio.Task[None] | None = None


class BatchFiller:
    def __init__(  # noqa: PLR0913 - it joins clips, batches and the queue
        self,
        batches: BatchRepository,
        jobs: JobRepository,
        projects: ProjectRepository,
        *,
        clips: BatchClips,
        factory: JobFactory,
        queue: QueueManager,
        limits: QueueLimits,
        clock: Clock,
    ) -> None:
        self._batches = batches
        self._jobs = jobs
        self._projects = projects
        self._clips = clips
        self._factory = factory
        self._queue = queue
        self._limits = limits
        self._clock = clock
        #: Jobs stored at a time; a batch of no more is stored whole before its request is answered.
        self.chunk = _CHUNK
        self._fillings: dict[str, _Filling] = {}

    async def begin(
        self, batch_id: str, clips: dict[str, Clip] | None, admitted: Mapping[str, int]
    ) -> None:
        """Return once the first jobs are stored; the others follow by themselves.

        Raises what kept the first from being stored; it goes on nevertheless.
        """
        filling = self._fillings.get(batch_id)
        if filling is None:
            filling = self._start(_Filling(batch_id, clips, Counter(admitted)))
        else:
            self._limits.done(admitted)  # somebody who came first has let them in
        await filling.begun.wait()
        if filling.task is not None and filling.task.done() and not filling.task.cancelled():
            filling.task.result()
        if filling.error is not None:
            raise filling.error

    async def run(self) -> None:
        """Go on with what was left unfinished, here or by others, for as long as it runs."""
        seen: dict[str, int] = {}
        try:
            while True:
                with suppress(DatabaseUnavailableError):
                    seen = await self._look(seen)
                await asyncio.sleep(_LOOK_SECONDS)
        finally:
            tasks = [filling.task for filling in self._fillings.values() if filling.task]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def store_promised(self, job_id: str) -> bool:
        """Store the job of this id now, if an open batch would do so later."""
        for batch_id in await self._batches.unfinished():
            batch = await self._batches.find_by_id(batch_id)
            clip_id = await _clip_of(batch, job_id) if batch else None
            if batch is not None and clip_id is not None:
                return await self._store_one(batch, clip_id)
        return False

    async def end_all(self, statuses: Sequence[JobStatus]) -> None:
        """No job comes any more to batches that are open, if waiting jobs are to be cleared."""
        if JobStatus.PENDING in statuses:
            for batch_id in await self._batches.unfinished():
                await self._batches.close(batch_id, {"updated_at": self._clock()})

    async def _look(self, seen: Mapping[str, int]) -> dict[str, int]:
        open_ids = await self._batches.unfinished()
        others = [batch_id for batch_id in open_ids if batch_id not in self._fillings]
        changes = await self._jobs.totals.changes_of(others) if others else {}
        for batch_id, counted in changes.items():
            if seen.get(batch_id) == counted:
                logger.info("Queueing the rest of batch %s", batch_id)
                self._start(_Filling(batch_id, None, Counter()))
        return changes

    def _start(self, filling: _Filling) -> _Filling:
        self._fillings[filling.batch_id] = filling
        filling.task = asyncio.create_task(
            self._carry_through(filling), name=f"batch {filling.batch_id}"
        )
        filling.task.add_done_callback(partial(_ended, filling))
        return filling

    async def _carry_through(self, filling: _Filling) -> None:
        try:
            while True:
                if await self._try(filling):
                    return
                await asyncio.sleep(_PAUSE)
        finally:
            self._limits.done(filling.admitted)
            del self._fillings[filling.batch_id]

    async def _try(self, filling: _Filling) -> bool:
        """Fill it to its end; False when that must be tried again."""
        try:
            await self._fill(filling)
        except ConflictError:
            # Somebody else stores jobs of this batch: look anew which are missing.
            return False
        except (DatabaseUnavailableError, StorageFullError) as error:
            logger.warning("Batch %s waits: %s", filling.batch_id, error)
            if not filling.begun.is_set():
                filling.error = error
                filling.begun.set()
            return False
        return True

    async def _fill(self, filling: _Filling) -> None:
        batch = await self._batches.find_by_id(filling.batch_id)
        if batch is None or batch.queued:
            return
        there = {row.clip_id for row in await self._jobs.batch_rows(batch.id)}
        there |= {entry.clip_id for entry in batch.rejected}
        if filling.clips is None:
            filling.clips = await self._clips.read(batch.clip_ids)
        missing = [clip_id for clip_id in batch.clip_ids if clip_id not in there]
        absent = [_not_found(clip_id) for clip_id in missing if clip_id not in filling.clips]
        batch = await self._reject(batch, absent)
        present = [clip_id for clip_id in missing if clip_id in filling.clips]
        for clip_ids in _chunks(present, self.chunk):
            clips = await self._still_there(filling, clip_ids)
            jobs, refused = await self._prepare(batch, clips)
            gone = [_not_found(clip_id) for clip_id in clip_ids if clip_id not in clips]
            batch = await self._reject(batch, [*refused, *gone])
            if not await self._store(batch, jobs):
                return
            self._settle(filling, jobs, is_large=len(batch.clip_ids) > self.chunk)
        await self._cancel_gone(batch, filling.clips)
        await self._batches.close(batch.id, {"updated_at": self._clock()})

    async def _reject(self, batch: Batch, more: Sequence[RejectedClip]) -> Batch:
        if not more:
            return batch
        rejected = (*batch.rejected, *more)
        await self._batches.update(
            batch.id, {"rejected": [entry.model_dump() for entry in rejected]}
        )
        return batch.model_copy(update={"rejected": rejected})

    async def _store(self, batch: Batch, jobs: Sequence[Job]) -> bool:
        """False: no more are wanted, since the batch was closed; these are taken back."""
        stored = await self._queue.store(jobs)
        if await self._batches.is_open(batch.id):
            return True
        for job in stored:
            if not await self._jobs.remove(job):
                await self._queue.cancel(job)
        return False

    def _settle(self, filling: _Filling, jobs: Sequence[Job], *, is_large: bool) -> None:
        done = Counter(job.project_id for job in jobs) & filling.admitted
        filling.admitted -= done
        self._limits.done(done)
        filling.error = None
        if is_large:
            filling.begun.set()

    async def _still_there(self, filling: _Filling, clip_ids: Sequence[str]) -> dict[str, Clip]:
        """Those of these clips whose project was not deleted meanwhile."""
        clips = filling.clips or {}
        mine = [clips[clip_id] for clip_id in clip_ids if clip_id in clips]
        gone = {
            project_id
            for project_id in {clip.project_id for clip in mine}
            if await self._projects.find_by_id(project_id) is None
        }
        return {clip.id: clip for clip in mine if clip.project_id not in gone}

    async def _prepare(
        self, batch: Batch, clips: Mapping[str, Clip]
    ) -> tuple[list[Job], list[RejectedClip]]:
        """The jobs of these clips, and the clips that can't have one."""
        order = RenderOrderDTO.model_validate_json(batch.order_json)
        try:
            contexts = await self._factory.contexts(list(clips.values()), order)
        except ResourceNotFoundError as error:  # the template was deleted meanwhile
            return [], [RejectedClip(clip_id=each, error=error.message) for each in clips]
        jobs: list[Job] = []
        refused: list[RejectedClip] = []
        for number, clip in enumerate(clips.values()):
            if number % _AT_ONCE == 0:
                await asyncio.sleep(0)
            try:
                job = self._factory.job_for(clip, batch.generation_type, order, contexts)
            except UnprocessableError as error:
                refused.append(RejectedClip(clip_id=clip.id, error=error.message))
            else:
                changes = {"id": job_id_of(batch.id, clip.id), "batch_id": batch.id}
                jobs.append(job.model_copy(update=changes))
        return jobs, refused

    async def _store_one(self, batch: Batch, clip_id: str) -> bool:
        jobs, _ = await self._prepare(batch, await self._clips.read([clip_id]))
        try:
            return bool(jobs) and await self._store(batch, jobs)
        except ConflictError:
            return True  # it has just been stored

    async def _cancel_gone(self, batch: Batch, clips: Mapping[str, Clip]) -> None:
        """What was deleted while its job was stored found no job to cancel."""
        gone = await self._clips.gone(clips.values())
        for job in await self._jobs.list_by_ids([job_id_of(batch.id, each) for each in gone]):
            await self._queue.cancel(job)


async def _clip_of(batch: Batch, job_id: str) -> str | None:
    for clip_ids in _chunks(batch.clip_ids, _AT_ONCE):
        for clip_id in clip_ids:
            if job_id_of(batch.id, clip_id) == job_id:
                return clip_id
        await asyncio.sleep(0)
    return None


def _chunks(items: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    for first in range(0, len(items), size):
        yield items[first : first + size]


def _not_found(clip_id: str) -> RejectedClip:
    return RejectedClip(clip_id=clip_id, error=f"Clip '{clip_id}' was not found.")


def _ended(filling: _Filling, task: asyncio.Task[None]) -> None:
    """After a fault of ours the periodic look takes the batch up again."""
    filling.begun.set()
    if not task.cancelled() and (error := task.exception()) is not None:
        logger.error("Batch %s was not queued to its end.", filling.batch_id, exc_info=error)
