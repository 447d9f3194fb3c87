"""What is known of the ComfyUI servers right now, and the loop that finds out."""

import asyncio
import logging
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from backend.models.comfyui_server import ComfyUIServer, ServerType
from backend.repositories.comfyui_repository import ComfyUIRepository
from backend.services.circuit import Circuit, CircuitState
from backend.services.comfyui_client import ComfyUIClient
from backend.services.comfyui_messages import ServerQueue, SystemStats
from backend.services.runpod_client import RunPodClient
from backend.services.runpod_messages import EndpointHealth
from backend.services.server_catalog import ServerCatalog
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
#: RunPod limits how often it may be asked; whether an endpoint is there changes slowly.
ENDPOINT_SECONDS = 15
#: A server that fails is left alone for as many checks at first: 15 s by default.
_CHECKS_ALONE = 3


@dataclass(frozen=True)
class ServerState:
    """`latency_ms` is milliseconds of one check; `queue` counts strangers' prompts too."""

    server: ComfyUIServer
    online: bool = False
    catalog: ServerCatalog | None = None
    stats: SystemStats | None = None
    queue: ServerQueue | None = None
    #: Of a RunPod endpoint, instead of catalog, stats and queue.
    endpoint: EndpointHealth | None = None
    latency_ms: float | None = None
    last_seen: datetime | None = None
    catalog_read_at: datetime | None = None
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
        if self.catalog is None and not self.paid:
            return "has not said yet which models it has"
        return ""

    @property
    def on_probation(self) -> bool:
        """Whether one job at most may find out if it is well again."""
        return self.circuit is CircuitState.HALF_OPEN

    @property
    def queue_length(self) -> int:
        """Everything that runs or waits there, strangers' work too."""
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
        on_change: Callable[[], None] = lambda: None,
    ) -> None:
        self._servers = servers
        self._client = client
        self._runpod = runpod
        self._check_seconds = check_seconds
        self._clock = clock
        self._jitter = random.SystemRandom()
        self.on_change = on_change
        #: Called when a server that was known comes or goes, with whether it is online.
        self.on_turned: Callable[[ComfyUIServer, bool], None] = lambda server, online: None
        self._states: dict[str, ServerState] = {}
        self._circuits: dict[str, Circuit] = {}
        #: A check that is under way while its server is removed must not bring it back.
        self._gone: set[str] = set()

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
        while True:
            try:
                await self.check_all(spread=self._check_seconds / 2)
            except DatabaseUnavailableError:
                logger.debug("The list of servers cannot be read while the database is away.")
            self.on_change()
            await asyncio.sleep(self._check_seconds * self._jitter.uniform(0.5, 0.75))

    async def check_all(self, *, spread: float = 0.0) -> None:
        """Ask every registered server; those known already within `spread` seconds from now."""
        servers = await self._servers.list_all()
        for gone in self._states.keys() - {server.id for server in servers}:
            del self._states[gone]
        await asyncio.gather(*(self._check_within(server, spread) for server in servers))

    async def _check_within(self, server: ComfyUIServer, spread: float) -> None:
        if spread and server.id in self._states:
            await asyncio.sleep(self._jitter.uniform(0, spread))
        await self.check(server)
        self.on_change()

    async def check(self, server: ComfyUIServer, *, fresh: bool = False) -> ServerState:
        """Ask one server how it is; `fresh` reads its models again. Never raises for the server.

        What its document says counts at once, before it answers: one that is switched off gets
        nothing more. An older document than the known one counts for nothing.
        """
        known = self._states.get(server.id)
        state = self._keep(replace(known, server=server)) if known else ServerState(server)
        try:
            async with asyncio.timeout(CHECK_TIMEOUT):
                state = await self._ask(state, fresh=fresh)
        except (ResourceNotFoundError, UpstreamError, TimeoutError) as error:
            reason = error.message if isinstance(error, StoryCanvasError) else "no answer in time"
            state = replace(state, online=False)
            self._log_change(state, reason)
        else:
            self._log_change(state, "online")
        return self._keep(state)

    async def _ask(self, state: ServerState, *, fresh: bool) -> ServerState:
        if state.paid:
            return await self._ask_endpoint(state, fresh=fresh)
        started = time.perf_counter()
        stats = await self._client.system_stats(state.server)
        latency = (time.perf_counter() - started) * 1000
        queue = await self._client.queue(state.server)
        now = self._clock()
        if fresh or not state.online or _is_stale(state, now):
            catalog = await self._client.catalog(state.server)
            state = replace(state, catalog=catalog, catalog_read_at=now)
        return replace(
            state,
            online=True,
            stats=stats,
            queue=queue,
            endpoint=None,
            latency_ms=round(latency, 1),
            last_seen=now,
        )

    async def _ask_endpoint(self, state: ServerState, *, fresh: bool) -> ServerState:
        now = self._clock()
        age = (now - state.last_seen).total_seconds() if state.last_seen else None
        if state.online and not fresh and age is not None and age < ENDPOINT_SECONDS:
            return state
        started = time.perf_counter()
        health = await self._runpod.health(state.server)
        latency = round((time.perf_counter() - started) * 1000, 1)
        return ServerState(
            state.server, online=True, endpoint=health, latency_ms=latency, last_seen=now
        )

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

    def _log_change(self, state: ServerState, reason: str) -> None:
        known = self._states.get(state.server.id)
        if known is None or known.online != state.online:
            word = "online" if state.online else f"offline: {reason}"
            logger.info("ComfyUI server '%s' is %s", state.server.name, word)


def _is_stale(state: ServerState, now: datetime) -> bool:
    read_at = state.catalog_read_at
    return read_at is None or (now - read_at).total_seconds() > CATALOG_SECONDS
