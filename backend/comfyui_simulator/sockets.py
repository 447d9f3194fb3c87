"""The WebSocket side: who is connected under which client id, and what they are told."""

import asyncio
import json
import struct
import uuid
from collections.abc import Callable
from typing import Any

from aiohttp import ClientConnectionResetError, WSMsgType, web

from backend.comfyui_simulator.faults import Fault, FaultBook

FEATURES = {"supports_preview_metadata": True, "max_upload_size": 104_857_600}
PREVIEW = 1
PREVIEW_WITH_METADATA = 4
JPEG = 1


class Socket:
    """One connection. `budget` is how many frames it still sends; None: no limit."""

    def __init__(self, response: web.WebSocketResponse, budget: int | None) -> None:
        self.response = response
        self.budget = budget
        self.features: dict[str, Any] = {}

    async def send(self, frame: str | bytes) -> None:
        if self.budget is not None:
            if self.budget <= 0:
                return
            self.budget -= 1
        try:
            if isinstance(frame, bytes):
                await self.response.send_bytes(frame)
            else:
                await self.response.send_str(frame)
        except (ClientConnectionResetError, ConnectionError):
            # The client left; its handler notices and unregisters it.
            return


class Hub:
    """Sockets by client id.

    One id holds one socket: a second one takes its place, and whichever of the two closes first
    unregisters the id, so that the other goes deaf (the real server's habit).
    """

    def __init__(self, faults: FaultBook, queue_length: Callable[[], int]) -> None:
        self._faults = faults
        self._queue_length = queue_length
        self._sockets: dict[str, Socket] = {}
        self._outbox: asyncio.Queue[tuple[str | bytes, str | None]] = asyncio.Queue()
        #: Who owns the running job and where it stands, for sockets that come late.
        self.client_id: str | None = None
        self.last_node: str | None = None

    @property
    def client_ids(self) -> list[str]:
        """Ids that messages reach now."""
        return list(self._sockets)

    async def publish(self) -> None:
        """Send what tell() queued, in order, until cancelled."""
        while True:
            frame, client_id = await self._outbox.get()
            if client_id is None:
                for socket in list(self._sockets.values()):
                    await socket.send(frame)
            elif client_id in self._sockets:
                await self._sockets[client_id].send(frame)

    def tell(self, event: str, data: dict[str, Any], client_id: str | None = None) -> None:
        """Queue a message for one client, or for all. Nobody there: it is lost."""
        if not self._sockets:
            return
        self._outbox.put_nowait((json.dumps({"type": event, "data": data}), client_id))

    def status(self) -> None:
        self.tell("status", {"status": self.queue_info()})

    def queue_info(self) -> dict[str, Any]:
        return {"exec_info": {"queue_remaining": self._queue_length()}}

    def preview(self, image: bytes, metadata: dict[str, Any]) -> None:
        """Queue a JPEG preview: event 4 for clients that asked for metadata, event 1 for others."""
        owner = self._sockets.get(self.client_id or "")
        if owner is not None and owner.features.get("supports_preview_metadata"):
            head = json.dumps({**metadata, "image_type": "image/jpeg"}).encode()
            frame = struct.pack(">II", PREVIEW_WITH_METADATA, len(head)) + head + image
        else:
            frame = struct.pack(">II", PREVIEW, JPEG) + image
        self._outbox.put_nowait((frame, self.client_id))

    def mute(self, frames: int = 0) -> None:
        """Make every open socket fall silent after that many more frames."""
        for socket in self._sockets.values():
            socket.budget = frames

    async def serve(self, request: web.Request) -> web.WebSocketResponse:
        response = web.WebSocketResponse()
        await response.prepare(request)
        silent = self._faults.take(Fault.SILENT_WEBSOCKET)
        socket = Socket(response, None if silent is None else int(silent.value))
        sid = request.query.get("clientId", "") or uuid.uuid4().hex
        self._sockets[sid] = socket
        try:
            await self._greet(socket, sid)
            await self._listen(socket)
        finally:
            self._sockets.pop(sid, None)
        return response

    async def _greet(self, socket: Socket, sid: str) -> None:
        data = {"status": self.queue_info(), "sid": sid}
        await socket.send(json.dumps({"type": "status", "data": data}))
        if self.client_id == sid and self.last_node is not None:
            here = {"type": "executing", "data": {"node": self.last_node}}
            await socket.send(json.dumps(here))

    async def _listen(self, socket: Socket) -> None:
        """Only the very first message counts, and only when it is feature_flags."""
        first = True
        async for message in socket.response:
            if message.type is WSMsgType.TEXT and first:
                first = False
                flags = feature_flags(message.data)
                if flags is not None:
                    socket.features = flags
                    answer = {"type": "feature_flags", "data": FEATURES}
                    await socket.send(json.dumps(answer))


def feature_flags(text: str) -> dict[str, Any] | None:
    try:
        message = json.loads(text)
    except ValueError:
        return None
    if not isinstance(message, dict) or message.get("type") != "feature_flags":
        return None
    data = message.get("data")
    return data if isinstance(data, dict) else {}
