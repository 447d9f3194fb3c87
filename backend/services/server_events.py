"""Telling of ComfyUI servers: what becomes of them, and what people make of them."""

from backend.models.comfyui_server import ComfyUIServer
from backend.models.event import EventKind
from backend.services.events import EventHub


class ServerEvents:
    """Each process tells what it sees, so going offline may be told once by each."""

    def __init__(self, hub: EventHub) -> None:
        self._hub = hub

    def turned(self, server: ComfyUIServer, online: bool) -> None:
        kind = EventKind.SERVER_ONLINE if online else EventKind.SERVER_OFFLINE
        self._hub.publish(kind, server_id=server.id, data={"name": server.name})

    def changed(self, server: ComfyUIServer) -> None:
        data = {
            "name": server.name,
            "is_active": server.is_active,
            "is_online": server.is_online,
            "max_concurrent": server.max_concurrent,
        }
        self._hub.publish(EventKind.SERVER_CHANGED, server_id=server.id, data=data)

    def removed(self, server_id: str) -> None:
        self._hub.publish(EventKind.SERVER_CHANGED, server_id=server_id, data={"removed": True})
