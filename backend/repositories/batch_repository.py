"""Batches."""

from backend.models.batch import Batch
from backend.repositories.base import BaseRepository
from backend.utils.index_spec import IndexSpec

_NEWEST_FIRST = (("created_at", -1),)


class BatchRepository(BaseRepository[Batch]):
    collection = "batches"
    kind = "batch"
    model = Batch
    indexes = (IndexSpec(name="by_state", keys=(("queued", 1), ("created_at", -1))),)

    async def newest(self, *, skip: int, limit: int) -> tuple[list[Batch], int]:
        where = {"queued": {"$in": [False, True]}}
        return await self._page(where, sort=_NEWEST_FIRST, skip=skip, limit=limit)

    async def unfinished(self) -> list[Batch]:
        """Those whose clips do not all have a job yet."""
        return await self._find({"queued": False})
