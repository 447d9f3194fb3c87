"""Batches: a job for each of up to 10,000 clips, queued in bulk and through crashes."""

import asyncio
from collections import Counter
from typing import Any

from backend.dtos.batch_dto import BatchCreateDTO
from backend.models.batch import Batch, batch_fields
from backend.repositories.batch_repository import BatchRepository
from backend.repositories.job_repository import JobRepository
from backend.services.batch_clips import BatchClips
from backend.services.batch_filling import BatchFilling
from backend.services.batch_view import BatchView, job_ids
from backend.services.generation_service import GenerationService
from backend.services.queue_limits import QueueLimits
from backend.utils.clock import Clock
from backend.utils.errors import ConflictError, StoryCanvasError
from backend.utils.ids import derived_id, new_id

#: Rows put together without letting others have a turn.
_ROWS = 500


class BatchService:
    def __init__(  # noqa: PLR0913 - it joins clips, batches and the queue
        self,
        batches: BatchRepository,
        jobs: JobRepository,
        *,
        clips: BatchClips,
        filling: BatchFilling,
        generation: GenerationService,
        limits: QueueLimits,
        clock: Clock,
    ) -> None:
        self._batches = batches
        self._jobs = jobs
        self._clips = clips
        self._filling = filling
        self._generation = generation
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
            await self._generation.check_order(dto, dto.generation_type)
            await self._add(batch_id, dto)
        elif not known.queued:
            await self._filling.begin(batch_id, None, {})
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
        await self._filling.run()

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
        await self._filling.begin(batch_id, clips, wanted)

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
