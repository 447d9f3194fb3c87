"""Checks the ComfyUI servers again and again, and keeps what is known of them."""

import asyncio
import logging
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from backend.models.comfyui_server import ComfyUIServer, ServerType
from backend.repositories.comfyui_repository import ComfyUIRepository
from backend.services.comfyui.catalog import ServerCatalog
from backend.services.comfyui.client import ComfyUIClient
from backend.services.comfyui.messages import ServerQueue, SystemStats
from backend.services.providers.runpod.client import RunPodClient
from backend.services.providers.runpod.messages import EndpointHealth
from backend.services.servers.circuit import Circuit, CircuitState
from backend.utils.clock import Clock
from backend.utils.errors import (
    DatabaseUnavailableError,
    ResourceNotFoundError,
    StoryCanvasError,
    UpstreamError,
)

logger = logging.getLogger(__name__)

#: New model files show up in /object_info at once; this is how long we may not know of them.
CATALOG_SECONDS = 300
#: A server that takes longer than this to say how it is counts as offline.
CHECK_TIMEOUT = 4.0
#: Seconds between two servers that are asked for the first time.
_APART = 0.005
#: RunPod limits how often it may be asked; whether an endpoint is there changes slowly.
ENDPOINT_SECONDS = 15
#: A server that fails is left alone for as many checks at first: 15 s by default.
_CHECKS_ALONE = 3


@dataclass(frozen=True)
class ServerState:
    """`latency_ms` is milliseconds of one check; `queue` counts foreign prompts too."""

    server: ComfyUIServer
    online: bool = False
    catalog: ServerCatalog | None = None
    stats: SystemStats | None = None
    queue: ServerQueue | None = None
    #: Of a RunPod endpoint, instead of catalog, stats and queue.
    endpoint: EndpointHealth | None = None
    latency_ms: float | None = None
    last_seen: datetime | None = None
    #: None for one that is back after a while and may have other models now.
    catalog_read_at: datetime | None = None
    #: Why it could not be asked what it has; "" if it could.
    catalog_fault: str = ""
    circuit: CircuitState = CircuitState.CLOSED

    @property
    def paid(self) -> bool:
        """Whether each job there costs money."""
        return self.server.server_type is ServerType.RUNPOD

    @property
    def can_dispatch(self) -> bool:
        """Whether jobs may be sent there now; what RunPod's endpoints have cannot be asked for."""
        return not self.why_not

    @property
    def why_not(self) -> str:
        """Why no jobs may be sent there now, as words that follow its name; "" if they may."""
        if not self.server.is_active:
            return "is switched off"
        if not self.online:
            return "is offline"
        if self.circuit is CircuitState.OPEN:
            return "is left alone for a while, since it failed several times in a row"
        if self.catalog_read_at is None and not self.paid:
            told = "has not said yet which models it has"
            return f"{told}: {self.catalog_fault.rstrip('.')}" if self.catalog_fault else told
        return ""

    @property
    def on_probation(self) -> bool:
        """Whether one job at most may find out if it is well again."""
        return self.circuit is CircuitState.HALF_OPEN

    @property
    def queue_length(self) -> int:
        """Everything that runs or waits there, foreign prompts too."""
        if self.endpoint is not None:
            return self.endpoint.jobs
        return len(self.queue.running) + len(self.queue.pending) if self.queue else 0


class Fleet:
    """Checks every registered server at an interval; `on_change` is called after each round."""

    def __init__(
        self,
        servers: ComfyUIRepository,
        client: ComfyUIClient,
        *,
        runpod: RunPodClient,
        check_seconds: float,
        clock: Clock,
        check_timeout: float = CHECK_TIMEOUT,
    ) -> None:
        self._servers = servers
        self._client = client
        self._runpod = runpod
        self._check_seconds = check_seconds
        self._clock = clock
        self._jitter = random.SystemRandom()
        self._check_timeout = check_timeout
        self.on_change: Callable[[], None] = lambda: None
        #: Called when a server that was known comes or goes, with whether it is online.
        self.on_turned: Callable[[ComfyUIServer, bool], None] = lambda server, online: None
        self._states: dict[str, ServerState] = {}
        self._circuits: dict[str, Circuit] = {}
        #: A check that is under way while its server is removed must not bring it back.
        self._gone: set[str] = set()
        self._reading: dict[tuple[object, ...], asyncio.Task[ServerState]] = {}

    @property
    def states(self) -> list[ServerState]:
        return list(self._states.values())

    def state_of(self, server_id: str) -> ServerState | None:
        return self._states.get(server_id)

    def forget(self, server_id: str) -> None:
        self._states.pop(server_id, None)
        self._circuits.pop(server_id, None)
        self._gone.add(server_id)

    def mark_offline(self, server_id: str) -> None:
        """Take no chances until the next check: somebody just failed to reach it."""
        if state := self._states.get(server_id):
            self._keep(replace(state, online=False))
        self.failed(server_id)

    def failed(self, server_id: str) -> None:
        """An attempt there failed by the server's fault: a few in a row, and it is left alone."""
        circuit = self._circuits.get(server_id, self._new_circuit())
        self._circuits[server_id] = circuit.failed(self._now())
        self._show_circuit(server_id)

    def succeeded(self, server_id: str) -> None:
        """An attempt there went well."""
        if circuit := self._circuits.get(server_id):
            self._circuits[server_id] = circuit.succeeded(self._now())
            self._show_circuit(server_id)

    async def run(self) -> None:
        # What many processes or servers would do in step, chance spreads over the interval.
        try:
            while True:
                try:
                    await self.check_all(spread=self._check_seconds / 2)
                except DatabaseUnavailableError:
                    logger.debug("The list of servers cannot be read while the database is away.")
                self.on_change()
                await asyncio.sleep(self._check_seconds * self._jitter.uniform(0.5, 0.75))
        finally:
            readings = list(self._reading.values())
            for reading in readings:
                reading.cancel()
            await asyncio.gather(*readings, return_exceptions=True)

    async def check_all(self, *, spread: float = 0.0) -> None:
        """Ask every registered server how it is; those known already within `spread` seconds.

        What they have is read afterwards, where that is due: `on_change` is called then.
        """
        servers = await self._servers.list_all()
        for gone in self._states.keys() - {server.id for server in servers}:
            del self._states[gone]
            self._circuits.pop(gone, None)
        waits = [
            self._jitter.uniform(0, spread) if server.id in self._states else number * _APART
            for number, server in enumerate(servers)
        ]
        await asyncio.gather(*map(self._check_within, servers, waits))

    async def _check_within(self, server: ComfyUIServer, wait: float) -> None:
        await asyncio.sleep(wait)
        state = await self._check_pulse(server)
        if _wants_reading(state, self._clock()):
            _ = self._begin_reading(server)
        self.on_change()

    async def check(self, server: ComfyUIServer) -> ServerState:
        """Ask one server how it is and what it has. Never raises for the server.

        What its document says counts at once, before it answers: one that is switched off gets
        nothing more. An older document than the known one counts for nothing.
        """
        state = await self._check_pulse(server, fresh=True)
        if not state.online or state.paid:
            return state
        return await asyncio.shield(self._begin_reading(server))

    async def greet(self, server: ComfyUIServer) -> ServerState:
        """As `check`, but what it has is asked for only where that is due.

        One that takes longer for it than a check may take says so later: the next rounds hear.
        """
        state = await self._check_pulse(server, fresh=True)
        if not _wants_reading(state, self._clock()):
            return state
        await asyncio.wait({self._begin_reading(server)}, timeout=self._check_timeout)
        return self._states.get(server.id, state)

    def _begin_reading(self, server: ComfyUIServer) -> asyncio.Task[ServerState]:
        """Ask what it has, unless that very server is being asked; `on_change` is called then."""
        key = _place(server)
        reading = self._reading.get(key)
        if reading is None:
            reading = asyncio.create_task(self._read_catalog(server), name=f"read {server.id}")
            self._reading[key] = reading
            reading.add_done_callback(lambda _: self._reading.pop(key, None))
        return reading

    async def _check_pulse(self, server: ComfyUIServer, *, fresh: bool = False) -> ServerState:
        if moved := self._moved(server):
            return moved
        if server.id in self._states:
            self._keep(self._latest(server))
        try:
            async with asyncio.timeout(self._check_timeout):
                told = await self._ask(server, fresh=fresh)
        except (ResourceNotFoundError, UpstreamError, TimeoutError) as error:
            return self._moved(server) or self._keep_offline(server, error)
        if moved := self._moved(server):
            return moved
        self._log_change(server, online=True, words="online")
        latest = self._latest(server)
        read_at = latest.catalog_read_at if latest.online else None
        return self._keep(replace(latest, online=True, catalog_read_at=read_at, **told))

    async def _read_catalog(self, server: ComfyUIServer) -> ServerState:
        catalog, fault = None, ""
        try:
            catalog = await self._client.catalog(server)
        except UpstreamError as error:
            fault = error.message
        if server.id not in self._states:  # removed meanwhile
            return ServerState(server)
        state = self._moved(server) or self._keep_answer(server, catalog, fault)
        self.on_change()
        return state

    def _keep_answer(
        self, server: ComfyUIServer, catalog: ServerCatalog | None, fault: str
    ) -> ServerState:
        """One that cannot say what it has is there all the same: what it had stands.

        It is asked again by the next round.
        """
        latest = self._latest(server)
        if fault and latest.catalog_fault != fault:
            logger.warning("What ComfyUI server '%s' has is not known: %s", server.name, fault)
        state = replace(latest, catalog_fault=fault)
        if catalog is not None:
            state = replace(state, catalog=catalog, catalog_read_at=self._clock())
        return self._keep(state)

    def _latest(self, server: ComfyUIServer) -> ServerState:
        """What is known by now: others may have asked the server meanwhile.

        At another address, nothing of that holds.
        """
        known = self._states.get(server.id, ServerState(server))
        if _place(known.server) != _place(server):
            return ServerState(server, online=known.online)
        return replace(known, server=server)

    def _moved(self, server: ComfyUIServer) -> ServerState | None:
        """What is known of the server, if it got another address while this one was asked."""
        known = self._states.get(server.id)
        if known is None or _place(known.server) == _place(server):
            return None
        return known if known.server.updated_at > server.updated_at else None

    def _keep_offline(self, server: ComfyUIServer, error: Exception) -> ServerState:
        self._log_change(server, online=False, words=f"offline: {_words(error)}")
        return self._keep(replace(self._latest(server), online=False))

    async def _ask(self, server: ComfyUIServer, *, fresh: bool) -> dict[str, Any]:
        """Give what is to change of its state."""
        if server.server_type is ServerType.RUNPOD:
            return await self._ask_endpoint(server, fresh=fresh)
        started = time.perf_counter()
        stats = await self._client.system_stats(server)
        latency = (time.perf_counter() - started) * 1000
        queue = await self._client.queue(server)
        seen = {"latency_ms": round(latency, 1), "last_seen": self._clock()}
        return {"stats": stats, "queue": queue, "endpoint": None, **seen}

    async def _ask_endpoint(self, server: ComfyUIServer, *, fresh: bool) -> dict[str, Any]:
        now, known = self._clock(), self._states.get(server.id)
        if known and known.online and known.endpoint and not fresh and _is_young(known, now):
            return {}
        started = time.perf_counter()
        health = await self._runpod.health(server)
        latency = (time.perf_counter() - started) * 1000
        seen = {"latency_ms": round(latency, 1), "last_seen": now}
        return {"endpoint": health, "catalog": None, "stats": None, "queue": None, **seen}

    def _new_circuit(self) -> Circuit:
        return Circuit(first=_CHECKS_ALONE * self._check_seconds)

    def _show_circuit(self, server_id: str) -> None:
        if state := self._states.get(server_id):
            self._keep(state)

    def _now(self) -> float:
        return self._clock().timestamp()

    def _keep(self, state: ServerState) -> ServerState:
        circuit = self._circuits.get(state.server.id)
        if circuit is not None:
            state = replace(state, circuit=circuit.state(self._now()))
        if state.server.id not in self._gone:
            known = self._states.get(state.server.id)
            if known is not None and known.server.updated_at > state.server.updated_at:
                state = replace(state, server=known.server)
            self._states[state.server.id] = state
            if known is not None and known.online != state.online:
                self.on_turned(state.server, state.online)
        return state

    def _log_change(self, server: ComfyUIServer, *, online: bool, words: str) -> None:
        known = self._states.get(server.id)
        if known is None or known.online != online:
            logger.info("ComfyUI server '%s' is %s", server.name, words)


def _words(error: Exception) -> str:
    return error.message if isinstance(error, StoryCanvasError) else "no answer in time"


def _place(server: ComfyUIServer) -> tuple[object, ...]:
    """What makes it another machine, or one that answers otherwise."""
    return server.id, server.url, server.server_type, server.api_key


def _is_young(state: ServerState, now: datetime) -> bool:
    seen = state.last_seen
    return seen is not None and (now - seen).total_seconds() < ENDPOINT_SECONDS


def _wants_reading(state: ServerState, now: datetime) -> bool:
    """Whether it is time to ask a server what it has."""
    if not state.online or state.paid:
        return False
    read_at = state.catalog_read_at
    return (
        read_at is None
        or bool(state.catalog_fault)
        or (now - read_at).total_seconds() > CATALOG_SECONDS
    )
