"""Checks how every part is, within seconds."""

import time
from typing import Literal, NamedTuple, Protocol

from backend import __version__
from backend.models.job import JobStatus
from backend.services.media.media_files import MediaFiles
from backend.services.queue.leadership import Leadership
from backend.services.queue_manager import QueueManager
from backend.services.servers.fleet import Fleet
from backend.utils.errors import DatabaseUnavailableError

Status = Literal["healthy", "degraded", "unhealthy"]

#: Below this much room on the disk the storage counts as degraded: one long video may fill it.
_LOW_BYTES = 1_073_741_824


class DatabaseState(Protocol):
    @property
    def status(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def latency_ms(self) -> float | None: ...


class DatabaseProbe(Protocol):
    async def health(self) -> DatabaseState: ...


class QueueHealth(NamedTuple):
    status: Status
    is_leader: bool
    pending: int
    processing: int


class ComfyUIHealth(NamedTuple):
    online: int
    total: int


class StorageHealth(NamedTuple):
    status: Status
    free_bytes: int


class Components(NamedTuple):
    database: DatabaseState
    queue: QueueHealth
    comfyui: ComfyUIHealth
    storage: StorageHealth


class HealthReport(NamedTuple):
    status: Status
    version: str
    uptime_seconds: float
    components: Components


class HealthService:
    version = __version__

    def __init__(
        self,
        database: DatabaseProbe,
        queue: QueueManager,
        *,
        fleet: Fleet,
        media: MediaFiles,
        leadership: Leadership,
    ) -> None:
        self._database = database
        self._queue = queue
        self._fleet = fleet
        self._media = media
        self._leadership = leadership
        self._started = time.monotonic()

    async def report(self) -> HealthReport:
        database = await self._database.health()
        parts = Components(
            database=database,
            queue=await self._queue_health(database.status),
            comfyui=self._comfyui_health(),
            storage=await self._storage_health(),
        )
        uptime = round(time.monotonic() - self._started, 3)
        return HealthReport(_overall(parts), __version__, uptime, parts)

    async def _queue_health(self, database_status: str) -> QueueHealth:
        """Read the queue, unless the database just failed a ping: that would take seconds more."""
        is_leader = self._leadership.holds()
        try:
            if database_status != "healthy":
                raise DatabaseUnavailableError("The database is not reachable.")
            totals = await self._queue.totals()
        except DatabaseUnavailableError:
            return QueueHealth("unhealthy", is_leader=is_leader, pending=0, processing=0)
        pending, processing = totals[JobStatus.PENDING], totals[JobStatus.PROCESSING]
        return QueueHealth("healthy", is_leader=is_leader, pending=pending, processing=processing)

    def _comfyui_health(self) -> ComfyUIHealth:
        active = [state for state in self._fleet.states if state.server.is_active]
        return ComfyUIHealth(online=sum(state.online for state in active), total=len(active))

    async def _storage_health(self) -> StorageHealth:
        free = await self._media.free_bytes()
        if free is None:
            return StorageHealth("unhealthy", 0)
        return StorageHealth("healthy" if free >= _LOW_BYTES else "degraded", free)


def _overall(parts: Components) -> Status:
    """Down without the database; degraded while registered servers are all away, or disk is low."""
    if parts.database.status != "healthy":
        return "unhealthy"
    all_away = parts.comfyui.total > 0 and parts.comfyui.online == 0
    return "degraded" if all_away or parts.storage.status != "healthy" else "healthy"
