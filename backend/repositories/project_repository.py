"""Projects."""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from backend.models.project import Project
from backend.repositories.base_repository import BaseRepository
from backend.repositories.shared.write_behind_totals import WriteBehindTotals
from backend.utils.index_spec import IndexSpec

#: Every project changed after this; naming it lets the list use the index on `updated_at`.
_EVER = datetime(1970, 1, 1, tzinfo=UTC)
#: The id, which keeps the order of creation, settles changes of the same millisecond.
_LAST_CHANGED_FIRST = (("updated_at", -1), ("_id", -1))


class ProjectRepository(BaseRepository[Project]):
    collection = "projects"
    kind = "project"
    model = Project
    indexes = (
        IndexSpec(name="last_changed_first", keys=_LAST_CHANGED_FIRST, replaces=("newest_first",)),
        IndexSpec(name="music", keys=(("music_file_path", 1),)),
    )

    def __init__(self, database: Any, gate: Callable[[], None]) -> None:
        super().__init__(database, gate)
        self._behind = WriteBehindTotals(self.adjust)

    async def find_by_id(self, document_id: str) -> Project | None:
        self._gate()
        await self._behind.settle(document_id)
        return await super().find_by_id(document_id)

    async def list_newest(self, *, search: str, skip: int, limit: int) -> tuple[list[Project], int]:
        """Newest change first; `search` is looked for in name and description, whatever case."""
        self._gate()
        await self._behind.settle_all()
        where: dict[str, Any] = {"updated_at": {"$gte": _EVER}}
        if search:
            pattern = {"$regex": re.escape(search), "$options": "i"}
            where["$or"] = [{"name": pattern}, {"description": pattern}]
        return await self._page(where, sort=_LAST_CHANGED_FIRST, skip=skip, limit=limit)

    async def adjust(self, project_id: str, amounts: Mapping[str, float], *, now: datetime) -> bool:
        """Add to the kept totals (`scene_count`, `clip_count`, `duration`) in one write."""
        change: dict[str, Any] = {"$max": {"updated_at": now}}
        if amounts:
            change["$inc"] = dict(amounts)
        return await self._update_one({"_id": project_id}, change)

    def adjust_soon(self, project_id: str, amounts: Mapping[str, float], *, now: datetime) -> None:
        """Add to the kept totals within a moment; whoever reads the project here sees it done."""
        self._behind.add(project_id, amounts, now=now)

    async def settle(self) -> None:
        """Wait until nothing is due any more."""
        await self._behind.settle_all()

    async def replace_totals(self, project: Project, totals: Mapping[str, float]) -> bool:
        """Write new totals over those in `project`; False when somebody changed them since."""
        expected = {field: getattr(project, field) for field in totals}
        return await self._update_one({"_id": project.id, **expected}, {"$set": dict(totals)})

    async def exchange_music(self, project: Project, changes: Mapping[str, Any]) -> bool:
        """Set the given fields if the music is still the one that `project` has."""
        where = {"_id": project.id, "music_file_path": project.music_file_path}
        return await self._update_one(where, {"$set": dict(changes)})

    async def uses_music(self, path: str) -> bool:
        """Tell whether any project's music is this file."""
        return bool(await self._find_raw({"music_file_path": path}, fields={"_id": 1}, limit=1))
