"""One connection's stream: what was missed, then what comes, with a sign of life in between."""

import asyncio
from collections.abc import AsyncGenerator

from backend.models.event import Event, EventFilter, EventKind
from backend.services.events.event_listener import Listener, StreamEndReason
from backend.services.events.hub import EventHub
from backend.utils.errors import DatabaseUnavailableError

_DATABASE_PAUSE = 0.5


class EventStream:
    """`position` is the id to resume after; `ending` says why the stream is over.

    `last_event_id` is what the client gives back, whatever it is: one that no log knows brings
    a reset. None begins with what comes now.
    """

    def __init__(
        self,
        hub: EventHub,
        wanted: EventFilter,
        *,
        last_event_id: str | None,
        heartbeat_seconds: float,
    ) -> None:
        self._hub = hub
        self._wanted = wanted
        self._after = _number(last_event_id)
        self._heartbeat_seconds = heartbeat_seconds
        self.position = self._after or 0
        self.ending: StreamEndReason | None = None

    async def batches(self) -> AsyncGenerator[list[Event], None]:
        """Events as they come; an empty list is a sign of life.

        While the database is away nothing comes, and then what was missed.
        """
        while self.ending is None:
            try:
                async with self._hub.listen(self._wanted) as listener:
                    async for batch in self._heard(listener):
                        yield batch
                    self.ending = listener.ending
            except DatabaseUnavailableError:
                # Nobody knows what happens now: without an id to resume after, all is read anew.
                self._after = 0 if self._after is None else self._after
                yield []
                await asyncio.sleep(_DATABASE_PAUSE)
                self.ending = StreamEndReason.CLOSING if self._hub.closed else None

    async def _heard(self, listener: Listener) -> AsyncGenerator[list[Event], None]:
        until = listener.position
        if self._after is not None:
            async for missed in self._hub.since(self._after, until, self._wanted):
                self._after = self.position = missed[-1].id
                yield missed
        else:
            yield [self._hub.word(EventKind.HELLO, until)]
        self._after = self.position = until
        while True:
            batch = await listener.next(self._heartbeat_seconds)
            if not batch and listener.ending is not None:
                if listener.ending is StreamEndReason.TOO_SLOW:
                    yield [self._hub.word(EventKind.DROPPED, self.position, reason="too slow")]
                return
            self._after = self.position = batch[-1].id if batch else listener.position
            yield batch


class EventStreams:
    """Opens streams of the hub's events; `heartbeat_seconds` is the longest silence in one."""

    def __init__(self, hub: EventHub, *, heartbeat_seconds: float) -> None:
        self._hub = hub
        self._heartbeat_seconds = heartbeat_seconds

    def open(self, wanted: EventFilter, last_event_id: str | None) -> EventStream:
        return EventStream(
            self._hub,
            wanted,
            last_event_id=last_event_id,
            heartbeat_seconds=self._heartbeat_seconds,
        )


def _number(last_event_id: str | None) -> int | None:
    if last_event_id is None:
        return None
    return int(last_event_id) if last_event_id.isascii() and last_event_id.isdigit() else 0
