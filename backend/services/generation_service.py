"""From a request to a queued job, and, where somebody waits for it, to the take."""

from backend.dtos.clip_dto import ClipCreateDTO
from backend.dtos.generation_dto import GenerateDTO, RenderOrderDTO
from backend.dtos.queue_dto import JobCreateDTO
from backend.models.clip import Clip
from backend.models.content import ContentType
from backend.models.job import Job
from backend.repositories.clip_repository import ClipRepository
from backend.services.film.clip_creation import ClipCreator
from backend.services.generation.awaited_jobs import AwaitedJobs, Generated
from backend.services.generation.job_factory import JobFactory
from backend.services.queue_manager import QueueManager
from backend.utils.errors import InvalidRequestError, QueueFullError, UnprocessableError


class GenerationService:
    def __init__(
        self,
        clips: ClipRepository,
        *,
        clip_creator: ClipCreator,
        factory: JobFactory,
        queue: QueueManager,
        awaited: AwaitedJobs,
    ) -> None:
        self._clips = clips
        self._clip_creator = clip_creator
        self._factory = factory
        self._queue = queue
        self._awaited = awaited

    async def create_clip(self, dto: ClipCreateDTO) -> tuple[Clip, list[str]]:
        """Create a clip and queue a job for its prompt; gives the ids of the jobs queued.

        When the queue is full there is none, nor when what its character brings makes no job, such
        as a workflow of another project: the clip is what was asked for, and is there.
        """
        clip = await self._clip_creator.add(dto)
        if not dto.auto_generate or not (clip.image_prompt or clip.video_prompt):
            return clip, []
        kind = ContentType.IMAGE if clip.image_prompt else ContentType.VIDEO
        order = RenderOrderDTO()
        contexts = await self._factory.contexts([clip], order)
        try:
            job = await self._queue.add_job(self._factory.job_for(clip, kind, order, contexts))
        except (QueueFullError, UnprocessableError):
            return clip, []
        return clip, [job.id]

    async def add_job(self, dto: JobCreateDTO, *, idempotency_key: str | None) -> Job:
        """Queue a job as the queue's own route takes it."""
        clip = await self._clips.get(dto.clip_id)
        if dto.project_id not in {None, clip.project_id}:
            raise InvalidRequestError("The clip belongs to another project.")
        job = await self._factory.prepare(clip, dto.generation_type, dto)
        changes = {"priority": dto.priority}
        if "max_retries" in dto.model_fields_set:
            changes["max_retries"] = dto.max_retries
        job = job.model_copy(update=changes)
        return await self._queue.add_job(job, idempotency_key=idempotency_key)

    async def generate(self, dto: GenerateDTO, *, wait: bool) -> Job | Generated:
        """Queue a job ahead of batch work; waits, answers and raises as `AwaitedJobs.run`."""
        clip = await self._clips.get(dto.clip_id)
        job = await self._factory.prepare(clip, dto.generation_type, dto)
        return await self._awaited.run(job, wait=wait)
