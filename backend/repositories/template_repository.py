"""Style templates."""

import re
from datetime import UTC, datetime
from typing import Any

from backend.models.style_template import StyleTemplate
from backend.repositories.json_field import JsonFieldRepository
from backend.utils.index_spec import IndexSpec

#: Every template was made after this; naming it lets the whole list use an index.
_EVER = datetime(1970, 1, 1, tzinfo=UTC)
_OLDEST_FIRST = (("created_at", 1), ("_id", 1))


class TemplateRepository(JsonFieldRepository[StyleTemplate]):
    collection = "style_templates"
    kind = "template"
    model = StyleTemplate
    json_field = "params"
    indexes = (
        IndexSpec(name="by_category", keys=(("category", 1), ("created_at", 1))),
        IndexSpec(name="by_age", keys=(("created_at", 1),)),
    )

    async def page(
        self, *, category: str, search: str, skip: int, limit: int
    ) -> tuple[list[StyleTemplate], int]:
        """Oldest first. `search` is looked for in name and description, whatever case."""
        where: dict[str, Any] = {"created_at": {"$gte": _EVER}}
        if category:
            where = {"category": category, **where}
        if search:
            # Beside the indexed range, not instead of it: $or alone would scan.
            pattern = {"$regex": re.escape(search), "$options": "i"}
            where["$or"] = [{"name": pattern}, {"description": pattern}]
        return await self._page(where, sort=_OLDEST_FIRST, skip=skip, limit=limit)

    async def count_use(self, template_id: str) -> bool:
        """Add one, atomically; False when there is no such template."""
        return await self._update_one({"_id": template_id}, {"$inc": {"use_count": 1}})
