"""What the stand-ins for paid providers share: a port on loopback, faults on demand, counted calls.

They charge for every order that they accept, so a test can count them.
"""

import asyncio
import itertools
from abc import ABC, abstractmethod
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from aiohttp import web

Accept = Callable[[], Awaitable[dict[str, Any]]]


@dataclass(frozen=True)
class Fault:
    """Answer a call in a wrong way. `after`: do what was asked first, then answer like this."""

    status: int = 200
    body: bytes | Mapping[str, Any] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    after: bool = False
    #: Close the connection instead of answering.
    drop: bool = False
    #: Promise this many bytes more than are sent.
    missing: int = 0
    #: Wait for `released` first.
    hold: bool = False
    #: Do what was asked, but read the order only once `released` is set.
    late: bool = False


class PaidStandIn(ABC):
    """A subclass adds its routes; each begins with `_begin`, and orders go through `_order`."""

    def __init__(self) -> None:
        self._runner: web.AppRunner | None = None
        self._port = 0
        self.reset()

    def reset(self) -> None:
        """Forget everything, faults included."""
        #: What was ordered and accepted, in order.
        self.orders: list[dict[str, Any]] = []
        #: Orders whose body never came to its end.
        self.broken_off = 0
        self.calls: list[tuple[str, str]] = []
        self.released = asyncio.Event()
        self._faults: defaultdict[str, deque[Fault]] = defaultdict(deque)
        self._looks: defaultdict[str, int] = defaultdict(int)
        self._numbers = itertools.count(1)

    @property
    def root(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def count(self, action: str) -> int:
        return sum(1 for name, _ in self.calls if name == action)

    def fault(self, action: str, *faults: Fault, times: int = 1) -> None:
        """Let the next calls of an action go wrong."""
        self._faults[action].extend(faults * times)

    async def start(self, port: int = 0) -> None:
        app = web.Application(client_max_size=64 * 1024 * 1024)
        self._add_routes(app.router)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", port).start()
        self._port = self._runner.addresses[0][1]

    async def stop(self) -> int:
        """Close the port; gives it, so that a test may open it again."""
        self.released.set()
        if self._runner is not None:
            await self._runner.cleanup()
        return self._port

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    @abstractmethod
    def _add_routes(self, router: web.UrlDispatcher) -> None:
        """Add what the provider answers to."""

    @abstractmethod
    def _refused(self, request: web.Request) -> Fault | None:
        """What is answered to somebody who may not call; None when they may."""

    def _begin(self, request: web.Request, action: str) -> Fault | None:
        """Note a call; gives the fault that it meets with."""
        self.calls.append((action, request.path_qs))
        return self._refused(request) or self._next_fault(action)

    def _next_fault(self, action: str) -> Fault | None:
        return self._faults[action].popleft() if self._faults[action] else None

    async def _order(self, request: web.Request, action: str, accept: Accept) -> web.StreamResponse:
        """Take an order: `accept` reads its body, notes it, and gives the answer."""
        fault = self._begin(request, action)
        if fault is not None and fault.late:
            await self.released.wait()
        elif fault is not None and not fault.after:
            return await self._go_wrong(request, fault)
        try:
            answer = await accept()
        except (ConnectionError, web.RequestPayloadError):
            self.broken_off += 1
            raise
        if fault is not None and fault.after:
            return await self._go_wrong(request, fault)
        return web.json_response(answer)

    async def _go_wrong(
        self, request: web.Request, fault: Fault, *, content: bytes = b""
    ) -> web.StreamResponse:
        """Answer as the fault says; `content` is what would have been sent."""
        if fault.hold:
            await self.released.wait()
        if fault.drop:
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        if fault.missing:
            return await _cut_short(request, content, fault.missing)
        if isinstance(fault.body, Mapping):
            return web.json_response(fault.body, status=fault.status, headers=fault.headers)
        return web.Response(status=fault.status, body=fault.body or b"", headers=fault.headers)


async def _cut_short(request: web.Request, content: bytes, missing: int) -> web.StreamResponse:
    response = web.StreamResponse()
    response.content_length = len(content)
    await response.prepare(request)
    await response.write(content[:-missing])
    assert request.transport is not None
    request.transport.close()
    return response
