"""External workers."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from backend.models.worker import Worker
from backend.repositories.base_repository import BaseRepository
from backend.utils.index_spec import IndexSpec

_EVER = datetime(1970, 1, 1, tzinfo=UTC)


class WorkerRepository(BaseRepository[Worker]):
    collection = "workers"
    kind = "worker"
    model = Worker
    indexes = (IndexSpec(name="by_heartbeat", keys=(("last_heartbeat", -1),)),)

    async def list_all(self) -> list[Worker]:
        """The last heard of first."""
        newest_first = (("last_heartbeat", -1),)
        return await self._find({"last_heartbeat": {"$gte": _EVER}}, sort=newest_first)

    async def list_by_ids(self, worker_ids: Sequence[str]) -> list[Worker]:
        """Those that exist, in any order."""
        return await self._list_by_ids(worker_ids)

    async def register(
        self, worker_id: str, changes: Mapping[str, Any], *, now: datetime
    ) -> Worker:
        """Write what a worker says of itself; the first time it is created."""
        with self._guarded():
            await self._documents.update_one(
                {"_id": worker_id},
                {"$set": dict(changes), "$setOnInsert": {"created_at": now}},
                upsert=True,
            )
        return await self.get(worker_id)
