"""Makes jobs of what was asked for, and refuses what could never be made."""

import secrets
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from backend.dtos.generation_dto import GenerationParamsDTO, RenderOrderDTO
from backend.models.character import Character
from backend.models.clip import Clip
from backend.models.content import ContentType, GeneratedContent
from backend.models.job import Job
from backend.models.provenance import GraphPlan
from backend.models.saved_workflow import SavedWorkflow
from backend.services.film.character_words import own_words
from backend.services.generation.eligibility import EligibilityChecker
from backend.services.generation.render_context import RenderContextLoader, RenderContexts
from backend.services.queue.render_request import render_request
from backend.services.queue.runners.openai import PROVIDER_ID, OpenAIVideoRunner, is_provider_job
from backend.services.queue.runners.openai_request import PROVIDER_READS
from backend.services.workflows import custom, unused_params_of
from backend.services.workflows.graph import UPLOADS
from backend.services.workflows.graph_text import as_object, as_text
from backend.utils.clock import Clock
from backend.utils.errors import UnprocessableError, WorkflowError
from backend.utils.ids import new_id

#: JavaScript clients read seeds as doubles: 53 bits survive.
_SEED_BITS = 53
_PARAMS = frozenset(GenerationParamsDTO.model_fields) - {"provider", "use_custom_workflow"}
#: Stands for a picture that only some clip's character may bring.
_ANY_PICTURE = f"{UPLOADS}any.png"
_NOT_STORED = {"workflow_json", "use_custom_workflow", "provider"}
#: Of what a graph's plan will make, what a job's params say of it.
_AS_PARAMS = (("width", "width"), ("height", "height"), ("frames", "video_frames"))
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


class JobFactory:
    """`max_retries`: how often a job is tried again where its order does not say."""

    def __init__(
        self,
        *,
        contexts: RenderContextLoader,
        provider: OpenAIVideoRunner,
        eligibility: EligibilityChecker,
        max_retries: int,
        clock: Clock,
    ) -> None:
        self._contexts = contexts
        self._provider = provider
        self._eligibility = eligibility
        self._max_retries = max_retries
        self._clock = clock

    async def prepare(self, clip: Clip, kind: ContentType, order: RenderOrderDTO) -> Job:
        """Make a job that some server could run; errors say what cannot work before it queues."""
        job = self.job_for(clip, kind, order, await self.contexts([clip], order))
        await self._check_possible(job)
        return job

    async def prepare_picture(self, character: Character, order: RenderOrderDTO) -> Job:
        """Make a job for a picture of a character; raises as `prepare`.

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

    async def prepare_graph(
        self, clip: Clip, take: GeneratedContent, plan: GraphPlan, *, server_id: str | None
    ) -> Job:
        """Make a job that sends a take's graph again, as it is.

        ModelUnavailableError where no server has its nodes and files under these very names.
        """
        job = self._graph_job(clip, take, plan)
        job = job.model_copy(update={"pinned_server_id": _named_server(server_id)})
        await self._check_possible(job)
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
            pinned_server_id=_named_server(order.server_id),
            max_retries=self._max_retries,
            created_at=self._clock(),
        )

    def _graph_job(self, clip: Clip, take: GeneratedContent, plan: GraphPlan) -> Job:
        return Job(
            id=new_id(),
            project_id=clip.project_id,
            scene_id=clip.scene_id,
            clip_id=clip.id,
            generation_type=take.content_type,
            prompt=take.prompt,
            negative_prompt=take.negative_prompt,
            model=plan.model_name,
            params=_graph_params(take, plan),
            loras=tuple(take.generation_params.get("loras") or ()),
            plan_json=plan.model_dump_json(),
            max_retries=self._max_retries,
            created_at=self._clock(),
        )


def _graph_params(take: GeneratedContent, plan: GraphPlan) -> dict[str, Any]:
    """What the job says of the graph; the graph alone decides."""
    size = {param: getattr(plan, field) for field, param in _AS_PARAMS}
    told = {**size, "video_fps": plan.fps, "steps": plan.sampling.get("steps")}
    known = {name: value for name, value in told.items() if value is not None}
    return {**known, "seed": take.seed or 0, "from_content_id": take.id}


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


def _named_server(asked: str | None) -> str | None:
    return None if asked in {None, "auto"} else asked


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
