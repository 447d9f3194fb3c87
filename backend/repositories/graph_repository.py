"""Graphs that takes were made by, once each in a project."""

import contextlib
from collections.abc import Sequence

from backend.models.provenance import KeptGraph
from backend.repositories.shared.json_field import JsonFieldRepository
from backend.utils.errors import ConflictError
from backend.utils.index_spec import IndexSpec


class GraphRepository(JsonFieldRepository[KeptGraph]):
    """A plan is JSON text: its keys, and seeds of 64 bits, are more than a document may hold."""

    collection = "graphs"
    kind = "graph"
    model = KeptGraph
    json_field = "plan"
    indexes = (IndexSpec(name="by_project", keys=(("project_id", 1),)),)

    async def keep(self, graph: KeptGraph) -> None:
        """Store it; one that is there already is the same."""
        with contextlib.suppress(ConflictError):
            await self.add(graph)

    async def list_by_ids(self, ids: Sequence[str]) -> list[KeptGraph]:
        """Those of these that there are, in no order."""
        return await self._list_by_ids(ids)

    async def delete_for_project(self, project_id: str) -> int:
        return await self._delete_where({"project_id": project_id})
