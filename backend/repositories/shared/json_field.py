"""Fields stored as JSON text: their keys and numbers may be what a document's may not be."""

from collections.abc import Mapping
from typing import Any, ClassVar

import orjson

from backend.repositories.base_repository import BaseRepository, Document, M


class JsonFieldRepository(BaseRepository[M]):
    """Keeps the object in `json_field` as text, and gives it back as an object."""

    json_field: ClassVar[str]

    def to_document(self, model: M) -> Document:
        return self._packed(super().to_document(model))

    def to_model(self, document: Document) -> M:
        stored = document.get(self.json_field)
        if isinstance(stored, str):
            document = {**document, self.json_field: orjson.loads(stored)}
        return super().to_model(document)

    async def update(self, document_id: str, changes: Mapping[str, Any]) -> bool:
        return await super().update(document_id, self._packed(changes))

    def _packed(self, fields: Mapping[str, Any]) -> Document:
        if self.json_field not in fields:
            return dict(fields)
        return {**fields, self.json_field: orjson.dumps(fields[self.json_field]).decode()}
