"""How a take was made, and the graph that makes it again."""

from datetime import datetime
from typing import Any

from pydantic import Field

from backend.models.base import FrozenModel
from backend.utils.ids import derived_id


class GraphFile(FrozenModel):
    """A model file as its server spells it; `folder` is below models/, None where nobody knows."""

    folder: str | None
    name: str


class Provenance(FrozenModel):
    """Of a take: seed, size and server stand beside it in the take itself.

    `graph_hash` is the SHA-256 of the graph as canonical JSON. `kind` and the sampler's settings
    are None where the graph does not say. `from_cache` tells that nothing was rendered, as the
    server had it all; None where it does not tell.
    """

    graph_hash: str
    family: str
    kind: str | None = None
    files: tuple[GraphFile, ...] = ()
    steps: int | None = None
    cfg: float | None = None
    sampler: str | None = None
    scheduler: str | None = None
    server_version: str | None = None
    from_cache: bool | None = None


class PictureUse(FrozenModel):
    """An input of a graph that names a picture, and where we have it (`/uploads/…`)."""

    node_id: str
    input_name: str
    source: str


class GraphPlan(FrozenModel):
    """A graph as no server or job has touched it, and what it will make.

    Pictures stand under their placeholders, results under the plain file prefix. The rest is as
    `BuiltWorkflow` has it.
    """

    graph: dict[str, dict[str, Any]]
    output_node: str
    family: str
    seed: int
    model_name: str | None = None
    kind: str | None = None
    width: int | None = None
    height: int | None = None
    frames: int | None = None
    fps: float | None = None
    sampling: dict[str, Any] = Field(default_factory=dict)
    pictures: tuple[PictureUse, ...] = ()


class KeptGraph(FrozenModel):
    """A plan that takes of a project were made by. `id` is derived from project and hash.

    Pictures of a character go with it, so for theirs `project_id` is the character's id.
    """

    id: str
    project_id: str
    plan: GraphPlan
    created_at: datetime


def graph_id_of(owner_id: str, graph_hash: str) -> str:
    """`owner_id`: the project that a graph goes with, or the character."""
    return derived_id("graph", owner_id, graph_hash)
