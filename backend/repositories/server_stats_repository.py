"""What each server has done so far, kept as counters."""

from collections.abc import Mapping, Sequence
from typing import Any

from backend.models.base import FrozenModel
from backend.repositories.base_repository import BaseRepository


class ServerStats(FrozenModel):
    """`seconds` is the time all completed jobs took together; `id` is the server's."""

    id: str = ""
    completed: int = 0
    failed: int = 0
    seconds: float = 0.0
    last_model: str | None = None

    @property
    def average_seconds(self) -> float | None:
        return round(self.seconds / self.completed, 3) if self.completed else None


class ServerStatsRepository(BaseRepository[ServerStats]):
    collection = "server_stats"
    kind = "server stats"
    model = ServerStats

    async def by_server(self, server_ids: Sequence[str]) -> dict[str, ServerStats]:
        """What each of these has done; one that has done nothing is left out."""
        found = await self._find({"_id": {"$in": list(server_ids)}}) if server_ids else []
        return {stats.id: stats for stats in found}

    async def record(
        self, server_id: str, *, completed_in: float | None, model: str | None
    ) -> None:
        """Count one job: `completed_in` seconds, or None for one that failed."""
        amounts: Mapping[str, Any] = (
            {"failed": 1} if completed_in is None else {"completed": 1, "seconds": completed_in}
        )
        change: dict[str, Any] = {"$inc": amounts}
        if model:
            change["$set"] = {"last_model": model}
        with self._guarded():
            await self._documents.update_one({"_id": server_id}, change, upsert=True)
