"""Streams of events on the wire: as server-sent events, and as messages of a WebSocket."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator

from sse_starlette.sse import EventSourceResponse, SendTimeoutError
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from backend.dtos.event_dto import event_json
from backend.models.event import Event
from backend.services.events.event_listener import StreamEndReason
from backend.services.events.stream import EventStream

logger = logging.getLogger(__name__)

#: A reader that takes nothing for so long is dropped: it sleeps, or is gone without a word.
SEND_SECONDS = 10.0
#: "Going away", and "try again later": RFC 6455, section 7.4, and its registry.
_CLOSES = {
    StreamEndReason.CLOSING: (1001, "the server stops"),
    StreamEndReason.TOO_SLOW: (1013, "too slow"),
}
_FAULT = (1011, "a fault of the server")


class EventResponse(EventSourceResponse):
    """Server-sent events; a reader that takes none is dropped, which is no fault of ours."""

    media_type = "text/event-stream"

    def __init__(self, stream: EventStream, *, send_seconds: float = SEND_SECONDS) -> None:
        # The stream beats by itself: a beat of the response could overtake an event.
        super().__init__(_lines(stream), ping=0, sep="\n", send_timeout=send_seconds)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        except SendTimeoutError:
            logger.info("A reader of events took none for too long, and was dropped.")


async def _lines(stream: EventStream) -> AsyncIterator[bytes]:
    async with contextlib.aclosing(stream.batches()) as batches:
        async for batch in batches:
            yield b"".join(map(as_sse, batch)) or b": heartbeat\n\n"


def as_sse(event: Event) -> bytes:
    """One event of a stream."""
    return f"id: {event.id}\nevent: {event.kind.topic}\ndata: {event_json(event)}\n\n".encode()


async def speak(socket: WebSocket, stream: EventStream) -> None:
    """Tell events until the client goes, is too slow, or the server stops."""
    await socket.accept()
    tasks = {
        asyncio.create_task(_tell(socket, stream), name="events-out"),
        asyncio.create_task(_until_gone(socket), name="events-in"),
    }
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
    faults = [error for error in ended if isinstance(error, Exception)]
    for fault in faults:
        logger.error("A WebSocket of events ended for a reason of our own.", exc_info=fault)
    await _hang_up(
        socket, *(_FAULT if faults else _CLOSES[stream.ending or StreamEndReason.TOO_SLOW])
    )


async def _tell(socket: WebSocket, stream: EventStream) -> None:
    """Ends with the stream, or when the client takes nothing; uvicorn's pings keep it alive."""
    with contextlib.suppress(TimeoutError, WebSocketDisconnect):
        async with contextlib.aclosing(stream.batches()) as batches:
            async for batch in batches:
                async with asyncio.timeout(SEND_SECONDS):
                    for event in batch:
                        await socket.send_text(event_json(event))


async def _until_gone(socket: WebSocket) -> None:
    """What clients say is not asked for, and goes unread."""
    while (await socket.receive())["type"] != "websocket.disconnect":
        pass


async def _hang_up(socket: WebSocket, code: int, reason: str) -> None:
    if WebSocketState.DISCONNECTED in {socket.client_state, socket.application_state}:
        return
    with contextlib.suppress(TimeoutError, WebSocketDisconnect):
        async with asyncio.timeout(1):
            await socket.close(code, reason)
