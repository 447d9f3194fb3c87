"""Registered ComfyUI servers."""

from backend.models.comfyui_server import ComfyUIServer
from backend.repositories.base import BaseRepository, Document
from backend.utils.index_spec import IndexSpec


class ComfyUIRepository(BaseRepository[ComfyUIServer]):
    collection = "comfyui_servers"
    kind = "server"
    model = ComfyUIServer
    indexes = (IndexSpec(name="unique_url", keys=(("url", 1),), unique=True),)

    def to_document(self, model: ComfyUIServer) -> Document:
        document = super().to_document(model)
        del document["is_online"]
        return document

    async def list_all(self, *, skip: int = 0, limit: int = 0) -> list[ComfyUIServer]:
        """Oldest first. A url is never empty, so the filter costs nothing but uses the index."""
        oldest_first = (("created_at", 1), ("_id", 1))
        return await self._find({"url": {"$gt": ""}}, sort=oldest_first, skip=skip, limit=limit)
