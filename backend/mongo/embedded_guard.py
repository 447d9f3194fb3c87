"""The guard of the embedded database: a small process between StoryCanvas and SecantusDB.

It lives exactly as long as the pipe on its standard input: end of file means that StoryCanvas
stopped or died (a SIGKILL included), and then it stops the database. It restarts a database that
dies, on the same port, and holds a lock on the directory for as long as one may be running.
SecantusDB is GPL software: it is started as a program of its own and never imported.

Run by path, outside the package: `python -P backend/mongo/embedded_guard.py DIRECTORY PORT`. What
it says begins with PREFIX; every other line of its output is the database's own log.
"""

import contextlib
import ctypes
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from filelock import FileLock, Timeout

PREFIX: Final = "guard: "
#: `guard: database 4711` - the process id, said at each start of the database.
STARTED: Final = "database "
#: `guard: ended -9` - the exit code, said when the database ended unasked.
ENDED: Final = "ended "
#: The exit code when another process has the directory.
DIRECTORY_IN_USE: Final = 3

_LOCK_NAME: Final = "storycanvas.lock"
_CONFIG_NAME: Final = "secantusd.toml"
#: Long enough for the guard of a StoryCanvas that was just killed to stop its database.
_LOCK_SECONDS: Final = 2.0
_STOP_SECONDS: Final = 1.2
_LONGEST_PAUSE: Final = 5.0
#: A database that lived this long had started well; its next restart is not put off.
_SETTLED_SECONDS: Final = 10.0
_PR_SET_PDEATHSIG: Final = 1

#: None says that standard input ended, a number is the exit code of the database.
_Events = queue.SimpleQueue[int | None]


def command(directory: Path, port: int) -> list[str]:
    """Give the command line of the database. `--sync-on-commit`: what it acknowledged is safe.

    The config file is empty: naming one keeps it from reading a stray ~/.secantus/secantusd.toml.
    """
    module = [sys.executable, "-P", "-m", "secantus", "--config", str(directory / _CONFIG_NAME)]
    address = ["--host", "127.0.0.1", "--port", str(port)]
    return [*module, *address, "--storage-path", str(directory), "--sync-on-commit"]


def say(text: str) -> None:
    """Write one line to StoryCanvas; when that is gone, nobody listens and nothing is lost."""
    with contextlib.suppress(OSError):
        os.write(1, f"{PREFIX}{text}\n".encode())


def _dies_with_guard() -> Callable[[], None] | None:
    """On Linux, have the kernel end the database with a guard that was itself killed.

    Elsewhere a killed guard leaves the database running; a killed StoryCanvas never does.
    """
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None).prctl
    return lambda: prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _spawn(argv: list[str], events: _Events) -> subprocess.Popen[bytes]:
    """Start the database and a thread that reports its end. Call from the main thread only.

    The kernel ties the death signal to the thread that starts the child.
    """
    child = subprocess.Popen(  # noqa: S603 - our own interpreter and arguments
        argv,
        stdin=subprocess.DEVNULL,
        stderr=subprocess.STDOUT,
        preexec_fn=_dies_with_guard(),  # noqa: PLW1509 - one prctl call, bound before the fork
    )
    say(f"{STARTED}{child.pid}")
    threading.Thread(target=lambda: events.put(child.wait()), daemon=True).start()
    return child


def _await_end_of_input(events: _Events) -> None:
    while os.read(0, 4096):
        pass
    events.put(None)


def _stop(child: subprocess.Popen[bytes], events: _Events, port: int) -> None:
    """Ask, wait, then kill: with `--sync-on-commit` a kill loses nothing, it only recovers longer.

    SecantusDB 0.7.0b3 waits two seconds for its blocked accept(); a connection ends that wait.
    """
    child.terminate()
    with contextlib.suppress(OSError):
        socket.create_connection(("127.0.0.1", port), timeout=0.2).close()
    try:
        events.get(timeout=_STOP_SECONDS)
    except queue.Empty:
        child.kill()
        child.wait()


def _ended_within(events: _Events, seconds: float) -> bool:
    """Whether standard input ended within this time (no database runs meanwhile)."""
    try:
        return events.get(timeout=seconds) is None
    except queue.Empty:
        return False


def _keep_running(argv: list[str], port: int, events: _Events) -> None:
    """Run the database until standard input ends, restarting it with growing pauses."""
    pause = 0.1
    while True:
        started = time.monotonic()
        child = _spawn(argv, events)
        code = events.get()
        if code is None:
            _stop(child, events, port)
            return
        say(f"{ENDED}{code}")
        if time.monotonic() - started > _SETTLED_SECONDS:
            pause = 0.1
        if _ended_within(events, pause):
            return
        pause = min(pause * 2, _LONGEST_PAUSE)


def _ignore_signals() -> None:
    """Only the end of the pipe stops the guard: StoryCanvas may still write while it shuts down.

    A handler that does nothing, not SIG_IGN: the database would inherit that.
    """
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK"):
        number = getattr(signal, name, None)
        if number is not None:
            signal.signal(number, lambda *_: None)


def main(arguments: list[str]) -> int:
    """Guard a database in `arguments[0]` on port `arguments[1]` until standard input ends."""
    directory, port = Path(arguments[0]), int(arguments[1])
    _ignore_signals()
    events: _Events = queue.SimpleQueue()
    directory.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(directory / _LOCK_NAME, timeout=_LOCK_SECONDS):
            (directory / _CONFIG_NAME).touch()
            threading.Thread(target=_await_end_of_input, args=(events,), daemon=True).start()
            _keep_running(command(directory, port), port, events)
    except Timeout:
        return DIRECTORY_IN_USE
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
