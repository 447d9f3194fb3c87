"""The graphs that projects keep."""

from collections.abc import Collection

from backend.models.saved_workflow import SavedWorkflow
from backend.repositories.base_repository import BaseRepository
from backend.repositories.shared.by_age import OLDEST_FIRST, of_project
from backend.utils.index_spec import IndexSpec


class WorkflowRepository(BaseRepository[SavedWorkflow]):
    collection = "workflows"
    kind = "workflow"
    model = SavedWorkflow
    indexes = (
        IndexSpec(
            name="by_project_oldest_first",
            keys=(("project_id", 1), *OLDEST_FIRST),
            replaces=("by_project",),
        ),
        IndexSpec(name="oldest_first", keys=OLDEST_FIRST, replaces=("by_age",)),
    )

    async def page(
        self, project_id: str | None, *, skip: int, limit: int
    ) -> tuple[list[SavedWorkflow], int]:
        """Oldest first, of one project or, with None, all there are."""
        where = of_project(project_id)
        return await self._page(where, sort=OLDEST_FIRST, skip=skip, limit=limit)

    async def list_by_ids(self, workflow_ids: Collection[str]) -> list[SavedWorkflow]:
        """Those that exist, in no order."""
        return await self._list_by_ids(sorted(workflow_ids))

    async def delete_for_project(self, project_id: str) -> int:
        return await self._delete_where({"project_id": project_id})
