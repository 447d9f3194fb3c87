"""Keeps the events of this process that are not written yet. Bounded; nothing here waits."""

from collections import deque

from backend.models.event import CHUNK_ROOM, Event, EventKind

#: Events that one chunk of the log takes.
CHUNK_EVENTS = CHUNK_ROOM // 2
#: While the database is away so many are kept, and then the oldest go.
_ROOM = 20_000
#: Of these only the latest counts, so they gather longer.
_LATEST_WINS = frozenset(
    {EventKind.JOB_PROGRESS, EventKind.BATCH_UPDATED, EventKind.EXPORT_PROGRESS}
)
_PROGRESS = frozenset({EventKind.JOB_PROGRESS, EventKind.EXPORT_PROGRESS})


class Outbox:
    """Events in order, and beside them the latest progress of each job and batch."""

    def __init__(self, room: int = _ROOM) -> None:
        self._room = room
        self._waiting: deque[Event] = deque()
        self._latest: dict[tuple[EventKind, str | None], Event] = {}
        self._lost = False

    def __len__(self) -> int:
        return len(self._waiting) + len(self._latest)

    @property
    def is_urgent(self) -> bool:
        """Tell whether an event waits that must be written soon."""
        return bool(self._waiting)

    def add(self, event: Event) -> bool:
        """Add an event; True if the writer must be woken for it."""
        if event.kind in _LATEST_WINS:
            return self._add_latest(event)
        if event.job_id is not None:
            # What is to be told now is newer than any progress before it.
            for kind in _PROGRESS:
                self._latest.pop((kind, event.job_id), None)
        if len(self._waiting) >= self._room:
            self._waiting.popleft()
            self._lost = True
        self._waiting.append(event)
        return True

    def _add_latest(self, event: Event) -> bool:
        is_first = not self._latest
        progress = event.kind in _PROGRESS
        key = (event.kind, event.job_id if progress else event.batch_id)
        if key in self._latest or len(self._latest) < self._room:
            self._latest[key] = event
        return is_first

    def release_latest(self) -> None:
        """Move the latest progress events to those to be written, as far as there is room."""
        room = max(0, self._room - len(self._waiting))
        self._waiting.extend(list(self._latest.values())[:room])
        self._latest.clear()

    def take(self, instead: Event) -> tuple[Event, ...]:
        """Give the events of the next chunk; `instead` comes first when others were dropped."""
        taken: list[Event] = [instead] if self._lost else []
        self._lost = False
        while self._waiting and len(taken) < CHUNK_EVENTS:
            taken.append(self._waiting.popleft())
        return tuple(taken)
