"""Additions to one document: those that arrive while another is written go together in the next."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from typing import NamedTuple

from backend.utils.errors import DatabaseUnavailableError

Write = Callable[[str, Mapping[str, int]], Awaitable[None]]


class _Group(NamedTuple):
    """What waits for its turn, and the task that will write it."""

    amounts: Counter[str]
    written: asyncio.Task[None]


class CoalescedIncrements:
    """Where one write at a time is under way, nobody waits longer, and there are fewer of them."""

    def __init__(self, write: Write) -> None:
        self._write = write
        self._next: dict[str, _Group] = {}
        self._under_way: dict[str, asyncio.Task[None]] = {}

    async def add(self, key: str, amounts: Mapping[str, int]) -> None:
        """Return when these are written; raises what writing raises.

        Somebody who is cancelled here takes nothing back: others wait for the same write.
        """
        group = self._next.get(key) or self._new_group(key)
        group.amounts.update(amounts)
        await asyncio.shield(group.written)

    async def settled(self, key: str) -> None:
        """Return when all that was added by now is written, or has failed."""
        group = self._next.get(key)
        written = self._under_way.get(key) if group is None else group.written
        if written is not None:
            await asyncio.wait({written})

    def _new_group(self, key: str) -> _Group:
        amounts: Counter[str] = Counter()
        writing = self._write_in_turn(key, amounts, self._under_way.get(key))
        group = _Group(amounts, asyncio.create_task(writing, name=f"add to {key}"))
        self._next[key] = group
        return group

    async def _write_in_turn(
        self, key: str, amounts: Counter[str], before: asyncio.Task[None] | None
    ) -> None:
        if before is not None:
            await asyncio.wait({before})
        # Whoever comes from here on forms the next group.
        self._under_way[key] = self._next.pop(key).written
        try:
            if before is not None and (error := _away(before)):
                raise error  # who waits for the database gives up together, not in turns
            await self._write(key, amounts)
        finally:
            if key not in self._next:
                del self._under_way[key]


def _away(written: asyncio.Task[None]) -> DatabaseUnavailableError | None:
    error = None if written.cancelled() else written.exception()
    return error if isinstance(error, DatabaseUnavailableError) else None
