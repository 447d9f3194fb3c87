"""Batches: a job for each of up to 10,000 clips, queued in bulk and through crashes."""

import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from backend.dtos.batch_dto import BatchCreateDTO
from backend.dtos.generation_dto import RenderOrderDTO
from backend.models.batch import Batch, RejectedClip, batch_fields
from backend.models.clip import Clip
from backend.models.job import Job, JobStatus
from backend.repositories.batch_repository import BatchRepository
from backend.repositories.clip_repository import ClipRepository
from backend.repositories.job_repository import JobRepository
from backend.repositories.job_rows import JobRow
from backend.services.generation_service import GenerationService
from backend.services.queue_manager import QueueManager
from backend.utils.clock import Clock
from backend.utils.errors import ConflictError, UnprocessableError
from backend.utils.ids import derived_id, new_id

logger = logging.getLogger(__name__)

_CHUNK = 500


class _Queued(NamedTuple):
    jobs: list[Job]
    rejected: list[RejectedClip]


class BatchService:
    """A batch is written before its jobs, and each job's id derives from batch and clip.

    So whoever finds a batch that is not queued to its end can go on without making a job twice.
    """

    def __init__(
        self,
        batches: BatchRepository,
        clips: ClipRepository,
        jobs: JobRepository,
        *,
        generation: GenerationService,
        queue: QueueManager,
        clock: Clock,
    ) -> None:
        self._batches = batches
        self._clips = clips
        self._jobs = jobs
        self._generation = generation
        self._queue = queue
        self._clock = clock

    async def create(self, dto: BatchCreateDTO, *, idempotency_key: str | None) -> dict[str, Any]:
        """Queue a job for each clip; a clip that cannot have one fails alone.

        Raises what no clip could do with: an unknown server or template, a broken workflow, a
        model that no server has. A known idempotency key gives the batch that came with it first.
        """
        batch_id = derived_id("batch", idempotency_key) if idempotency_key else new_id()
        known = await self._batches.find_by_id(batch_id)
        if known is None:
            await self._generation.check_order(dto, dto.generation_type)
            known = await self._add(batch_id, dto)
        if not known.queued:
            known = await self._queue_all(known)
        return await self._view(known)

    async def get(self, batch_id: str) -> dict[str, Any]:
        return await self._view(await self._batches.get(batch_id))

    async def newest(self, *, skip: int, limit: int) -> tuple[list[dict[str, Any]], int]:
        """Summaries from the kept totals: no job is read for them."""
        batches, total = await self._batches.newest(skip=skip, limit=limit)
        totals = await self._jobs.totals.by_batch([batch.id for batch in batches])
        return [batch_fields(batch, totals[batch.id]) for batch in batches], total

    async def go_on(self) -> None:
        """Queue what a crash kept from being queued, and count unfinished batches again."""
        for batch in await self._batches.unfinished():
            logger.info("Queueing the rest of batch %s", batch.id)
            await self._queue_all(batch)

    async def _add(self, batch_id: str, dto: BatchCreateDTO) -> Batch:
        now = self._clock()
        batch = Batch(
            id=batch_id,
            clip_ids=tuple(dict.fromkeys(dto.clip_ids)),
            generation_type=dto.generation_type,
            order_json=dto.model_dump_json(
                exclude={"clip_ids", "generation_type"}, exclude_unset=True
            ),
            created_at=now,
            updated_at=now,
        )
        try:
            return await self._batches.add(batch)
        except ConflictError:
            return await self._batches.get(batch_id)

    async def _queue_all(self, batch: Batch) -> Batch:
        order = RenderOrderDTO.model_validate_json(batch.order_json)
        there = {row.clip_id for row in await self._jobs.batch_rows(batch.id)}
        missing = [clip_id for clip_id in batch.clip_ids if clip_id not in there]
        rejected: list[RejectedClip] = []
        for clip_ids in _chunks(missing):
            queued = await self._prepare(batch, order, clip_ids)
            await self._queue.add_jobs(queued.jobs)
            rejected += queued.rejected
        changes = {
            "queued": True,
            "rejected": [entry.model_dump() for entry in rejected],
            "updated_at": self._clock(),
        }
        await self._batches.update(batch.id, changes)
        return await self._batches.get(batch.id)

    async def _prepare(
        self, batch: Batch, order: RenderOrderDTO, clip_ids: Sequence[str]
    ) -> _Queued:
        clips = {clip.id: clip for clip in await self._clips.list_by_ids(clip_ids)}
        rejected = [
            RejectedClip(clip_id=clip_id, error=f"Clip '{clip_id}' was not found.")
            for clip_id in clip_ids
            if clip_id not in clips
        ]
        contexts = await self._generation.contexts(list(clips.values()), order)
        jobs: list[Job] = []
        for clip in clips.values():
            try:
                job = self._generation.job_for(clip, batch.generation_type, order, contexts)
            except UnprocessableError as error:
                rejected.append(RejectedClip(clip_id=clip.id, error=error.message))
            else:
                jobs.append(_in_batch(job, batch, clip))
        return _Queued(jobs, rejected)

    async def _view(self, batch: Batch) -> dict[str, Any]:
        rows = {row.clip_id: row for row in await self._jobs.batch_rows(batch.id)}
        errors = {entry.clip_id: entry.error for entry in batch.rejected}
        counts: Counter[JobStatus] = Counter(row.status for row in rows.values())
        return {
            **batch_fields(batch, counts),
            "job_ids": [rows[clip_id].id for clip_id in batch.clip_ids if clip_id in rows],
            "results": [_row(clip_id, rows.get(clip_id), errors) for clip_id in batch.clip_ids],
        }


def _in_batch(job: Job, batch: Batch, clip: Clip) -> Job:
    job_id = derived_id("batch job", batch.id, clip.id)
    return job.model_copy(update={"id": job_id, "batch_id": batch.id})


def _row(clip_id: str, row: JobRow | None, errors: dict[str, str]) -> dict[str, Any]:
    if row is None:
        error = errors.get(clip_id, "Its job was deleted.")
        return {
            "clip_id": clip_id,
            "job_id": None,
            "status": JobStatus.FAILED if clip_id in errors else JobStatus.CANCELLED,
            "result": None,
            "error": error,
        }
    result = {"content_id": row.content_id, "url": row.result_url} if row.content_id else None
    return {
        "clip_id": clip_id,
        "job_id": row.id,
        "status": row.status,
        "result": result,
        "error": row.error,
    }


def _chunks(items: Sequence[str]) -> Iterator[Sequence[str]]:
    for first in range(0, len(items), _CHUNK):
        yield items[first : first + _CHUNK]
