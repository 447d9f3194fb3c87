"""Additions to kept totals, written shortly after they came up, many of them in one write."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import NamedTuple, Protocol

from backend.utils.errors import DatabaseUnavailableError

#: What comes up within this many seconds goes as one write.
_GATHERED_SECONDS = 0.025
_DATABASE_PAUSE = 0.5
#: A reader waits no longer for a write that does not end.
_PATIENCE = 3.0


class Write(Protocol):
    def __call__(
        self, key: str, amounts: Mapping[str, float], /, *, now: datetime
    ) -> Awaitable[object]: ...


class _Due(NamedTuple):
    amounts: Mapping[str, float]
    now: datetime

    def and_then(self, later: "_Due") -> "_Due":
        names = {*self.amounts, *later.amounts}
        summed = {name: self.amounts.get(name, 0) + later.amounts.get(name, 0) for name in names}
        return _Due(summed, max(self.now, later.now))


class WriteBehindTotals:
    """Whoever reads a total waits for what is due to it first; a crash loses what is due."""

    def __init__(self, write: Write) -> None:
        self._write = write
        self._due: dict[str, _Due] = {}
        self._writers: dict[str, asyncio.Task[None]] = {}
        self._hurry: dict[str, asyncio.Event] = {}

    def add(self, key: str, amounts: Mapping[str, float], *, now: datetime) -> None:
        """Have the amounts added to the totals of `key`, and its time of change set."""
        known = self._due.get(key)
        due = _Due(amounts, now)
        self._due[key] = known.and_then(due) if known else due
        if key not in self._writers:
            self._hurry[key] = asyncio.Event()
            self._writers[key] = asyncio.create_task(self._keep(key), name=f"totals of {key}")

    async def settle(self, key: str) -> None:
        """Wait until what is due to this key is written."""
        writer = self._writers.get(key)
        if writer is not None:
            self._hurry[key].set()
            await asyncio.wait({writer}, timeout=_PATIENCE)

    async def settle_all(self) -> None:
        await asyncio.gather(*(self.settle(key) for key in list(self._writers)))

    async def _keep(self, key: str) -> None:
        try:
            while key in self._due:
                await _within(_GATHERED_SECONDS, self._hurry[key].wait)
                await self._write_due(key)
        finally:
            del self._writers[key], self._hurry[key]

    async def _write_due(self, key: str) -> None:
        due = self._due.pop(key)
        try:
            await self._write(key, due.amounts, now=due.now)
        except DatabaseUnavailableError:
            newer = self._due.get(key)
            self._due[key] = due.and_then(newer) if newer else due
            await asyncio.sleep(_DATABASE_PAUSE)


async def _within(seconds: float, wait: Callable[[], Awaitable[object]]) -> None:
    try:
        async with asyncio.timeout(seconds):
            await wait()
    except TimeoutError:
        return
