"""The server itself: it listens, dies, comes back on the same port."""

import asyncio
import contextlib
import os
import random
import socket
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from aiohttp import web

from backend.comfyui_simulator.engine import ENGINE, Engine
from backend.comfyui_simulator.faults import FaultBook
from backend.comfyui_simulator.folders import Folders
from backend.comfyui_simulator.nodes import load_nodes
from backend.comfyui_simulator.options import SimulatorOptions
from backend.comfyui_simulator.responses import (
    add_simulator_header,
    errors_middleware,
    origin_middleware,
)
from backend.comfyui_simulator.routes import control, info, prompt, upload, view
from backend.comfyui_simulator.sockets import FEATURES
from backend.comfyui_simulator.tally import Tally
from backend.comfyui_simulator.worker import World

#: Below those that systems give to connections: 32768 up on Linux, 49152 up elsewhere.
_OWN_PORTS = range(20_000, 32_000)
_TRIES = 20
#: Of the event loop, from accepted to known to the web server: its task, then connection_made.
_TURNS_OF_A_WELCOME = 3

ROUTES = [
    *prompt.ROUTES,
    *view.ROUTES,
    *upload.ROUTES,
    *info.ROUTES,
    *control.ROUTES,
]


async def take_no_more_calls(listening: socket.socket) -> None:
    """Let in who was accepted, and nobody else: to be waited for before a server closes.

    A connection accepted in the very turn in which its server closes is never closed by asyncio.
    """
    loop = asyncio.get_running_loop()
    if isinstance(loop, asyncio.SelectorEventLoop):  # others have no readers, or close them all
        loop.remove_reader(listening)
    for _ in range(_TURNS_OF_A_WELCOME):
        await asyncio.sleep(0)


def build_app(engine: Engine) -> web.Application:
    """Every route, and every route again under /api."""
    app = web.Application(
        middlewares=[errors_middleware, origin_middleware],
        client_max_size=int(FEATURES["max_upload_size"]),
    )
    app[ENGINE] = engine
    app.add_routes(ROUTES)
    app.add_routes(
        web.RouteDef(route.method, f"/api{route.path}", route.handler, route.kwargs)
        for route in ROUTES
    )
    app.on_response_prepare.append(add_simulator_header)
    return app


def bound_socket(host: str, port: int) -> socket.socket:
    """A socket that holds the port without listening: until it listens, connects are refused."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    found = socket.socket(family, socket.SOCK_STREAM)
    if os.name == "posix":
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        found.bind((host, port))
    except OSError:
        found.close()
        raise
    return found


def own_socket(host: str) -> socket.socket:
    """On a port that no connection gets by itself in the moment in which it is let go."""
    for port in random.SystemRandom().sample(_OWN_PORTS, _TRIES):
        with contextlib.suppress(OSError):
            return bound_socket(host, port)
    return bound_socket(host, 0)


class Simulator:
    """`async with Simulator(options) as simulator: …` runs one in this event loop.

    Counts, faults and output files outlive die() and restart(); queue, history, node cache, loaded
    models, sockets and temp files do not. `on_death` replaces what the fault `die` does (the
    command line ends its process there).
    """

    def __init__(
        self,
        options: SimulatorOptions | None = None,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        on_death: Callable[[], None] | None = None,
    ) -> None:
        self.options = options or SimulatorOptions()
        self.faults = FaultBook(self.options.faults)
        self.tally = Tally()
        self._host = host
        self._nodes = load_nodes(self.options)
        self.folders = Folders(self.options.output_directory)
        self._on_death = on_death or self._die_soon
        self._socket: socket.socket | None = None
        self._listening: socket.socket | None = None
        self._runner: web.AppRunner | None = None
        self._engine: Engine | None = None
        self._dying: asyncio.Task[None] | None = None
        self.port = port

    @property
    def url(self) -> str:
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{self.port}"

    @property
    def alive(self) -> bool:
        return self._runner is not None

    @property
    def stats(self) -> dict[str, Any]:
        """What GET /simulator/stats answers."""
        return control.stats_of(self.tally, self.faults, self._engine)

    def set_fault(self, name: str, value: Any = None, *, times: int | None = None) -> None:
        """Switch one fault on, beside the others; UnknownFaultError when there is none."""
        self.faults.set(name, value, times=times)
        if self._engine is not None:
            control.mute_open_sockets(self._engine)

    def clear_faults(self) -> None:
        self.faults.replace({})

    def forget(self) -> None:
        """Lose history and pending jobs at once; a running job runs on."""
        if self._engine is not None:
            self._engine.queue.forget()

    async def start(self) -> None:
        """Listen. Raises OSError when the port is taken."""
        if self._socket is None:
            self._socket = self._bind()
        self.folders.wipe_temp()
        world = World(
            self.options, self._nodes, self.folders, self.faults, self.tally, self._on_death
        )
        self._engine = Engine(world)
        self._runner = web.AppRunner(build_app(self._engine), access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.SockSite(self._runner, self._socket, backlog=256).start()
        self._listening, self._socket = self._socket, None
        self._engine.start()

    def _bind(self) -> socket.socket:
        try:
            found = bound_socket(self._host, self.port) if self.port else own_socket(self._host)
        except OSError:
            self.folders.remove()
            raise
        self.port = found.getsockname()[1]
        return found

    async def die(self) -> None:
        """Drop the listening socket and every connection at once, with queue and history."""
        runner, self._runner = self._runner, None
        engine, self._engine = self._engine, None
        if runner is None or engine is None:
            return
        self.tally.deaths += 1
        if self._listening is not None:
            await take_no_more_calls(self._listening)
            self._listening = None
        for connection in getattr(runner.server, "connections", []):
            if connection.transport is not None:
                connection.transport.abort()
        await runner.cleanup()
        await engine.stop()
        self._socket = self._bind()

    async def restart(self) -> None:
        """Come back on the same port, with nothing in memory; output and input files are kept."""
        if self._dying is not None:
            await self._dying
        await self.die()
        await self.start()

    async def stop(self) -> None:
        """As die(), and remove the temporary folder."""
        if self._dying is not None:
            await self._dying
        await self.die()
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        self.folders.remove()

    def _die_soon(self) -> None:
        """The worker calls this and is cancelled by it, so it can't wait for it."""
        self._dying = asyncio.create_task(self.die(), name="simulator death")

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.stop()
