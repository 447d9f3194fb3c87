"""Registered ComfyUI servers: create, look into, change, remove."""

from dataclasses import asdict
from typing import Any, NamedTuple

from backend.dtos.comfyui_dto import ServerCreateDTO, ServerUpdateDTO
from backend.models.comfyui_server import ComfyUIServer
from backend.repositories.comfyui_repository import ComfyUIRepository
from backend.services.comfyui_messages import ServerQueue, SystemStats
from backend.services.fleet import Fleet, ServerState
from backend.services.model_config import detect_family
from backend.services.queue_manager import QueueManager
from backend.services.server_catalog import ServerCatalog
from backend.services.server_workflows import workflows_of
from backend.utils.clock import Clock
from backend.utils.errors import ConflictError
from backend.utils.ids import new_id
from backend.utils.url_validator import validate_server_url


class ServerModel(NamedTuple):
    name: str
    type: str


class ComfyUIService:
    def __init__(
        self,
        servers: ComfyUIRepository,
        fleet: Fleet,
        queue: QueueManager,
        *,
        clock: Clock,
    ) -> None:
        self._servers = servers
        self._fleet = fleet
        self._queue = queue
        self._clock = clock

    async def create(self, dto: ServerCreateDTO) -> ComfyUIServer:
        """Register a server and look at it; ConflictError when its URL is known already."""
        now = self._clock()
        fields = {**dto.model_dump(), "url": validate_server_url(dto.url)}
        server = ComfyUIServer(id=new_id(), created_at=now, updated_at=now, **fields)
        try:
            await self._servers.add(server)
        except ConflictError:
            raise _known_url(server.url) from None
        return await self._looked_at(server)

    async def list_all(self, *, skip: int, limit: int) -> tuple[list[ComfyUIServer], int]:
        servers = await self._servers.list_all()
        return [self._with_state(server) for server in servers[skip : skip + limit]], len(servers)

    async def get(self, server_id: str) -> ComfyUIServer:
        """Give a server, online or not as last seen."""
        return self._with_state(await self._servers.get(server_id))

    async def workflows(self, server_id: str) -> dict[str, Any]:
        """Ask the server now, as ServerWorkflowsDTO has it; offline is an answer too."""
        server = await self._servers.get(server_id)
        return workflows_of(await self._fleet.check(server, fresh=True))

    async def info(self, server_id: str) -> dict[str, Any]:
        """Ask the server now, as ServerInfoDTO has it; offline is an answer, not an error."""
        server = await self._servers.get(server_id)
        return info_of(await self._fleet.check(server, fresh=True))

    async def update(self, server_id: str, dto: ServerUpdateDTO) -> ComfyUIServer:
        await self._servers.get(server_id)
        changes = dto.changes()
        if "url" in changes:
            changes["url"] = validate_server_url(changes["url"])
        try:
            await self._servers.update(server_id, {**changes, "updated_at": self._clock()})
        except ConflictError:
            raise _known_url(changes["url"]) from None
        return await self._looked_at(await self._servers.get(server_id))

    async def delete(self, server_id: str) -> int:
        """Remove a server; what runs there goes back to the queue."""
        await self._servers.get(server_id)
        self._fleet.forget(server_id)
        await self._queue.release_server(server_id)
        return int(await self._servers.delete(server_id))

    async def _looked_at(self, server: ComfyUIServer) -> ComfyUIServer:
        state = await self._fleet.check(server, fresh=True)
        self._fleet.on_change()
        return server.model_copy(update={"is_online": state.online})

    def _with_state(self, server: ComfyUIServer) -> ComfyUIServer:
        state = self._fleet.state_of(server.id)
        return server.model_copy(update={"is_online": bool(state and state.online)})


def info_of(state: ServerState) -> dict[str, Any]:
    """What a server has; of one that is offline nothing is claimed."""
    catalog = state.catalog if state.online and state.catalog else ServerCatalog()
    stats = state.stats if state.online and state.stats else SystemStats(version=None)
    queue = state.queue if state.online and state.queue else ServerQueue()
    models = models_of(catalog)
    return {
        "server": state.server.model_copy(update={"is_online": state.online}),
        "is_online": state.online,
        "models": models,
        "loras": sorted(catalog.loras),
        "vaes": sorted(catalog.vaes),
        "samplers": list(catalog.samplers),
        "schedulers": list(catalog.schedulers),
        "version": stats.version,
        "devices": [asdict(device) for device in stats.devices],
        "queue_running": len(queue.running),
        "queue_pending": len(queue.pending),
        "latency_ms": state.latency_ms if state.online else None,
        "supported_model_types": sorted({model.type for model in models} - {"unknown"}),
    }


def models_of(catalog: ServerCatalog) -> list[ServerModel]:
    """Checkpoints and diffusion models with the family their names tell."""
    names = sorted({*catalog.checkpoints, *catalog.unets})
    return [ServerModel(name, _family_of(name)) for name in names]


def _family_of(name: str) -> str:
    family = detect_family(name)
    return family.id if family else "unknown"


def _known_url(url: Any) -> ConflictError:
    return ConflictError(f"A server with the URL {url} is registered.", code="SERVER_URL_EXISTS")
