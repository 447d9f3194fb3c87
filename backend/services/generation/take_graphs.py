"""Graphs of takes: shown with a gallery, and rendered once more as they are."""

from collections.abc import Iterable

from backend.models.clip import Clip
from backend.models.content import GeneratedContent
from backend.models.job import Job
from backend.models.provenance import GraphPlan
from backend.repositories.clip_repository import ClipRepository
from backend.repositories.graph_repository import GraphRepository
from backend.services.generation.awaited_jobs import AwaitedJobs, Generated
from backend.services.generation.job_factory import JobFactory
from backend.services.queue.provenance import graph_id_of
from backend.utils.errors import ConflictError, ResourceNotFoundError


class TakeGraphs:
    def __init__(
        self,
        clips: ClipRepository,
        graphs: GraphRepository,
        *,
        factory: JobFactory,
        awaited: AwaitedJobs,
    ) -> None:
        self._clips = clips
        self._graphs = graphs
        self._factory = factory
        self._awaited = awaited

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
        """Send a take's graph again, as it is; answers and raises as `AwaitedJobs.run`.

        ConflictError for a take whose graph nobody knows, ModelUnavailableError where no server
        has its nodes and files under these very names.
        """
        clip = await self._clips.get(clip_id)
        take = _take_of(clip, content_id)
        plan = await self._plan_of(clip, take)
        job = await self._factory.prepare_graph(clip, take, plan, server_id=server_id)
        return await self._awaited.run(job, wait=wait)

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


def _hashes(takes: Iterable[GeneratedContent]) -> list[str]:
    return [take.provenance.graph_hash for take in takes if take.provenance]


def _take_of(clip: Clip, content_id: str) -> GeneratedContent:
    found = clip.take(content_id)
    if found is None:
        raise ResourceNotFoundError.of("take", content_id)
    return found
