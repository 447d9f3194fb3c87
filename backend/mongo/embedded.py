"""The embedded database: SecantusDB behind its guard process, started, watched and stopped here."""

import importlib.util
import logging
import secrets
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from backend.mongo import embedded_guard
from backend.mongo.embedded_guard import DIRECTORY_IN_USE, ENDED, PREFIX, STARTED
from backend.utils.backoff import Backoff

logger = logging.getLogger(__name__)

_START_SECONDS: Final = 20.0
#: The guard gives the database 1.2 s to end before it kills it.
_STOP_SECONDS: Final = 2.0
_RESTARTS: Final = Backoff(0.1, longest=5.0)
_GUARD: Final = str(Path(embedded_guard.__file__))
_KEPT_LINES: Final = 20
_LONGEST_LINE: Final = 500


class DatabaseStartError(Exception):
    """The start must stop; the message is a sentence that says what to do."""


def require_installed(find: Callable[[str], object | None] = importlib.util.find_spec) -> None:
    """Raise DatabaseStartError where SecantusDB has no wheel; looks, but does not import."""
    if find("secantus") is None:
        raise DatabaseStartError(
            "The embedded database (SecantusDB) is not installed; it has no package for this "
            "Python or platform. Set MONGO_URL=mongodb://... to use a MongoDB, or "
            "MONGO_URL=memory: for a try-out that keeps nothing."
        )


def free_port() -> int:
    """Find a port below those that the system hands to outgoing connections.

    The port must still be ours after a restart, and a client that knocks on a closed port of
    the ephemeral range may end up connected to itself.
    """
    for _ in range(100):
        port = 20_000 + secrets.randbelow(12_000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise DatabaseStartError("The embedded database found no free port from 20000 to 32000.")


class EmbeddedDatabase:
    """One database directory, served on a loopback port from start() to stop(); used once.

    Methods block, and are called in a thread. The port stays the same through every restart.
    """

    def __init__(self, directory: Path, *, port: int | None = None) -> None:
        self._directory = directory
        self.port = port or 0
        #: Process ids; 0 while there is none.
        self.guard_pid = 0
        self.database_pid = 0
        self._lines: deque[str] = deque(maxlen=_KEPT_LINES)
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        #: Set once the database has taken a connection; from then on its end is not the start's.
        self._serving = threading.Event()
        self._ended = threading.Event()
        self._guard: subprocess.Popen[bytes] | None = None
        self._supervisor: threading.Thread | None = None

    @property
    def url(self) -> str:
        """No retried writes: SecantusDB 0.7.0b3 forgets at a restart which ones it has applied."""
        return f"mongodb://127.0.0.1:{self.port}/?directConnection=true&retryWrites=false"

    def start(self) -> None:
        """Return once the database takes connections.

        Raises DatabaseStartError: not installed, directory in use, or it ended at once.
        """
        require_installed()
        self.port = self.port or free_port()
        with self._lock:
            if self._stopping.is_set():
                raise DatabaseStartError("The embedded database was stopped before it started.")
            guard = self._spawn_guard()
        # A daemon: a program that ends without stop() must not wait for it.
        self._supervisor = threading.Thread(target=self._supervise, args=(guard,), daemon=True)
        self._supervisor.start()
        try:
            self._await_ready(guard)
        except DatabaseStartError:
            self.stop()
            raise
        logger.info("Embedded database in %s on port %d.", self._directory, self.port)

    def stop(self) -> None:
        """Stop the database and its guard, in about two seconds at most. May be called again."""
        with self._lock:
            self._stopping.set()
            guard = self._guard
        if guard is not None:
            _dismiss(guard)
        if self._supervisor is not None:
            self._supervisor.join(_STOP_SECONDS)
        self.guard_pid = self.database_pid = 0

    def _spawn_guard(self) -> subprocess.Popen[bytes]:
        """Start the guard apart from our terminal: a Ctrl-C there is for StoryCanvas alone."""
        detached: dict[str, Any] = {"start_new_session": True}
        if sys.platform == "win32":
            alone = subprocess.CREATE_NO_WINDOW | subprocess.CREATE_NEW_PROCESS_GROUP
            detached = {"creationflags": alone}
        guard = subprocess.Popen(  # noqa: S603 - our own interpreter and script
            [sys.executable, "-P", _GUARD, str(self._directory), str(self.port)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            **detached,
        )
        self._guard, self.guard_pid = guard, guard.pid
        return guard

    def _supervise(self, guard: subprocess.Popen[bytes]) -> None:
        """Read what guard and database say; a guard that was killed gets a successor."""
        for pause in _RESTARTS.pauses():
            self._listen(guard)
            if not self._serving.is_set() or self._stopping.wait(pause):
                return
            logger.warning("The guard of the embedded database ended; starting another.")
            with self._lock:
                if self._stopping.is_set():
                    return
                guard = self._spawn_guard()

    def _listen(self, guard: subprocess.Popen[bytes]) -> None:
        """Follow one guard to its end."""
        if guard.stdout is None:
            raise AssertionError("the guard is started with a pipe")
        with guard.stdout as output:
            for line in output:
                self._hear(line.decode(errors="replace").rstrip()[:_LONGEST_LINE])
        guard.wait()
        if guard.stdin is not None:
            guard.stdin.close()
        self.guard_pid = self.database_pid = 0

    def _hear(self, line: str) -> None:
        said = line.removeprefix(PREFIX) if line.startswith(PREFIX) else ""
        if said.startswith(STARTED):
            self.database_pid = int(said.removeprefix(STARTED))
        elif said.startswith(ENDED):
            self.database_pid = 0
            self._ended.set()
            code = said.removeprefix(ENDED)
            logger.warning("The embedded database ended (code %s).", code)
        else:
            self._lines.append(line)
            logger.debug("%s", line)

    def _await_ready(self, guard: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while not takes_connections(self.port):
            if guard.poll() == DIRECTORY_IN_USE:
                raise DatabaseStartError(
                    f"The database directory {self._directory} is in use by another running "
                    "StoryCanvas. Stop that one, or name another directory in MONGO_URL."
                )
            if guard.poll() is not None or self._ended.is_set() or time.monotonic() > deadline:
                raise DatabaseStartError(self._why_not_started())
            time.sleep(0.02)
        self._serving.set()

    def _why_not_started(self) -> str:
        last = "\n".join(self._lines) or "(it said nothing)"
        return f"The embedded database in {self._directory} did not start. Its last words:\n{last}"


def takes_connections(port: int) -> bool:
    """Whether something on this machine listens on a loopback port."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=0.5).close()
    except OSError:
        return False
    return True


def _dismiss(guard: subprocess.Popen[bytes]) -> None:
    """Close the pipe that keeps the guard alive, and kill it if it does not follow."""
    if guard.stdin is not None:
        guard.stdin.close()
    try:
        guard.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        guard.kill()
        guard.wait()
