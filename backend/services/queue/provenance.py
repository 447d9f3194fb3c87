"""What a take will tell of how it was made, noted before its graph is sent."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from backend.models.comfyui_server import ComfyUIServer
from backend.models.job import Job
from backend.models.provenance import GraphPlan, KeptGraph, PictureUse, Provenance
from backend.repositories.graph_repository import GraphRepository
from backend.services.queue.render_request import file_prefix
from backend.services.servers.fleet import ServerState
from backend.services.workflows import BuiltWorkflow
from backend.services.workflows.saved_plans import files_of, first_literal, graph_hash, neutral
from backend.utils.clock import Clock
from backend.utils.ids import derived_id

_SAME = (
    "output_node", "family", "seed", "model_name", "kind", "width", "height", "frames", "fps",
)  # fmt: skip


class FleetStates(Protocol):
    @property
    def states(self) -> Sequence[ServerState]: ...


class GraphRecorder:
    """Keeps the graph of each attempt once, for the project or character of its job."""

    def __init__(self, graphs: GraphRepository, servers: FleetStates, *, clock: Clock) -> None:
        self._graphs = graphs
        self._servers = servers
        self._clock = clock

    async def note(
        self, job: Job, server: ComfyUIServer, built: BuiltWorkflow, attempt: int
    ) -> Provenance:
        """Store the graph, before it is sent and before its pictures are placed."""
        plan = plan_of(job, built, attempt)
        made = provenance_of(plan, version=self._version_of(server.id))
        owner = job.character_id or job.project_id
        graph_id = graph_id_of(owner, made.graph_hash)
        now = self._clock()
        kept = KeptGraph(id=graph_id, project_id=owner, plan=plan, created_at=now)
        await self._graphs.keep(kept)
        return made

    def _version_of(self, server_id: str) -> str | None:
        found = (state for state in self._servers.states if state.server.id == server_id)
        state = next(found, None)
        return state.stats.version if state and state.stats else None


def graph_id_of(owner_id: str, graph_hash: str) -> str:
    """`owner_id`: the project that a graph goes with, or the character."""
    return derived_id("graph", owner_id, graph_hash)


def plan_of(job: Job, built: BuiltWorkflow, attempt: int) -> GraphPlan:
    """The graph of an attempt without what tells attempts apart; a kept one stays what it is."""
    if job.plan_json is not None:
        return GraphPlan.model_validate_json(job.plan_json)
    graph = neutral(built.graph, file_prefix(job.id, attempt))
    pictures = tuple(
        PictureUse(node_id=image.node_id, input_name=image.input_name, source=image.source)
        for image in built.inputs
    )
    sampling = built.sampling or _sampling_in(graph)
    facts = {name: getattr(built, name) for name in _SAME}
    return GraphPlan(graph=graph, sampling=dict(sampling), pictures=pictures, **facts)


def provenance_of(plan: GraphPlan, *, version: str | None) -> Provenance:
    return Provenance(
        graph_hash=graph_hash(plan.graph),
        family=plan.family,
        kind=plan.kind,
        files=files_of(plan.graph),
        server_version=version,
        **plan.sampling,
    )


def _sampling_in(graph: dict[str, dict[str, Any]]) -> Mapping[str, Any]:
    """What a graph of the user says itself: the first that stands there as a plain value."""
    told = {
        "steps": first_literal(graph, (int,), ("steps",)),
        "cfg": first_literal(graph, (int, float), ("cfg",)),
        "sampler": first_literal(graph, (str,), ("sampler_name",)),
        "scheduler": first_literal(graph, (str,), ("scheduler",)),
    }
    return {name: value for name, value in told.items() if value is not None}
