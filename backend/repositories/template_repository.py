"""Style templates."""

import re

from backend.models.style_template import StyleTemplate
from backend.repositories.shared.by_age import OLDEST_FIRST, of_project
from backend.repositories.shared.json_field import JsonFieldRepository
from backend.utils.index_spec import IndexSpec


class TemplateRepository(JsonFieldRepository[StyleTemplate]):
    collection = "style_templates"
    kind = "template"
    model = StyleTemplate
    json_field = "params"
    indexes = (
        IndexSpec(
            name="by_category_oldest_first",
            keys=(("category", 1), *OLDEST_FIRST),
            replaces=("by_category",),
        ),
        IndexSpec(name="oldest_first", keys=OLDEST_FIRST, replaces=("by_age",)),
    )

    async def page(
        self, *, category: str, search: str, skip: int, limit: int
    ) -> tuple[list[StyleTemplate], int]:
        """Oldest first. `search` is looked for in name and description, whatever case."""
        where = of_project(None)
        if category:
            where = {"category": category, **where}
        if search:
            # Beside the indexed range, not instead of it: $or alone would scan.
            pattern = {"$regex": re.escape(search), "$options": "i"}
            where["$or"] = [{"name": pattern}, {"description": pattern}]
        return await self._page(where, sort=OLDEST_FIRST, skip=skip, limit=limit)

    async def count_use(self, template_id: str) -> bool:
        """Add one, atomically; False when there is no such template."""
        return await self._update_one({"_id": template_id}, {"$inc": {"use_count": 1}})
