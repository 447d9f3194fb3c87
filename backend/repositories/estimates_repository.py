"""What was learnt of servers and models, as one document."""

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from backend.models.base import FrozenModel
from backend.repositories.base_repository import BaseRepository

_ID = "estimates"


class StoredEstimates(FrozenModel):
    """`learnt` as the scheduler writes and reads it."""

    id: str = _ID
    learnt: dict[str, Any] = Field(default_factory=dict)


class EstimatesRepository(BaseRepository[StoredEstimates]):
    collection = "estimates"
    kind = "estimates"
    model = StoredEstimates

    async def read(self) -> Mapping[str, Any]:
        """Empty before anything was learnt."""
        stored = await self.find_by_id(_ID)
        return stored.learnt if stored else {}

    async def write(self, learnt: Mapping[str, Any]) -> None:
        with self._guarded():
            await self._documents.update_one(
                {"_id": _ID}, {"$set": {"learnt": dict(learnt)}}, upsert=True
            )
