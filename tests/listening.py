"""An app on a real port of this process, and those who listen to its events."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
import uvicorn
from fastapi import FastAPI

from backend.api.http.http_protocol import EnvelopeHttpProtocol
from backend.models.event import EventFilter, EventKind
from backend.services.events.hub import EventHub
from backend.utils.ids import new_id

Told = dict[str, Any]


@asynccontextmanager
async def on_a_port(app: FastAPI) -> AsyncIterator[str]:
    """Serve it as `main` does, and give its address. A stream needs a wire: nothing buffers it."""
    listener = socket.create_server(("127.0.0.1", 0))
    # Those who do not read are noticed after kilobytes, not megabytes.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65_536)
    port = listener.getsockname()[1]
    config = uvicorn.Config(
        app,
        http=EnvelopeHttpProtocol,
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=3,
    )
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve([listener]))
    while not server.started:
        assert not serving.done(), "it did not start"
        await asyncio.sleep(0.005)
    await told_of_the_start(app.state.container.events.hub)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        app.state.container.let_go()
        server.should_exit = True
        async with asyncio.timeout(10):
            await serving


async def told_of_the_start(events: EventHub) -> None:
    """Wait until the reset of the start is in the log: whoever joins later does not hear it."""
    marker = new_id()
    async with asyncio.timeout(10), events.listen(EventFilter(job_id=marker)) as listener:
        events.publish(EventKind.JOB_STARTED, job_id=marker)
        while not any(event.job_id == marker for event in await listener.next(10)):
            pass


class SseStream:
    """What a stream said so far: events in order, and how many comments."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self.events: list[Told] = []
        self.names: list[str] = []
        self.last_id: str | None = None
        self.comments = 0
        self.over = False

    async def read(self) -> None:
        fields: dict[str, str] = {}
        async for line in self.response.aiter_lines():
            if line.startswith(":"):
                self.comments += 1
            elif line:
                name, _, value = line.partition(": ")
                fields[name] = value
            elif fields:
                self.last_id = fields["id"]
                self.names.append(fields["event"])
                self.events.append(json.loads(fields["data"]))
                fields = {}
        self.over = True

    def of(self, kind: str) -> list[Told]:
        return [event for event in self.events if event["type"] == kind]

    async def until(self, kind: str, amount: int) -> None:
        """Wait until at least so many of a kind came."""
        await eventually(lambda: len(self.of(kind)) >= amount)


@asynccontextmanager
async def listening(base: str, query: str = "", **headers: str) -> AsyncIterator[SseStream]:
    """Read /events in the background until the block ends."""
    async with (
        httpx.AsyncClient(base_url=base, timeout=20) as client,
        client.stream("GET", f"/api/v1/events{query}", headers=headers) as response,
    ):
        assert response.status_code == 200, await response.aread()
        stream = SseStream(response)
        reading = asyncio.create_task(stream.read())
        try:
            yield stream
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)


async def eventually(holds: Callable[[], Any], seconds: float = 10) -> None:
    """Wait until something is so."""
    async with asyncio.timeout(seconds):
        while not holds():
            await asyncio.sleep(0.005)
