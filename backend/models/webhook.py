"""Webhooks of a project, and each sending of an event to one of them."""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from pydantic import Field

from backend.models.base import FrozenModel
from backend.models.event import Event, EventKind, chunk_of

#: Pauses after a failed try; after the last one it is given up.
BACKOFF: Final = tuple(
    timedelta(seconds=seconds) for seconds in (10, 30, 120, 600, 3_600, 6 * 3_600)
)


class WebhookEvent(StrEnum):
    """What a project's webhook may be told: no progress, and nothing that is no project's."""

    JOB_QUEUED = EventKind.JOB_QUEUED.value
    JOB_STARTED = EventKind.JOB_STARTED.value
    JOB_COMPLETED = EventKind.JOB_COMPLETED.value
    JOB_FAILED = EventKind.JOB_FAILED.value
    JOB_REQUEUED = EventKind.JOB_REQUEUED.value
    JOB_CANCELLED = EventKind.JOB_CANCELLED.value
    BATCH_UPDATED = EventKind.BATCH_UPDATED.value
    CONTENT_ADDED = EventKind.CONTENT_ADDED.value


class Webhook(FrozenModel):
    """`since` is the chunk of the log behind which its events lie.

    `secret_locked`: the secret was sealed under another SECRET_KEY, and nothing can be signed.
    """

    id: str
    project_id: str
    name: str = ""
    url: str
    events: tuple[WebhookEvent, ...]
    secret: str | None = Field(default=None, repr=False)
    secret_locked: bool = False
    is_active: bool = True
    since: int = 0
    created_at: datetime
    updated_at: datetime

    def wants(self, event: Event) -> bool:
        return (
            self.is_active
            and event.project_id == self.project_id
            and event.kind.value in self.events
            and chunk_of(event.id) > self.since
        )


class DeliveryStatus(StrEnum):
    #: To be sent, or to be tried again at `next_try_at`.
    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"


class WebhookDelivery(FrozenModel):
    """One event for one webhook. `body` is what every try sends, to the byte.

    `next_try_at` is also the claim: who moves it on has the try, until it comes.
    """

    id: str
    webhook_id: str
    project_id: str
    event_id: int
    event: str
    body: str
    status: DeliveryStatus = DeliveryStatus.PENDING
    attempts: int = 0
    last_code: int | None = None
    last_error: str | None = None
    next_try_at: datetime | None
    created_at: datetime
    delivered_at: datetime | None = None


class Reply(FrozenModel):
    """How a try ended: `code` is HTTP's, None without an answer; `error` says what went wrong."""

    code: int | None = None
    error: str | None = None

    @property
    def is_success(self) -> bool:
        return self.error is None


def pause_after(attempts: int, reply: Reply) -> timedelta | None:
    """How long to wait after so many tries; None to give up. 410 says: never again."""
    if reply.code == 410 or attempts > len(BACKOFF):
        return None
    return BACKOFF[attempts - 1]
