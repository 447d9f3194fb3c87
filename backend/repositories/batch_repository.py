"""Batches."""

from collections.abc import Mapping
from typing import Any

from backend.models.batch import Batch
from backend.repositories.shared.by_age import NEWEST_FIRST
from backend.repositories.shared.json_field import JsonFieldRepository
from backend.utils.index_spec import IndexSpec


class BatchRepository(JsonFieldRepository[Batch]):
    # Ten thousand ids as an array cost at every look at any field of the batch.
    json_field = "clip_ids"
    collection = "batches"
    kind = "batch"
    model = Batch
    indexes = (
        IndexSpec(
            name="by_state_newest_first",
            keys=(("queued", 1), *NEWEST_FIRST),
            replaces=("by_state",),
        ),
    )

    async def newest(self, *, skip: int, limit: int) -> tuple[list[Batch], int]:
        where = {"queued": {"$in": [False, True]}}
        return await self._page(where, sort=NEWEST_FIRST, skip=skip, limit=limit)

    async def unfinished(self) -> list[str]:
        """The ids of those whose clips do not all have a job yet."""
        found = await self._find_raw({"queued": False}, fields={"_id": 1})
        return [document["_id"] for document in found]

    async def is_open(self, batch_id: str) -> bool:
        """Whether it is there, and not queued to its end."""
        found = await self._find_raw({"_id": batch_id}, fields={"queued": 1})
        return bool(found) and not found[0]["queued"]

    async def close(self, batch_id: str, changes: Mapping[str, Any]) -> bool:
        """Say that no more jobs will come; False when somebody did before, or it is gone."""
        return await self._update_one(
            {"_id": batch_id, "queued": False}, {"$set": {**changes, "queued": True}}
        )
