"""A listener of events: a bounded queue, filled without waiting and emptied by its reader."""

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
    """A queue of the events that its filter takes, filled up to the id `position`."""

    def __init__(self, wanted: EventFilter, room: int = LISTENER_ROOM) -> None:
        self._wanted = wanted
        self._room = room
        self._waiting: deque[Event] = deque()
        self._woken = asyncio.Event()
        self.position = 0
        self.ending: StreamEndReason | None = None

    def put(self, chunk: EventChunk) -> None:
        """Add the events that the filter takes; too many end the listener and drop them all."""
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
        """End the listener once its waiting events have been read."""
        self.ending = self.ending or ending
        self._woken.set()

    async def next(self, seconds: float) -> list[Event]:
        """Give all waiting events, as soon as there is one; none after `seconds`, or at the end."""
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
