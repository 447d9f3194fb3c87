"""Batches: a job for each of up to 10,000 clips, queued in bulk and through crashes.

`BatchView` is a batch as clients read it, worked out from its jobs as they stand.
"""

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from backend.dtos.batch_dto import BatchCreateDTO
from backend.models.batch import Batch, batch_fields
from backend.models.job import JobStatus
from backend.repositories.batch_repository import BatchRepository
from backend.repositories.jobs.repository import JobRepository
from backend.repositories.jobs.rows import JobRow
from backend.services.generation.batch_filler import BatchClips, BatchFiller, job_id_of
from backend.services.generation.job_factory import JobFactory
from backend.services.queue.admission import QueueLimits
from backend.utils.clock import Clock
from backend.utils.errors import ConflictError, StoryCanvasError
from backend.utils.ids import derived_id, new_id


class BatchView:
    """Rows are asked for a piece at a time: ten thousand at once would hold everybody up."""

    def __init__(self, batch: Batch, rows: Iterable[JobRow]) -> None:
        self._batch = batch
        self._rows = {row.clip_id: row for row in rows}
        self._errors = {entry.clip_id: entry.error for entry in batch.rejected}

    def fields(self) -> dict[str, Any]:
        counts: Counter[JobStatus] = Counter(row.status for row in self._rows.values())
        return batch_fields(self._batch, counts)

    def results(self, clip_ids: Iterable[str]) -> list[dict[str, Any]]:
        return [self._result(clip_id) for clip_id in clip_ids]

    def _result(self, clip_id: str) -> dict[str, Any]:
        row = self._rows.get(clip_id)
        if row is not None:
            return _shown(row)
        if clip_id in self._errors:
            return _without_job(clip_id, JobStatus.FAILED, self._errors[clip_id])
        if not self._batch.queued:
            return _to_come(clip_id, job_id_of(self._batch.id, clip_id))
        return _without_job(clip_id, JobStatus.CANCELLED, "Its job was deleted.")


def _shown(row: JobRow) -> dict[str, Any]:
    result = {"content_id": row.content_id, "url": row.result_url} if row.content_id else None
    return {
        "clip_id": row.clip_id,
        "job_id": row.id,
        "status": row.status,
        "result": result,
        "error": row.error,
    }


def _to_come(clip_id: str, job_id: str) -> dict[str, Any]:
    """Its job is not stored yet; for everybody else it waits."""
    return {
        "clip_id": clip_id,
        "job_id": job_id,
        "status": JobStatus.PENDING,
        "result": None,
        "error": None,
    }


def _without_job(clip_id: str, status: JobStatus, error: str) -> dict[str, Any]:
    return {"clip_id": clip_id, "job_id": None, "status": status, "result": None, "error": error}


def job_ids(results: Iterable[Mapping[str, Any]]) -> list[str]:
    return [result["job_id"] for result in results if result["job_id"] is not None]


#: Rows put together without letting others have a turn.
_ROWS = 500


class BatchGenerator:
    def __init__(  # noqa: PLR0913 - it joins clips, batches and the queue
        self,
        batches: BatchRepository,
        jobs: JobRepository,
        *,
        clips: BatchClips,
        filler: BatchFiller,
        factory: JobFactory,
        limits: QueueLimits,
        clock: Clock,
    ) -> None:
        self._batches = batches
        self._jobs = jobs
        self._clips = clips
        self._filler = filler
        self._factory = factory
        self._limits = limits
        self._clock = clock

    async def create(self, dto: BatchCreateDTO, *, idempotency_key: str | None) -> dict[str, Any]:
        """Queue a job for each clip; a clip that cannot have one fails alone.

        Raises what no clip could do with: an unknown server or template, a broken workflow, a
        model that no server has; and QueueFullError. A known idempotency key gives the batch that
        came with it first.
        """
        batch_id = derived_id("batch", idempotency_key) if idempotency_key else new_id()
        known = await self._batches.find_by_id(batch_id)
        if known is None:
            await self._factory.check_order(dto, dto.generation_type)
            await self._add(batch_id, dto)
        elif not known.queued:
            await self._filler.begin(batch_id, None, {})
        return await self.get(batch_id)

    async def get(self, batch_id: str) -> dict[str, Any]:
        batch = await self._batches.get(batch_id)
        view = BatchView(batch, await self._jobs.batch_rows(batch.id))
        results: list[dict[str, Any]] = []
        for first in range(0, len(batch.clip_ids), _ROWS):
            results += view.results(batch.clip_ids[first : first + _ROWS])
            await asyncio.sleep(0)
        return {**view.fields(), "job_ids": job_ids(results), "results": results}

    async def newest(self, *, skip: int, limit: int) -> tuple[list[dict[str, Any]], int]:
        """Summaries from the kept totals: no job is read for them."""
        batches, total = await self._batches.newest(skip=skip, limit=limit)
        totals = await self._jobs.totals.by_batch([batch.id for batch in batches])
        return [batch_fields(batch, totals[batch.id]) for batch in batches], total

    async def go_on(self) -> None:
        """Finish, for as long as it runs, what a crash or a stop kept from being queued."""
        await self._filler.run()

    async def _add(self, batch_id: str, dto: BatchCreateDTO) -> None:
        """Write the batch and store its first jobs; all of it gets into the queue, or nothing."""
        clip_ids = tuple(dict.fromkeys(dto.clip_ids))
        clips = await self._clips.read(clip_ids)
        wanted = Counter(clip.project_id for clip in clips.values())
        await self._limits.take(wanted)
        try:
            await self._write(batch_id, clip_ids, dto)
        except StoryCanvasError:
            self._limits.done(wanted)
            raise
        await self._filler.begin(batch_id, clips, wanted)

    async def _write(self, batch_id: str, clip_ids: tuple[str, ...], dto: BatchCreateDTO) -> None:
        now = self._clock()
        order = dto.model_dump_json(exclude={"clip_ids", "generation_type"}, exclude_unset=True)
        batch = Batch(
            id=batch_id,
            clip_ids=clip_ids,
            generation_type=dto.generation_type,
            order_json=order,
            created_at=now,
            updated_at=now,
        )
        try:
            await self._batches.add(batch)
        except ConflictError:
            await self._batches.get(batch_id)  # the same key came twice at once
