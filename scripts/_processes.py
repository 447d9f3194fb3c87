"""Programs that we start and stop: each apart from the terminal, so that a Ctrl-C is ours alone."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

from scripts._venv import ROOT

_GRACE_SECONDS = 12.0
_LAST_LINES = 15


class StopRequest:
    """Set by Ctrl-C, SIGTERM, or a closed terminal. A flag: nothing is interrupted half-way."""

    def __init__(self) -> None:
        self.is_set = False

    def listen(self) -> None:
        for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK"):
            number = getattr(signal, name, None)  # the last two are not on every system
            if number is not None:
                signal.signal(number, self._set)

    def wait(self, seconds: float) -> bool:
        """Wait at most so long; tell whether to stop."""
        deadline = time.monotonic() + seconds
        while not self.is_set and time.monotonic() < deadline:
            time.sleep(min(0.1, seconds))
        return self.is_set

    def _set(self, _number: int, _frame: FrameType | None) -> None:
        self.is_set = True


class Child:
    """One program. Without `log` it writes to our terminal."""

    def __init__(self, name: str, command: Sequence[str], *, log: Path | None = None) -> None:
        self.name = name
        self.log = log
        self._command = list(command)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, environment: Mapping[str, str] | None = None) -> None:
        """Start it in the repository's folder; `environment` comes on top of our own."""
        kept: Any = None
        if self.log:
            self.log.parent.mkdir(parents=True, exist_ok=True)
            kept = self.log.open("wb")
        try:
            self._process = subprocess.Popen(
                self._command,
                cwd=ROOT,
                env={**os.environ, "PYTHONUNBUFFERED": "1", **(environment or {})},
                stdin=subprocess.DEVNULL,
                stdout=kept,
                stderr=subprocess.STDOUT if kept else None,
                **_apart(),
            )
        finally:
            if kept:
                kept.close()

    @property
    def exit_code(self) -> int | None:
        """None while it runs."""
        return self._process.poll() if self._process else None

    def last_words(self) -> str:
        """The end of its log, indented; nothing when it wrote to the terminal."""
        if self.log is None or not self.log.is_file():
            return ""
        lines = self.log.read_text("utf-8", errors="replace").splitlines()[-_LAST_LINES:]
        return "\n".join(f"  {line}" for line in lines)

    def send(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(number)

    def stop(self, grace: float = _GRACE_SECONDS) -> None:
        """Ask it to end, and end it when it does not. May be called again."""
        if self._process is None or self._process.poll() is not None:
            return
        _ask_to_end(self._process)
        try:
            self._process.wait(grace)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def _apart() -> dict[str, Any]:
    if sys.platform == "win32":
        return {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}
    return {"start_new_session": True}


def _ask_to_end(process: subprocess.Popen[bytes]) -> None:
    if sys.platform == "win32":  # terminate() would be a kill there
        process.send_signal(signal.CTRL_BREAK_EVENT)
    else:
        process.terminate()
