"""What happened, and who wants to hear of it. An event's id is its place in the one log of all."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from pydantic import Field

from backend.models.base import FrozenModel


class EventKind(StrEnum):
    JOB_QUEUED = "job.queued"
    JOB_STARTED = "job.started"
    #: At most a few times a second for each job: the latest replaces those not yet told.
    JOB_PROGRESS = "job.progress"
    JOB_COMPLETED = "job.completed"
    JOB_FAILED = "job.failed"
    #: An attempt ended, and the job waits for another one; or a person had it tried again.
    JOB_REQUEUED = "job.requeued"
    JOB_CANCELLED = "job.cancelled"
    #: Its record was deleted. Without a job_id: all of the status in `data` were.
    JOB_REMOVED = "job.removed"
    BATCH_UPDATED = "batch.updated"
    SERVER_ONLINE = "server.online"
    SERVER_OFFLINE = "server.offline"
    #: It was added, changed or removed.
    SERVER_CHANGED = "server.changed"
    #: A take hangs in the gallery of a clip or a character.
    CONTENT_ADDED = "content.added"
    #: An export that takes long (an animatic): `job_id` is the rendering's.
    EXPORT_STARTED = "export.started"
    EXPORT_PROGRESS = "export.progress"
    EXPORT_COMPLETED = "export.completed"
    EXPORT_FAILED = "export.failed"
    EXPORT_CANCELLED = "export.cancelled"
    #: The first of a stream that resumes nothing: it gives the id to resume after.
    HELLO = "hello"
    #: The last of a stream whose reader was too slow.
    DROPPED = "dropped"
    #: Events may have been missed: whoever shows a state should read it anew.
    RESET = "reset"
    #: Sent by hand to a webhook, to try it. Never in the log.
    PING = "ping"

    @property
    def topic(self) -> str:
        """What stands before the dot: the name of the server-sent event."""
        return self.value.partition(".")[0]


#: What a stream says of itself, and what is not of any stream.
_OF_NOTHING = frozenset({EventKind.HELLO, EventKind.DROPPED, EventKind.RESET, EventKind.PING})
#: Kinds and topics that a stream may be narrowed to.
STREAMED: Final = frozenset(
    name for kind in EventKind if kind not in _OF_NOTHING for name in (kind.value, kind.topic)
)

#: A chunk of the log holds fewer events than this, so that its number and a place make an id.
CHUNK_ROOM: Final = 100


class Event(FrozenModel):
    """`id` is 0 until the log has given it one; ids grow with every event of every process."""

    id: int = 0
    kind: EventKind
    at: datetime
    project_id: str | None = None
    clip_id: str | None = None
    job_id: str | None = None
    batch_id: str | None = None
    server_id: str | None = None
    data: Mapping[str, Any] = Field(default_factory=dict)


class EventChunk(FrozenModel):
    """What one process wrote in one go. Numbers have no holes, so nothing can come in between."""

    id: str
    number: int
    events: tuple[Event, ...]

    def placed_at(self, number: int) -> "EventChunk":
        """The same events at another place of the log, each with its id."""
        events = tuple(
            event.model_copy(update={"id": number * CHUNK_ROOM + place})
            for place, event in enumerate(self.events)
        )
        return self.model_copy(update={"number": number, "events": events})

    @property
    def end(self) -> int:
        """An id behind all of its events and before those of the next chunk."""
        return end_of(self.number)


def chunk_of(event_id: int) -> int:
    """The number of the chunk that an event lies in."""
    return event_id // CHUNK_ROOM


def end_of(number: int) -> int:
    """An id behind all events of a chunk and before those of the next."""
    return number * CHUNK_ROOM + CHUNK_ROOM - 1


class EventFilter(FrozenModel):
    """What a listener wants; empty is everything. `types` are kinds or topics."""

    project_id: str | None = None
    clip_id: str | None = None
    job_id: str | None = None
    batch_id: str | None = None
    server_id: str | None = None
    types: frozenset[str] = frozenset()

    def takes(self, event: Event) -> bool:
        """Whether it is wanted. A reset concerns everybody."""
        if event.kind is EventKind.RESET:
            return True
        if self.types and not {event.kind.value, event.kind.topic} & self.types:
            return False
        return all(
            wanted is None or wanted == given
            for wanted, given in (
                (self.project_id, event.project_id),
                (self.clip_id, event.clip_id),
                (self.job_id, event.job_id),
                (self.batch_id, event.batch_id),
                (self.server_id, event.server_id),
            )
        )
