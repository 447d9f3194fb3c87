"""Registered ComfyUI servers: create, look into, change, remove."""

import asyncio
from dataclasses import asdict
from typing import Any

from backend.dtos.comfyui_dto import ServerCreateDTO, ServerUpdateDTO
from backend.models.comfyui_server import ComfyUIServer, ServerType
from backend.repositories.comfyui_repository import ComfyUIRepository
from backend.services.comfyui.catalog import ServerCatalog
from backend.services.comfyui.messages import ServerQueue, SystemStats
from backend.services.providers.runpod.messages import EndpointHealth, endpoint_url
from backend.services.queue.job_events import ServerEvents
from backend.services.queue_manager import QueueManager
from backend.services.servers.fleet import Fleet, ServerState
from backend.services.servers.server_families import families_on
from backend.services.servers.server_files import UNKNOWN, loras_of, models_of, vaes_of
from backend.services.servers.server_workflows import workflows_of
from backend.utils.clock import Clock
from backend.utils.errors import ConflictError
from backend.utils.ids import new_id
from backend.utils.url_validator import validate_server_url


class ComfyUIService:
    def __init__(
        self,
        servers: ComfyUIRepository,
        fleet: Fleet,
        queue: QueueManager,
        *,
        events: ServerEvents,
        clock: Clock,
    ) -> None:
        self._events = events
        self._servers = servers
        self._fleet = fleet
        self._queue = queue
        self._clock = clock

    async def create(self, dto: ServerCreateDTO) -> ComfyUIServer:
        """Register a server and look at it; ConflictError when its URL is known already."""
        now = self._clock()
        fields = {**dto.model_dump(), **_address(dto.server_type, dto.url, dto.endpoint_id)}
        server = ComfyUIServer(id=new_id(), created_at=now, updated_at=now, **fields)
        try:
            await self._servers.add(server)
        except ConflictError:
            raise _known_url(server.url) from None
        return await self._looked_at(server)

    async def list_all(self, *, skip: int, limit: int) -> tuple[list[ComfyUIServer], int]:
        servers = await self._servers.list_all()
        return [self._with_state(server) for server in servers[skip : skip + limit]], len(servers)

    async def detail(self, server_id: str) -> dict[str, Any]:
        """Give a server with its models and LoRAs, all as last seen: nobody is asked."""
        server = self._with_state(await self._servers.get(server_id))
        state = self._fleet.state_of(server_id)
        catalog = state.catalog if state and state.online else None
        # Telling the families of thousands of names takes longer than others may wait.
        return await asyncio.to_thread(detail_of, server, catalog or ServerCatalog())

    async def workflows(self, server_id: str) -> dict[str, Any]:
        """Ask the server now, as ServerWorkflowsDTO has it; offline is an answer too."""
        server = await self._servers.get(server_id)
        return workflows_of(await self._fleet.check(server))

    async def info(self, server_id: str) -> dict[str, Any]:
        """Ask the server now, as ServerInfoDTO has it; offline is an answer, not an error."""
        server = await self._servers.get(server_id)
        state = await self._fleet.check(server)
        # What a server with thousands of files can run takes longer than others may wait.
        return await asyncio.to_thread(info_of, state)

    async def update(self, server_id: str, dto: ServerUpdateDTO) -> ComfyUIServer:
        changes = _with_address(await self._servers.get(server_id), dto.changes())
        try:
            await self._servers.update(server_id, {**changes, "updated_at": self._clock()})
        except ConflictError:
            raise _known_url(changes.get("url")) from None
        return await self._looked_at(await self._servers.get(server_id))

    async def delete(self, server_id: str) -> int:
        """Remove a server; what runs there goes back to the queue."""
        await self._servers.get(server_id)
        self._fleet.forget(server_id)
        await self._queue.release_server(server_id)
        deleted = int(await self._servers.delete(server_id))
        self._events.removed(server_id)
        return deleted

    async def _looked_at(self, server: ComfyUIServer) -> ComfyUIServer:
        state = await self._fleet.greet(server)
        self._fleet.on_change()
        seen = server.model_copy(update={"is_online": state.online})
        self._events.changed(seen)
        return seen

    def _with_state(self, server: ComfyUIServer) -> ComfyUIServer:
        state = self._fleet.state_of(server.id)
        return server.model_copy(update={"is_online": bool(state and state.online)})


def detail_of(server: ComfyUIServer, catalog: ServerCatalog) -> dict[str, Any]:
    """Give a server, and the families of its models and LoRAs by their names."""
    return {"server": server, "models": models_of(catalog), "loras": loras_of(catalog)}


def info_of(state: ServerState) -> dict[str, Any]:
    """What a server has; of one that is offline nothing is claimed.

    Of models, LoRAs and VAEs it gives the families by their names.
    """
    catalog = state.catalog if state.online and state.catalog else ServerCatalog()
    stats = state.stats if state.online and state.stats else SystemStats(version=None)
    queue = state.queue if state.online and state.queue else ServerQueue()
    endpoint = state.endpoint if state.online else None
    models = models_of(catalog)
    return {
        "server": state.server.model_copy(update={"is_online": state.online}),
        "is_online": state.online,
        "models": models,
        "loras": loras_of(catalog),
        "vaes": vaes_of(catalog),
        "text_encoders": sorted(catalog.text_encoders),
        "samplers": list(catalog.samplers),
        "schedulers": list(catalog.schedulers),
        "version": stats.version,
        "devices": [_workers(endpoint)] if endpoint else [asdict(d) for d in stats.devices],
        "queue_running": endpoint.in_progress if endpoint else len(queue.running),
        "queue_pending": endpoint.in_queue if endpoint else len(queue.pending),
        "latency_ms": state.latency_ms if state.online else None,
        "supported_model_types": sorted(set(models.values()) - {UNKNOWN}),
        "families": families_on(catalog) if catalog.node_classes else [],
    }


def _workers(endpoint: EndpointHealth) -> dict[str, Any]:
    """The workers of a RunPod endpoint, where a ComfyUI server has its cards."""
    counts = asdict(endpoint)
    del counts["in_queue"], counts["in_progress"]
    return {"name": "RunPod workers", "type": "serverless", **counts}


def _with_address(server: ComfyUIServer, changes: dict[str, Any]) -> dict[str, Any]:
    """Complete an update that moves a server, and leave every other one as it is."""
    if changes.keys().isdisjoint({"url", "server_type", "endpoint_id"}):
        return changes
    url, endpoint_id = changes.get("url"), changes.get("endpoint_id", server.endpoint_id)
    if url is None:
        url = server.url
        if endpoint_id != server.endpoint_id and server.endpoint_id:
            url = url.removesuffix(f"/{server.endpoint_id}")
    elif "endpoint_id" not in changes:
        endpoint_id = None  # the new URL says which endpoint it is
    server_type = changes.get("server_type", server.server_type)
    return {**changes, **_address(server_type, url, endpoint_id)}


def _address(server_type: ServerType, url: str, endpoint_id: str | None) -> dict[str, Any]:
    """Give url and endpoint_id in their one spelling: a RunPod URL names the endpoint itself."""
    url = validate_server_url(url)
    if server_type is not ServerType.RUNPOD:
        return {"url": url, "endpoint_id": endpoint_id}
    url = endpoint_url(url, endpoint_id)
    return {"url": url, "endpoint_id": url.rpartition("/")[2]}


def _known_url(url: Any) -> ConflictError:
    return ConflictError(f"A server with the URL {url} is registered.", code="SERVER_URL_EXISTS")
