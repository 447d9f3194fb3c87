"""Reads the graphs of takes for a gallery, and has them rendered once more as they are."""

from collections.abc import Iterable
from typing import Any

from backend.models.clip import Clip
from backend.models.content import GeneratedContent
from backend.models.job import Job
from backend.models.provenance import GraphPlan
from backend.repositories.clip_repository import ClipRepository
from backend.repositories.graph_repository import GraphRepository
from backend.services.generation.eligibility import EligibilityChecker
from backend.services.generation_service import Generated, GenerationService
from backend.services.queue.provenance import graph_id_of
from backend.utils.clock import Clock
from backend.utils.errors import ConflictError, ResourceNotFoundError
from backend.utils.ids import new_id

#: Of what a plan will make, what a job's params say of it.
_AS_PARAMS = (("width", "width"), ("height", "height"), ("frames", "video_frames"))


class TakeGraphs:
    """`max_retries`: how often such a job is tried again."""

    def __init__(
        self,
        clips: ClipRepository,
        graphs: GraphRepository,
        *,
        eligibility: EligibilityChecker,
        generation: GenerationService,
        max_retries: int,
        clock: Clock,
    ) -> None:
        self._clips = clips
        self._graphs = graphs
        self._eligibility = eligibility
        self._generation = generation
        self._max_retries = max_retries
        self._clock = clock

    async def of_clip(self, clip: Clip) -> dict[str, GraphPlan]:
        """The graphs of a clip's takes by hash; one that takes share is there once."""
        return await self.of_takes(clip.project_id, clip.takes)

    async def of_takes(
        self, owner_id: str, takes: Iterable[GeneratedContent]
    ) -> dict[str, GraphPlan]:
        """The same of takes whose graphs go with a project or a character."""
        hashes = dict.fromkeys(_hashes(takes))
        ids = {graph_id_of(owner_id, one): one for one in hashes}
        found = await self._graphs.list_by_ids(list(ids))
        return {ids[kept.id]: kept.plan for kept in found}

    async def regenerate(
        self, clip_id: str, content_id: str, *, server_id: str | None, wait: bool
    ) -> Job | Generated:
        """Send a take's graph again, as it is; answers and raises as `GenerationService.generate`.

        ConflictError for a take whose graph nobody knows, ModelUnavailableError where no server
        has its nodes and files under these very names.
        """
        clip = await self._clips.get(clip_id)
        take = _take_of(clip, content_id)
        plan = await self._plan_of(clip, take)
        pinned = None if server_id in {None, "auto"} else server_id
        job = self._job(clip, take, plan).model_copy(update={"pinned_server_id": pinned})
        await self._eligibility.check(job)
        return await self._generation.run(job, wait=wait)

    async def _plan_of(self, clip: Clip, take: GeneratedContent) -> GraphPlan:
        made = take.provenance
        graph_id = graph_id_of(clip.project_id, made.graph_hash) if made else None
        kept = await self._graphs.find_by_id(graph_id) if graph_id else None
        if kept is None:
            raise ConflictError(
                "Nobody knows this take's graph: it was uploaded, imported, or made elsewhere.",
                code="NO_GRAPH",
                content_id=take.id,
            )
        return kept.plan

    def _job(self, clip: Clip, take: GeneratedContent, plan: GraphPlan) -> Job:
        return Job(
            id=new_id(),
            project_id=clip.project_id,
            scene_id=clip.scene_id,
            clip_id=clip.id,
            generation_type=take.content_type,
            prompt=take.prompt,
            negative_prompt=take.negative_prompt,
            model=plan.model_name,
            params=_params(take, plan),
            loras=tuple(take.generation_params.get("loras") or ()),
            plan_json=plan.model_dump_json(),
            max_retries=self._max_retries,
            created_at=self._clock(),
        )


def _params(take: GeneratedContent, plan: GraphPlan) -> dict[str, Any]:
    """What the job says of the graph; the graph alone decides."""
    size = {param: getattr(plan, field) for field, param in _AS_PARAMS}
    told = {**size, "video_fps": plan.fps, "steps": plan.sampling.get("steps")}
    known = {name: value for name, value in told.items() if value is not None}
    return {**known, "seed": take.seed or 0, "from_content_id": take.id}


def _hashes(takes: Iterable[GeneratedContent]) -> list[str]:
    return [take.provenance.graph_hash for take in takes if take.provenance]


def _take_of(clip: Clip, content_id: str) -> GeneratedContent:
    found = clip.take(content_id)
    if found is None:
        raise ResourceNotFoundError.of("take", content_id)
    return found
