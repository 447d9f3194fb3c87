"""One who listens: a bounded queue that is filled without waiting, and emptied at its own pace."""

import asyncio
from collections import deque
from enum import StrEnum

from backend.models.event import Event, EventChunk, EventFilter

#: Events that may wait for a listener; with one more it is dropped.
LISTENER_ROOM = 1_000


class StreamEndReason(StrEnum):
    """Why a stream ended."""

    TOO_SLOW = "too_slow"
    CLOSING = "closing"


class Listener:
    """`position` is the id up to which everything wanted has been put here, or was not wanted."""

    def __init__(self, wanted: EventFilter, room: int = LISTENER_ROOM) -> None:
        self._wanted = wanted
        self._room = room
        self._waiting: deque[Event] = deque()
        self._woken = asyncio.Event()
        self.position = 0
        self.ending: StreamEndReason | None = None

    def put(self, chunk: EventChunk) -> None:
        """Take what is wanted; too much of it ends the listener and frees what waited."""
        if self.ending is not None:
            return
        before = len(self._waiting)
        self._waiting.extend(event for event in chunk.events if self._wanted.takes(event))
        self.position = chunk.end
        if len(self._waiting) > self._room:
            self.end(StreamEndReason.TOO_SLOW)
            self._waiting.clear()
        elif len(self._waiting) > before:
            self._woken.set()

    def end(self, ending: StreamEndReason) -> None:
        """Let go, after what waits has been taken; once ended it stays so."""
        self.ending = self.ending or ending
        self._woken.set()

    async def next(self, seconds: float) -> list[Event]:
        """All that waits, as soon as something does; empty after `seconds`, or at the end."""
        if not self._waiting and self.ending is None:
            self._woken.clear()
            try:
                async with asyncio.timeout(seconds):
                    await self._woken.wait()
            except TimeoutError:
                return []
        taken = list(self._waiting)
        self._waiting.clear()
        return taken
