"""Events of all processes, in one order, to everybody who listens.

Publishing puts an event into the outbox and returns. One task writes what has gathered into the
log as a chunk, and reads what others wrote while somebody listens. Listeners are served in the
order of the log, so that everybody hears the same, whichever process they are at.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

from backend.models.event import Event, EventChunk, EventFilter, EventKind, chunk_of, end_of
from backend.repositories.event_repository import EventRepository
from backend.services.events.event_listener import LISTENER_ROOM, Listener, StreamEndReason
from backend.services.events.event_outbox import Outbox
from backend.utils.clock import Clock
from backend.utils.errors import DatabaseUnavailableError
from backend.utils.ids import new_id

logger = logging.getLogger(__name__)

#: Chunks that one read takes: fewer events than a listener's queue has room for.
_WINDOW = 10
#: Seconds for what is left at the end.
_LAST_WORDS = 2.0
#: After so many looks that found a hole, or nothing, it is asked whether the log has gone on.
_LOOKS_TO_DOUBT = 8


@dataclass(frozen=True)
class HubTiming:
    """Seconds, and chunks of the log that are kept."""

    #: How long events gather before they are written together.
    gather: float = 0.05
    #: How often a job's progress is told at most.
    progress: float = 0.5
    #: How often it is asked what other processes wrote, while somebody listens.
    poll: float = 0.3
    #: After a failure of the database.
    pause: float = 0.5
    keep: int = 5_000
    #: So often, in chunks, the log is cut.
    trim_every: int = 500


class EventHub:
    """Run `run()` as a task; without it events gather, up to a bound, and nobody hears them."""

    def __init__(
        self,
        log: EventRepository,
        *,
        clock: Clock,
        pace: HubTiming | None = None,
        room: int = LISTENER_ROOM,
    ) -> None:
        self._log = log
        self._clock = clock
        self._pace = pace or HubTiming()
        self._room = room
        self._outbox = Outbox()
        self._listeners: set[Listener] = set()
        self._woken = asyncio.Event()
        #: Who moves `_last` holds it: the task, and whoever joins.
        self._moving = asyncio.Lock()
        self._last: int | None = None
        #: A chunk whose writing has begun; it may be there already.
        self._unwritten: EventChunk | None = None
        self._fruitless = 0
        #: Monotonic seconds of the last look for what others wrote, and of what gathers longer.
        self._looked = 0.0
        self._released = 0.0
        self.closed = False
        #: Called when something of this process has been written.
        self.on_written: Callable[[], None] = lambda: None

    @property
    def listening(self) -> int:
        """How many listen at this process."""
        return len(self._listeners)

    def publish(  # noqa: PLR0913 - all that an event may be about
        self,
        kind: EventKind,
        *,
        project_id: str | None = None,
        clip_id: str | None = None,
        job_id: str | None = None,
        batch_id: str | None = None,
        server_id: str | None = None,
        data: dict[str, Any] | None = None,
    ) -> None:
        """Tell it soon. Never waits, never fails."""
        event = Event(
            kind=kind,
            at=self._clock(),
            project_id=project_id,
            clip_id=clip_id,
            job_id=job_id,
            batch_id=batch_id,
            server_id=server_id,
            data=data or {},
        )
        if self._outbox.add(event):
            self._woken.set()

    async def run(self) -> None:
        """Write, read and tell until cancelled; then write what is left, if that goes quickly.

        Begins with a reset: what a process that was killed had not written is not known.
        """
        self.publish(EventKind.RESET, data={"reason": "started"})
        said = False
        try:
            while True:
                try:
                    await self._round()
                    said = False
                except DatabaseUnavailableError:
                    if not said:
                        logger.info("Events are held back while the database is away.")
                    said = True
                    await asyncio.sleep(self._pace.pause)
        finally:
            with contextlib.suppress(DatabaseUnavailableError, TimeoutError):
                async with asyncio.timeout(_LAST_WORDS):
                    self._outbox.release_latest()
                    await self._write_all()

    def close(self) -> None:
        """Let everybody who listens go: the server is about to end."""
        self.closed = True
        for listener in self._listeners:
            listener.end(StreamEndReason.CLOSING)

    @contextlib.asynccontextmanager
    async def listen(self, wanted: EventFilter) -> AsyncIterator[Listener]:
        """Hear what comes from now on. Raises DatabaseUnavailableError."""
        listener = Listener(wanted, self._room)
        async with self._moving:
            if not self._listeners or self._last is None:
                self._last = await self._head()
            listener.position = end_of(self._last)
            self._listeners.add(listener)
        if self.closed:
            listener.end(StreamEndReason.CLOSING)
        self._woken.set()
        try:
            yield listener
        finally:
            self._listeners.discard(listener)

    async def since(
        self, event_id: int, until: int, wanted: EventFilter
    ) -> AsyncIterator[list[Event]]:
        """What was told after one id and up to another; a reset when the log does not know."""
        number, last = chunk_of(event_id), chunk_of(until)
        if number > last:
            yield [self.reset("unknown_id", until)]
            return
        expected = number
        while expected <= last:
            chunks = await self._log.after(expected - 1, limit=min(_WINDOW, last - expected + 1))
            for chunk in chunks:
                if chunk.number != expected:
                    break
                expected += 1
                if missed := [e for e in chunk.events if e.id > event_id and wanted.takes(e)]:
                    yield missed
            else:
                if chunks:
                    continue
            if number != last:
                yield [self.reset("log_too_short", until)]
            return

    def reset(self, reason: str, position: int) -> Event:
        """What tells a listener to read everything anew; `position` is the id to go on after."""
        return self.word(EventKind.RESET, position, reason=reason)

    def word(self, kind: EventKind, position: int, **data: Any) -> Event:
        """An event about the stream itself, which is in no log."""
        return Event(id=position, kind=kind, at=self._clock(), data=data)

    async def _round(self) -> None:
        await self._wait()
        now = time.monotonic()
        if now >= self._released + self._pace.progress:
            self._released = now
            self._outbox.release_latest()
        await self._write_all()
        if self._listeners and now >= self._looked + self._pace.poll:
            self._looked = now
            async with self._moving:
                while await self._catch_up() == _WINDOW:
                    pass

    async def _wait(self) -> None:
        """Until there is something to write, and it has gathered, or it is time to look."""
        if not self._outbox.is_urgent and self._unwritten is None:
            self._woken.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._patience()):
                    await self._woken.wait()
        if self._outbox.is_urgent:
            await asyncio.sleep(self._pace.gather)

    def _patience(self) -> float | None:
        """None: nobody listens and nothing waits, so only a call can wake us."""
        due = [self._looked + self._pace.poll] if self._listeners else []
        if len(self._outbox):
            due.append(self._released + self._pace.progress)
        return max(0.0, min(due) - time.monotonic()) if due else None

    async def _write_all(self) -> None:
        wrote = False
        while await self._write_next():
            wrote = True
        if wrote:
            self.on_written()

    async def _write_next(self) -> bool:
        """Write one chunk, and tell it; False when there is nothing to write."""
        async with self._moving:
            if self._last is None:
                self._last = await self._head()
            if self._unwritten is None:
                events = self._outbox.take(self.reset("overflow", 0))
                if not events:
                    return False
                self._unwritten = EventChunk(id=new_id(), number=0, events=events)
            number = await self._write(self._unwritten)
            self._unwritten = None
        if number % self._pace.trim_every == 0:
            await self._log.remember(number)
            await self._log.trim(number - self._pace.keep)
        return True

    async def _write(self, chunk: EventChunk) -> int:
        """Put a chunk behind the last one that is known; gives its number.

        When the place is taken, what is there is told first. A call whose answer was lost may
        have written the chunk: it is known by its id.
        """
        while True:
            placed = chunk.placed_at((self._last or 0) + 1)
            if await self._log.append(placed):
                self._tell(placed)
                return placed.number
            stored = await self._log.find_by_id(chunk.id)
            while await self._catch_up() == _WINDOW:
                pass
            if stored is not None and stored.number <= (self._last or 0):
                return stored.number

    async def _catch_up(self) -> int:
        """Tell what others wrote; gives how many chunks. With `_moving` held."""
        if not self._listeners:
            self._last = await self._head()
            return 0
        told = 0
        for chunk in await self._log.after(self._last or 0, limit=_WINDOW):
            if chunk.number != (self._last or 0) + 1:
                break
            self._tell(chunk)
            told += 1
            # Whoever listens at this process may take what waits before more comes.
            await asyncio.sleep(0)
        self._fruitless = 0 if told else self._fruitless + 1
        if self._fruitless >= _LOOKS_TO_DOUBT:
            self._fruitless = 0
            await self._jump()
        return told

    async def _jump(self) -> None:
        """Go on at the log's end if it has gone on without us: we slept, or it lost something."""
        head = await self._head()
        if head > (self._last or 0):
            reset = self.reset("behind", end_of(head))
            self._tell(EventChunk(id="", number=head, events=(reset,)))

    def _tell(self, chunk: EventChunk) -> None:
        self._last = chunk.number
        for listener in self._listeners:
            listener.put(chunk)

    async def _head(self) -> int:
        return await self._log.last_number(first=int(self._clock().timestamp() * 1000))
