"""The database: which driver, which server, whether it is there, and its indexes.

The only file that names a driver class. `gate=manager.require` and
`backend.repositories.shared.translation.translated` keep every repository call short while the
database is away: the first refuses at once what is known to be down, the second bounds the rest.
"""

import asyncio
import inspect
import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal
from urllib.parse import parse_qsl, urlsplit

import pymongo
from mongomock_motor import AsyncMongoMockClient
from motor.motor_asyncio import AsyncIOMotorClient
from pymongo.errors import ConnectionFailure, PyMongoError

from backend.mongo.embedded import DatabaseStartError, EmbeddedDatabase
from backend.mongo.indexes import IndexConflictError, build_indexes
from backend.mongo.watch import Reachability, pauses
from backend.utils.errors import DatabaseUnavailableError
from backend.utils.index_spec import IndexSpec

logger = logging.getLogger(__name__)

Kind = Literal["mongodb", "embedded", "memory"]
Driver = Literal["motor", "pymongo"]

#: What the URL does not set itself. The monitor notices a server that hangs after connectTimeoutMS
#: + heartbeatFrequencyMS; timeoutMS ends each operation, the wait for a server included.
DEFAULT_OPTIONS: Final[Mapping[str, Any]] = {
    "appName": "storycanvas",
    "connectTimeoutMS": 2_000,
    "heartbeatFrequencyMS": 2_000,
    "timeoutMS": 3_000,
}
_LOOK_SECONDS: Final = 0.25
_PING_SECONDS: Final = 1.5
#: Far away, the first answer takes several round trips: TCP, TLS, handshake, login.
_PATIENT_PING_SECONDS: Final = 4.0
_CLOSE_SECONDS: Final = 0.8


@dataclass(frozen=True)
class DatabaseHealth:
    """`latency_ms` is that of one ping, None when there was no answer."""

    status: Literal["healthy", "unhealthy"]
    kind: Kind
    latency_ms: float | None


def options_for(url: str) -> dict[str, Any]:
    """Give our client options, less those that the URL sets itself."""
    given = {key.lower() for key, _ in parse_qsl(urlsplit(url).query, keep_blank_values=True)}
    ours = {key: value for key, value in DEFAULT_OPTIONS.items() if key.lower() not in given}
    return {**ours, "tz_aware": True, "connect": False}


class DatabaseManager:
    """One database from start() to stop(); used once, by one event loop.

    An `embedded_path` starts the embedded database there and overrides `url`; the url `memory:`
    keeps everything in this process. Nothing falls back to either of them.
    """

    kind: Kind

    def __init__(
        self, url: str, *, name: str, driver: Driver, embedded_path: Path | None = None
    ) -> None:
        self._url = url
        self._name = name
        self._driver = driver
        self._embedded = EmbeddedDatabase(embedded_path) if embedded_path else None
        self.kind = "embedded" if embedded_path else "memory" if url == "memory:" else "mongodb"
        self._client: Any = None
        self._indexes: dict[str, tuple[IndexSpec, ...]] = {}
        self._reachability = Reachability()
        self._ready = asyncio.Event()
        self._starting = True
        self._watcher: asyncio.Task[None] | None = None

    @property
    def available(self) -> bool:
        """Whether calls make sense now: connected, indexes built, not lost for over a second."""
        return self._ready.is_set() and self._reachable()

    @property
    def embedded(self) -> EmbeddedDatabase | None:
        """The embedded database's process, if there is one."""
        return self._embedded

    def require(self) -> None:
        """Raise DatabaseUnavailableError at once when the database is known to be away."""
        if not self.available:
            raise DatabaseUnavailableError("The database is not reachable. Try again shortly.")

    def database(self) -> Any:
        """Give the driver's database object: Motor's, PyMongo's async one, or mongomock-motor's."""
        if self._client is None:
            raise DatabaseUnavailableError("The database has not been started.")
        return self._client[self._name]

    async def start(self, *, patience: float = 5.0) -> None:
        """Connect; without success in `patience` seconds, return and go on in the background.

        Raises DatabaseStartError for what trying again cannot mend: a wrong URL, an embedded
        database that does not start, an index in conflict.
        """
        try:
            await self._open()
            self._watcher = asyncio.create_task(self._watch(), name="database-watcher")
            self._watcher.add_done_callback(self._report_end)
            await self._first_connection(self._watcher, patience)
        except (DatabaseStartError, asyncio.CancelledError):
            await self.stop()
            raise
        self._starting = False

    async def stop(self) -> None:
        """Close the client and stop the embedded database. May be called again."""
        self._ready.clear()
        watcher, self._watcher = self._watcher, None
        if watcher is not None:
            watcher.cancel()
            await asyncio.wait({watcher})
        client, self._client = self._client, None
        if client is not None:
            await self._close(client)
        if self._embedded is not None:
            await asyncio.to_thread(self._embedded.stop)

    async def health(self) -> DatabaseHealth:
        """Ask for one ping; answers within two seconds, whatever the database does."""
        began = time.monotonic()
        try:
            self.require()
            async with asyncio.timeout(_PING_SECONDS + 0.2):
                await self._ping(_PING_SECONDS)
            # The ping may have outlived the moment's grace: others are refused until the indexes
            # are looked at again.
            self.require()
        except (DatabaseUnavailableError, PyMongoError, TimeoutError):
            return DatabaseHealth("unhealthy", self.kind, None)
        latency = round((time.monotonic() - began) * 1000, 2)
        return DatabaseHealth("healthy", self.kind, latency)

    async def ensure_indexes(self, indexes: Mapping[str, Sequence[IndexSpec]]) -> None:
        """Have these indexes, by collection, from now on and after each reconnect.

        Called before start(), they are there before `available` is first true. Raises
        IndexConflictError, from here or from start().
        """
        self._indexes = {name: tuple(specs) for name, specs in indexes.items()}
        if self.available:
            await build_indexes(self.database(), self._indexes)

    async def _open(self) -> None:
        if self._embedded is not None:
            await asyncio.to_thread(self._embedded.start)
            self._url = self._embedded.url
        try:
            self._client = self._new_client()
        except (PyMongoError, ValueError) as error:
            # The driver's sentence may quote the URL, and that may hold a password.
            why = "" if "@" in self._url else f": {error}"
            raise DatabaseStartError(f"MONGO_URL cannot be used{why}") from None

    def _new_client(self) -> Any:
        if self.kind == "memory":
            logger.warning("The database is in memory only: everything is gone at exit.")
            return AsyncMongoMockClient(tz_aware=True)
        if self._driver == "motor":
            return AsyncIOMotorClient(self._url, **options_for(self._url))
        return pymongo.AsyncMongoClient(self._url, **options_for(self._url))

    async def _close(self, client: Any) -> None:
        """Close within a second: a database that hangs is not waited for to end our sessions."""
        with pymongo.timeout(_CLOSE_SECONDS):
            if isinstance(client, AsyncIOMotorClient):
                await asyncio.to_thread(client.close)
            elif inspect.isawaitable(closing := client.close()):
                await closing

    def _reachable(self) -> bool:
        """Look at what the driver's monitors last saw; no call, no wait."""
        if self.kind == "memory":
            return self._client is not None
        if self._client is None:
            return False
        client = self._client
        seen = (client.delegate if self._driver == "motor" else client).topology_description
        return self._reachability.observe(writable=seen.has_writable_server(), now=time.monotonic())

    async def _first_connection(self, watcher: asyncio.Task[None], patience: float) -> None:
        ready = asyncio.create_task(self._ready.wait())
        await asyncio.wait({watcher, ready}, timeout=patience, return_when=asyncio.FIRST_COMPLETED)
        ready.cancel()
        if watcher.done():
            watcher.result()

    def _report_end(self, watcher: asyncio.Task[None]) -> None:
        """The watcher ends by being cancelled; any other end is a fault of ours, said loudly."""
        if not watcher.cancelled() and watcher.exception() is not None and not self._starting:
            logger.critical("The database watcher ended.", exc_info=watcher.exception())

    async def _watch(self) -> None:
        """Connect, wait until it is lost, and again, for as long as we run."""
        while True:
            await self._bring_up()
            while self._reachable():  # noqa: ASYNC110 - the driver keeps no event for this
                await asyncio.sleep(_LOOK_SECONDS)
            self._ready.clear()
            logger.warning("Lost the database (%s); trying to get it back.", self._where())

    async def _bring_up(self) -> None:
        """Try until the database answers and has its indexes; one log line, not one a try."""
        said, patience = "", _PING_SECONDS
        for pause in pauses():
            fault = await self._fault(patience)
            patience = _PATIENT_PING_SECONDS
            if not fault:
                break
            if fault != said:
                logger.warning("The database (%s) cannot be used yet: %s", self._where(), fault)
            said = fault
            await asyncio.sleep(pause)
        self._ready.set()
        logger.info("Connected to the database (%s).", self._where())

    async def _fault(self, patience: float) -> str:
        """Try to connect and build the indexes; give what hinders it, or nothing."""
        try:
            await self._ping(patience)
            if not self._reachable():
                return "it takes no writes"
            await build_indexes(self.database(), self._indexes)
        except IndexConflictError as error:
            if self._starting:
                raise
            return str(error)
        except ConnectionFailure:
            return "nothing answers there"
        except PyMongoError as error:
            return str(error)[:300]
        return ""

    async def _ping(self, seconds: float) -> None:
        with pymongo.timeout(seconds):
            await self._client.admin.command("ping")

    def _where(self) -> str:
        """Name the server without what a URL may hold of credentials."""
        if self.kind == "memory":
            return "memory"
        return f"{self.kind} at {urlsplit(self._url).netloc.rpartition('@')[2]}"
