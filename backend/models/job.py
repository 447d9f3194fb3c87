"""A generation job, the attempts made to carry it out, and the only moves it may make."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any

from pydantic import Field

from backend.models.base import FrozenModel, is_none
from backend.models.content import ContentType, GeneratedContent
from backend.models.provenance import Provenance


class JobStatus(StrEnum):
    PENDING = "pending"
    PROCESSING = "processing"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


ACTIVE = frozenset({JobStatus.PENDING, JobStatus.PROCESSING})

#: Which status may follow which. Failed and cancelled leave only when a person asks for a retry.
MOVES: Mapping[JobStatus, frozenset[JobStatus]] = {
    JobStatus.PENDING: frozenset({JobStatus.PROCESSING, JobStatus.FAILED, JobStatus.CANCELLED}),
    JobStatus.PROCESSING: frozenset(
        {JobStatus.PENDING, JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED}
    ),
    JobStatus.COMPLETED: frozenset(),
    JobStatus.FAILED: frozenset({JobStatus.PENDING}),
    JobStatus.CANCELLED: frozenset({JobStatus.PENDING}),
}


class Outcome(StrEnum):
    """How an attempt ended."""

    COMPLETED = "completed"
    #: ComfyUI refused the graph, or the graph could not be built for this server.
    REJECTED = "rejected"
    #: A node raised while it ran.
    FAILED = "failed"
    #: Somebody interrupted the prompt at the server.
    INTERRUPTED = "interrupted"
    #: The server answers, but knows the prompt neither as queued nor as done: it was restarted.
    FORGOTTEN = "forgotten"
    #: The server did not answer for longer than SERVER_LOST_SECONDS.
    LOST = "lost"
    #: The server could not be reached when the prompt was to be sent; it never got it.
    UNREACHABLE = "unreachable"
    CANCELLED = "cancelled"
    #: It ran and nothing moved for longer than JOB_STALL_SECONDS.
    HUNG = "hung"
    #: It waited in that server's own queue, and a better place came up.
    TAKEN_BACK = "taken_back"


def result_fields(take: GeneratedContent | None) -> dict[str, str | None]:
    """What a completed job says of its first take; an external worker may give none."""
    if take is None:
        return {"content_id": None, "result_url": None}
    return {
        "content_id": take.id,
        "result_url": take.url,
        "thumbnail_url": take.thumbnail_url,
    }


class Attempt(FrozenModel):
    """One sending of a job to a server, saved before the POST. `words` says what happened."""

    number: int
    server_id: str
    server_name: str
    prompt_id: str
    client_id: str
    started_at: datetime
    ended_at: datetime | None = None
    outcome: Outcome | None = None
    words: str | None = None
    #: Machine-readable, as the job's `error_code`.
    code: str | None = None
    #: What was sent, as its takes will tell; None where nobody knows the graph.
    made: Provenance | None = Field(default=None, exclude_if=is_none)

    def ended(
        self, outcome: Outcome, words: str, now: datetime, code: str | None = None
    ) -> "Attempt":
        ending = {"outcome": outcome, "words": words, "ended_at": now, "code": code}
        return self.model_copy(update=ending)


class Job(FrozenModel):
    """`progress` runs from 0 to 1. `number` grows with creation, `seq` with every change.

    `workflow_json` is the custom graph as JSON text: its keys may hold what a document's may not.
    `plan_json` is a `GraphPlan` that was kept with a take, and is to be sent again as it is.
    """

    id: str
    number: int = 0
    seq: int = 0
    #: Of the dispatcher that has it in hand, or had it last: who has a lower one may not write.
    fence: int = 0
    status: JobStatus = JobStatus.PENDING
    priority: int = 0
    #: Empty for the picture of a character that belongs to no project.
    project_id: str
    #: Empty for the picture of a character.
    scene_id: str = ""
    #: Who gets the takes: either a clip or a character.
    clip_id: str | None = None
    character_id: str | None = None
    batch_id: str | None = None
    generation_type: ContentType
    prompt: str = ""
    negative_prompt: str = ""
    model: str | None = None
    params: dict[str, Any] = Field(default_factory=dict)
    loras: tuple[dict[str, Any], ...] = ()
    workflow_json: str | None = None
    plan_json: str | None = None
    ignored_params: tuple[str, ...] = ()
    #: What the graph really asks for: model_name, model_type, seed, params, and its nodes' classes.
    render: dict[str, Any] | None = None
    #: The paid video provider that makes it; None for what ComfyUI servers and workers make.
    provider: str | None = None
    #: The server the user asked for; None lets the balancer choose.
    pinned_server_id: str | None = None
    #: Servers that turned out not to have what it needs; a retry by hand clears them.
    excluded_server_ids: tuple[str, ...] = ()
    server_id: str | None = None
    server_name: str | None = None
    assignment_reason: str | None = None
    attempt: int = 0
    attempts: tuple[Attempt, ...] = ()
    retry_count: int = 0
    max_retries: int = 2
    not_before: datetime | None = None
    #: Set while an external worker has the job; after that it goes to someone else.
    lease_expires_at: datetime | None = None
    progress: float = 0.0
    progress_step: int | None = None
    progress_total: int | None = None
    current_node: str | None = None
    error: str | None = None
    error_code: str | None = None
    error_details: dict[str, Any] | None = None
    result_url: str | None = None
    #: Of the take at `result_url`.
    thumbnail_url: str | None = Field(default=None, exclude_if=is_none)
    content_id: str | None = None
    created_at: datetime
    started_at: datetime | None = None
    completed_at: datetime | None = None

    @property
    def current_attempt(self) -> Attempt | None:
        return self.attempts[-1] if self.attempts else None

    @property
    def is_finished(self) -> bool:
        return self.status not in ACTIVE

    @property
    def result(self) -> dict[str, str | None] | None:
        """Its first take as clients show it; None until it is completed with one."""
        if self.status is not JobStatus.COMPLETED or self.result_url is None:
            return None
        return {"url": self.result_url, "thumbnail_url": self.thumbnail_url}

    def may_move_to(self, status: JobStatus) -> bool:
        return status in MOVES[self.status]
