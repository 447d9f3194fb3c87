"""What projects keep in their pools."""

from collections.abc import Mapping
from typing import Any

import orjson

from backend.models.content import ContentType
from backend.models.pool_item import PoolItem
from backend.repositories.base_repository import BaseRepository, Document
from backend.repositories.shared.by_age import NEWEST_FIRST
from backend.utils.index_spec import IndexSpec

#: Kept as JSON text: clients choose the keys, and a document's may not be just anything.
_AS_TEXT = ("generation_params", "metadata")


class PoolRepository(BaseRepository[PoolItem]):
    collection = "pool_items"
    kind = "pool item"
    model = PoolItem
    indexes = (
        IndexSpec(
            name="by_project_newest_first",
            keys=(("project_id", 1), *NEWEST_FIRST),
            replaces=("by_project",),
        ),
    )

    def to_document(self, model: PoolItem) -> Document:
        return _packed(super().to_document(model))

    def to_model(self, document: Document) -> PoolItem:
        opened = {field: orjson.loads(document[field]) for field in _AS_TEXT if field in document}
        return super().to_model({**document, **opened})

    async def update(self, document_id: str, changes: Mapping[str, Any]) -> bool:
        return await super().update(document_id, _packed(changes))

    async def page_for_project(
        self, project_id: str, kind: ContentType | None, *, skip: int, limit: int
    ) -> tuple[list[PoolItem], int]:
        """Newest first; of one content type, or of both with None."""
        where = {"project_id": project_id} | ({"content_type": kind} if kind else {})
        return await self._page(where, sort=NEWEST_FIRST, skip=skip, limit=limit)

    async def delete_for_project(self, project_id: str) -> int:
        return await self._delete_where({"project_id": project_id})


def _packed(fields: Mapping[str, Any]) -> Document:
    texts = {name: orjson.dumps(fields[name]).decode() for name in _AS_TEXT if name in fields}
    return {**fields, **texts}
