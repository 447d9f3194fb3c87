"""Additions to one document: those that arrive while another is written go together in the next."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping

from backend.utils.coalescer import Coalescer
from backend.utils.errors import DatabaseUnavailableError

Write = Callable[[str, Mapping[str, int]], Awaitable[None]]


class CoalescedIncrements:
    """Where one write at a time is under way, nobody waits longer, and there are fewer of them."""

    def __init__(self, write: Write) -> None:
        self._write = write
        self._groups = Coalescer(self._write_in_turn, "add to")
        self._under_way: dict[str, asyncio.Task[None]] = {}

    async def add(self, key: str, amounts: Mapping[str, int]) -> None:
        """Return when these are written; raises what writing raises.

        Somebody who is cancelled here takes nothing back: others wait for the same write.
        """
        await self._groups.join(key, amounts)

    async def settled(self, key: str) -> None:
        """Return when all that was added by now is written, or has failed."""
        written = self._groups.waiting(key) or self._under_way.get(key)
        if written is not None:
            await asyncio.wait({written})

    async def _write_in_turn(self, key: str, added: list[Mapping[str, int]]) -> None:
        before = self._under_way.get(key)
        if before is not None:
            await asyncio.wait({before})
        self._under_way[key] = self._groups.close(key).done
        try:
            if before is not None and (error := _away(before)):
                raise error  # who waits for the database gives up together, not in turns
            await self._write(key, _summed(added))
        finally:
            if self._groups.waiting(key) is None:
                del self._under_way[key]


def _summed(added: Iterable[Mapping[str, int]]) -> Counter[str]:
    amounts: Counter[str] = Counter()
    for each in added:
        amounts.update(each)
    return amounts


def _away(written: asyncio.Task[None]) -> DatabaseUnavailableError | None:
    error = None if written.cancelled() else written.exception()
    return error if isinstance(error, DatabaseUnavailableError) else None
