"""From a request to a queued job, and, where somebody waits for it, to the take."""

import secrets
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from backend.dtos.clip_dto import ClipCreateDTO
from backend.dtos.generation_dto import GenerateDTO, GenerationParamsDTO, RenderOrderDTO
from backend.dtos.queue_dto import JobCreateDTO
from backend.models.character import Character
from backend.models.clip import Clip
from backend.models.content import ContentType, GeneratedContent
from backend.models.job import Job, JobStatus
from backend.models.saved_workflow import SavedWorkflow
from backend.repositories.clip_repository import ClipRepository
from backend.services.film.character_words import own_words
from backend.services.film.clip_creation import ClipCreator
from backend.services.film.galleries import Galleries
from backend.services.generation.eligibility import EligibilityChecker
from backend.services.generation.render_context import RenderContextLoader, RenderContexts
from backend.services.queue.render_request import render_request
from backend.services.queue.runners.openai import PROVIDER_ID, OpenAIVideoRunner, is_provider_job
from backend.services.queue.runners.openai_request import PROVIDER_READS
from backend.services.queue_manager import QueueManager
from backend.services.workflows import custom, unused_params_of
from backend.services.workflows.graph import UPLOADS
from backend.services.workflows.graph_text import as_object, as_text
from backend.utils.clock import Clock
from backend.utils.errors import (
    ConflictError,
    InvalidRequestError,
    ModelUnavailableError,
    QueueFullError,
    StorageFullError,
    StoryCanvasError,
    UnprocessableError,
    UpstreamError,
    WorkflowError,
)
from backend.utils.ids import new_id

#: A person waits for `POST /generate`, so it goes ahead of everything queued.
INTERACTIVE_PRIORITY = 50
#: JavaScript clients read seeds as doubles: 53 bits survive.
_SEED_BITS = 53
_PARAMS = frozenset(GenerationParamsDTO.model_fields) - {"provider", "use_custom_workflow"}
#: Stands for a picture that only some clip's character may bring.
_ANY_PICTURE = f"{UPLOADS}any.png"
_NOT_STORED = {"workflow_json", "use_custom_workflow", "provider"}
_ERRORS: dict[str, type[StoryCanvasError]] = {
    WorkflowError.default_code: WorkflowError,
    ModelUnavailableError.default_code: ModelUnavailableError,
    StorageFullError.default_code: StorageFullError,
}


#: Stands for a clip where only the order is looked at.
_ANY_CLIP = Clip(
    id="-",
    scene_id="-",
    project_id="-",
    name="-",
    image_prompt="-",
    created_at=datetime.min.replace(tzinfo=UTC),
    updated_at=datetime.min.replace(tzinfo=UTC),
)


class Generated(NamedTuple):
    """`gallery`: all takes of its clip or character, this one among them."""

    job: Job
    content: GeneratedContent
    gallery: Sequence[GeneratedContent]


class GenerationService:
    """`wait_seconds`: how long `generate` waits; `max_retries`: for jobs that name none."""

    def __init__(  # noqa: PLR0913 - it joins clips, servers and the queue
        self,
        clips: ClipRepository,
        *,
        clip_creator: ClipCreator,
        galleries: Galleries,
        contexts: RenderContextLoader,
        provider: OpenAIVideoRunner,
        queue: QueueManager,
        eligibility: EligibilityChecker,
        wait_seconds: float,
        max_retries: int,
        clock: Clock,
    ) -> None:
        self._clips = clips
        self._clip_creator = clip_creator
        self._galleries = galleries
        self._contexts = contexts
        self._provider = provider
        self._queue = queue
        self._eligibility = eligibility
        self._wait_seconds = wait_seconds
        self._max_retries = max_retries
        self._clock = clock

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
        contexts = await self.contexts([clip], order)
        try:
            job = await self._queue.add_job(self.job_for(clip, kind, order, contexts))
        except (QueueFullError, UnprocessableError):
            return clip, []
        return clip, [job.id]

    async def add_job(self, dto: JobCreateDTO, *, idempotency_key: str | None) -> Job:
        """Queue a job as the queue's own route takes it."""
        clip = await self._clips.get(dto.clip_id)
        if dto.project_id not in {None, clip.project_id}:
            raise InvalidRequestError("The clip belongs to another project.")
        job = await self.prepare_generation(clip, dto.generation_type, dto)
        changes = {"priority": dto.priority}
        if "max_retries" in dto.model_fields_set:
            changes["max_retries"] = dto.max_retries
        job = job.model_copy(update=changes)
        return await self._queue.add_job(job, idempotency_key=idempotency_key)

    async def prepare_generation(self, clip: Clip, kind: ContentType, order: RenderOrderDTO) -> Job:
        """Make a job that some server could run; errors say what cannot work before it queues."""
        job = self.job_for(clip, kind, order, await self.contexts([clip], order))
        await self._check_possible(job)
        return job

    async def prepare_picture(self, character: Character, order: RenderOrderDTO) -> Job:
        """Make a job for a picture of a character; raises as `prepare_generation`.

        Without a prompt it shows what the character's words say.
        """
        clip = _wearing(character)
        contexts = await self.contexts([clip], order)
        job = self._complete_job(clip, ContentType.IMAGE, order, contexts)
        owner = {"character_id": character.id, "clip_id": None, "scene_id": ""}
        job = job.model_copy(update=owner)
        words = "give the character trigger words, a description or style notes"
        await self._check_possible(_checked(job, or_else=words))
        return job

    async def contexts(self, clips: Sequence[Clip], order: RenderOrderDTO) -> RenderContexts:
        """Read what the clips' characters and the order's template bring, for all at once."""
        return await self._contexts.load(clips, order)

    async def check_order(self, order: RenderOrderDTO, kind: ContentType) -> None:
        """Raise what makes an order impossible for every clip, before any job is made of it."""
        contexts = await self.contexts([], order)
        clip, complete = _for_any_clip(contexts, kind, order)
        await self._check_possible(self.job_for(clip, kind, complete, contexts))

    def job_for(
        self, clip: Clip, kind: ContentType, order: RenderOrderDTO, contexts: RenderContexts
    ) -> Job:
        """Make one clip's job.

        UnprocessableError when neither order nor clip has a prompt, for a saved workflow that the
        clip may not have, and for a graph that begins from a picture when there is none.
        """
        job = self._complete_job(clip, kind, order, contexts)
        return _checked(job, or_else=f"give the clip its {kind}_prompt")

    def _complete_job(
        self, clip: Clip, kind: ContentType, order: RenderOrderDTO, contexts: RenderContexts
    ) -> Job:
        complete = contexts.order_for(clip, kind, order)
        job = self._job(clip, kind, complete, contexts.workflow_for(clip, complete.params))
        if is_provider_job(job):
            job = job.model_copy(update={"provider": PROVIDER_ID})
        return job.model_copy(update={"ignored_params": _ignored(job, order.params)})

    async def _check_possible(self, job: Job) -> None:
        if job.provider is not None:
            if job.pinned_server_id != PROVIDER_ID:
                await self._eligibility.check_pin(job)
            self._provider.check(job)
        else:
            await self._eligibility.check(job)

    async def generate(self, dto: GenerateDTO, *, wait: bool) -> Job | Generated:
        """Queue a job ahead of batch work and wait for its take.

        A Job as answer means that it still waits or runs. Raises what went wrong with the job:
        WorkflowError, ModelUnavailableError, StorageFullError, ConflictError when it was
        cancelled, else UpstreamError.
        """
        clip = await self._clips.get(dto.clip_id)
        job = await self.prepare_generation(clip, dto.generation_type, dto)
        return await self.run(job, wait=wait)

    async def run(self, job: Job, *, wait: bool) -> Job | Generated:
        """Queue a job that somebody may wait for; answers and raises as `generate`."""
        job = await self._queue.add_job(job.model_copy(update={"priority": INTERACTIVE_PRIORITY}))
        if not wait or not await self._may_come_soon(job):
            return job
        job = await self._queue.wait_for(job.id, self._wait_seconds)
        if job.status is not JobStatus.COMPLETED:
            if job.is_finished:
                raise _error_of(job)
            return job
        return await self._generated(job)

    async def _may_come_soon(self, job: Job) -> bool:
        """Whether waiting makes sense: somebody is there who could make it."""
        return job.provider is not None or await self._eligibility.any_registered()

    async def _generated(self, job: Job) -> Generated:
        gallery = await self._galleries.takes(job)
        content = next((take for take in gallery if take.id == job.content_id), None)
        if content is None:
            raise ConflictError("The take was removed.", code="TAKE_GONE", job_id=job.id)
        return Generated(job, content, gallery)

    def _job(
        self, clip: Clip, kind: ContentType, order: RenderOrderDTO, saved: SavedWorkflow | None
    ) -> Job:
        params = order.params
        _check_provider(params)
        loras = [lora.model_dump() for lora in order.loras]
        if order.lora:
            loras.insert(0, {"name": order.lora, "weight": 1.0})
        return Job(
            id=new_id(),
            project_id=clip.project_id,
            scene_id=clip.scene_id,
            clip_id=clip.id,
            generation_type=kind,
            prompt=order.prompt,
            negative_prompt=order.negative_prompt,
            model=order.model,
            params=_stored(params),
            loras=tuple(loras),
            workflow_json=saved.workflow_json if saved else _custom_workflow(params),
            pinned_server_id=_pinned(order),
            max_retries=self._max_retries,
            created_at=self._clock(),
        )


def _wearing(character: Character) -> Clip:
    """A clip that nobody stores and that has just this character: it gets what such a clip gets."""
    worn = {
        "project_id": character.project_id or "",
        "character_id": character.id,
        "image_prompt": own_words(character),
    }
    return _ANY_CLIP.model_copy(update=worn)


def _checked(job: Job, *, or_else: str) -> Job:
    """Give the job back, unless it lacks a prompt, or its graph a picture."""
    if not job.prompt and not job.workflow_json:
        raise UnprocessableError(
            f"There is no prompt: send one, or {or_else}.", code="PROMPT_MISSING"
        )
    if job.workflow_json and custom.may_need_picture(job.workflow_json):
        custom.prepare(render_request(job, 1))
    return job


def _pinned(order: RenderOrderDTO) -> str | None:
    return None if order.server_id in {None, "auto"} else order.server_id


def _for_any_clip(
    contexts: RenderContexts, kind: ContentType, order: RenderOrderDTO
) -> tuple[Clip, RenderOrderDTO]:
    """A clip that could have the order, with what only clips may bring to a custom graph."""
    complete = contexts.order_for(_ANY_CLIP, kind, order)
    params = complete.params
    saved = contexts.workflows.get(params.workflow_id or "")
    clip = _ANY_CLIP.model_copy(update={"project_id": saved.project_id if saved else "-"})
    if (saved or params.use_custom_workflow) and params.input_reference_url is None:
        params = params.model_copy(update={"input_reference_url": _ANY_PICTURE})
    return clip, complete.model_copy(update={"params": params})


def _check_provider(params: GenerationParamsDTO) -> None:
    if params.provider not in {None, "comfyui", PROVIDER_ID}:
        raise UnprocessableError(
            f"There is no provider '{params.provider}' here.", code="PROVIDER_UNKNOWN"
        )


def _stored(params: GenerationParamsDTO) -> dict[str, object]:
    """What the job keeps: the known parameters that were given, and always a seed."""
    known = set(GenerationParamsDTO.model_fields) - _NOT_STORED
    stored = params.model_dump(include=known, exclude_none=True)
    if params.provider is not None:
        stored["provider"] = params.provider
    if stored.get("seed", -1) == -1:
        stored["seed"] = secrets.randbits(_SEED_BITS)
    return stored


def _ignored(job: Job, params: GenerationParamsDTO) -> tuple[str, ...]:
    if job.provider is None:
        unused = unused_params_of(render_request(job, 1))
    else:
        given = {name for name in params.model_fields_set if getattr(params, name) is not None}
        unused = frozenset(given) & (_PARAMS - PROVIDER_READS)
    return tuple(sorted({*params.unknown, *unused}))


def _custom_workflow(params: GenerationParamsDTO) -> str | None:
    """The custom graph as JSON text. Raises WorkflowError when it is none."""
    if not params.use_custom_workflow:
        return None
    if params.workflow_json is None:
        raise WorkflowError(
            "use_custom_workflow needs workflow_json.", code="WORKFLOW_MISSING", errors=[]
        )
    return as_text(as_object(params.workflow_json))


def _error_of(job: Job) -> StoryCanvasError:
    """The error that a waiting client gets for a job that ended without a take."""
    if job.status is JobStatus.CANCELLED:
        return ConflictError("The job was cancelled.", code="JOB_CANCELLED", job_id=job.id)
    kind = _ERRORS.get(job.error_code or "", UpstreamError)
    details = {**(job.error_details or {}), "job_id": job.id}
    return kind(job.error or "The generation failed.", code=job.error_code, **details)
