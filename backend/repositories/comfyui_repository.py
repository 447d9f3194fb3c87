"""Registered ComfyUI servers, their API keys sealed when there is a SECRET_KEY."""

from collections.abc import Callable, Mapping
from typing import Any

from backend.models.comfyui_server import ComfyUIServer
from backend.repositories.base_repository import BaseRepository, Document
from backend.repositories.shared.by_age import OLDEST_FIRST
from backend.utils.index_spec import IndexSpec
from backend.utils.secret_box import SecretBox

_NOT_STORED = ("is_online", "key_locked")


class ComfyUIRepository(BaseRepository[ComfyUIServer]):
    """A sealed key is stored as `{"sealed": token}`, a plain one as text."""

    collection = "comfyui_servers"
    kind = "server"
    model = ComfyUIServer
    indexes = (IndexSpec(name="unique_url", keys=(("url", 1),), unique=True),)

    def __init__(
        self, database: Any, gate: Callable[[], None], box: SecretBox | None = None
    ) -> None:
        super().__init__(database, gate)
        self._box = box or SecretBox(None)

    def to_document(self, model: ComfyUIServer) -> Document:
        document = super().to_document(model)
        for field in _NOT_STORED:
            del document[field]
        return self._with_sealed_key(document)

    def to_model(self, document: Document) -> ComfyUIServer:
        stored = document.get("api_key")
        if isinstance(stored, Mapping):
            opened = self._box.open(stored["sealed"])
            document = {**document, "api_key": opened, "key_locked": opened is None}
        return super().to_model(document)

    async def update(self, document_id: str, changes: Mapping[str, Any]) -> bool:
        return await super().update(document_id, self._with_sealed_key(changes))

    async def list_all(self, *, skip: int = 0, limit: int = 0) -> list[ComfyUIServer]:
        """Oldest first. A url is never empty, so the filter costs nothing but uses the index.

        Seals keys that were stored before there was a SECRET_KEY: this is read at every start.
        """
        found = await self._find_raw(
            {"url": {"$gt": ""}}, sort=OLDEST_FIRST, skip=skip, limit=limit
        )
        for document in found:
            await self._seal_stored(document)
        return [self.to_model(document) for document in found]

    async def _seal_stored(self, document: Document) -> None:
        plain = document.get("api_key")
        if self._box.has_key and isinstance(plain, str) and plain:
            change = {"$set": self._with_sealed_key({"api_key": plain})}
            await self._update_one({"_id": document["_id"], "api_key": plain}, change)

    def _with_sealed_key(self, fields: Mapping[str, Any]) -> Document:
        plain = fields.get("api_key")
        if not plain or not self._box.has_key:
            return dict(fields)
        return {**fields, "api_key": {"sealed": self._box.seal(plain)}}
