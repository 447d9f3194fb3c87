"""Characters."""

from collections.abc import Collection

from backend.models.character import Character
from backend.repositories.shared.by_age import OLDEST_FIRST, of_project
from backend.repositories.shared.json_field import JsonFieldRepository
from backend.utils.index_spec import IndexSpec

#: Ids that one query names.
_CHUNK = 1_000


class CharacterRepository(JsonFieldRepository[Character]):
    collection = "characters"
    kind = "character"
    model = Character
    json_field = "generation_params"
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
    ) -> tuple[list[Character], int]:
        """Oldest first, of one project or, with None, all there are."""
        where = of_project(project_id)
        return await self._page(where, sort=OLDEST_FIRST, skip=skip, limit=limit)

    async def list_by_ids(self, character_ids: Collection[str]) -> list[Character]:
        """Those that exist, in no order: one query, however many clips they were asked for."""
        ids = sorted(character_ids)
        found: list[Character] = []
        for first in range(0, len(ids), _CHUNK):
            found += await self._find({"_id": {"$in": ids[first : first + _CHUNK]}})
        return found

    async def of_project(self, project_id: str) -> list[Character]:
        """All of a project's own, oldest first."""
        return await self._find({"project_id": project_id}, sort=OLDEST_FIRST)

    async def of_film(self, project_id: str, character_ids: set[str]) -> list[Character]:
        """Those of a project, and those of all projects among these ids."""
        own = await self.of_project(project_id)
        return own + await self.list_by_ids(character_ids - {each.id for each in own})

    async def delete_for_project(self, project_id: str) -> int:
        return await self._delete_where({"project_id": project_id})
