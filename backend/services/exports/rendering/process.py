"""The rendering process as the server sees it: one task at a time, killed when nobody waits."""

import asyncio
import json
import logging
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from backend.services.exports.rendering.tasks import Task, to_line
from backend.utils.errors import StorageFullError

logger = logging.getLogger(__name__)

_ROOT: Final = Path(__file__).resolve().parents[4]
_WORKER: Final = "backend.services.exports.rendering.worker"
#: A process that has nothing to do ends after so many seconds.
_IDLE_SECONDS: Final = 20.0
_STOP_SECONDS: Final = 2.0


class BrokenSourceError(Exception):
    """A file could not be read as what it should be; the message says why."""


class RenderProcess:
    """Started when there is something to do. Close it at the end."""

    def __init__(self, *, idle_seconds: float = _IDLE_SECONDS) -> None:
        self._idle_seconds = idle_seconds
        self._process: asyncio.subprocess.Process | None = None
        self._turn = asyncio.Lock()
        self._retiring: asyncio.TimerHandle | None = None

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    async def do(
        self, task: Task, on_progress: Callable[[float], None] | None = None
    ) -> dict[str, Any]:
        """Wait for its answer; whoever stops waiting stops the work.

        BrokenSourceError, also when the process itself falls over a file; StorageFullError.
        """
        async with self._turn:
            if self._retiring:
                self._retiring.cancel()
            is_done = False
            try:
                answer = await self._ask(to_line(task), on_progress)
                is_done = True
            finally:
                if not is_done:
                    await self.close()
            loop = asyncio.get_running_loop()
            self._retiring = loop.call_later(self._idle_seconds, self._retire)
        _raise_for(answer)
        return answer

    async def close(self) -> None:
        """End it, in the middle of its work if need be."""
        if self._retiring:
            self._retiring.cancel()
        process, self._process = self._process, None
        if process is None:
            return
        _hang_up(process)
        try:
            async with asyncio.timeout(_STOP_SECONDS):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()

    def _retire(self) -> None:
        if self._process and not self._turn.locked():
            _hang_up(self._process)

    async def _ask(
        self, line: bytes, on_progress: Callable[[float], None] | None
    ) -> dict[str, Any]:
        process = await self._running()
        if process.stdin is None or process.stdout is None:
            raise AssertionError("the process is started with pipes")
        try:
            process.stdin.write(line)
            await process.stdin.drain()
        except (BrokenPipeError, ConnectionResetError):
            logger.warning("The rendering process ended before it had its task.")
        while said := await process.stdout.readline():
            answer: dict[str, Any] = json.loads(said)
            if "progress" not in answer:
                return answer
            if on_progress:
                on_progress(answer["progress"])
        code = await process.wait()
        self._process = None
        logger.error("The rendering process fell over a file (exit code %s).", code)
        return {"broken": "it can't be decoded"}

    async def _running(self) -> asyncio.subprocess.Process:
        process = self._process
        if process and process.returncode is None and not _is_hung_up(process):
            return process
        if process:
            await process.wait()
        starting = asyncio.ensure_future(_start())
        try:
            await asyncio.shield(starting)
        finally:  # who stops waiting now must still know it, to end it
            self._process = process = await starting
        return process


async def _start() -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        _WORKER,
        cwd=_ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        start_new_session=True,  # a Ctrl-C in a terminal is for StoryCanvas alone
    )


def _raise_for(answer: dict[str, Any]) -> None:
    if "broken" in answer:
        raise BrokenSourceError(answer["broken"])
    if "full" in answer:
        raise StorageFullError(answer["full"])


def _hang_up(process: asyncio.subprocess.Process) -> None:
    if process.stdin:
        process.stdin.close()


def _is_hung_up(process: asyncio.subprocess.Process) -> bool:
    return process.stdin is None or process.stdin.is_closing()
