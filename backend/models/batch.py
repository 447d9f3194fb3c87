"""A batch: one request that makes a job for each of many clips."""

from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from backend.models.base import FrozenModel
from backend.models.content import ContentType
from backend.models.job import JobStatus


class RejectedClip(FrozenModel):
    """A clip that got no job, and why. It counts as failed."""

    clip_id: str
    error: str


class Batch(FrozenModel):
    """`order_json` is the request as it came, so that queueing can go on after a crash.

    `queued` turns true when every clip has its job or its rejection.
    """

    id: str
    clip_ids: tuple[str, ...]
    generation_type: ContentType
    order_json: str
    queued: bool = False
    rejected: tuple[RejectedClip, ...] = ()
    created_at: datetime
    updated_at: datetime


def batch_status(counts: Mapping[JobStatus, int], rejected: int) -> str:
    """One word for the whole: unfinished work first, then success, then failure."""
    done = sum(counts[s] for s in (JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED))
    if counts[JobStatus.PROCESSING] or (counts[JobStatus.PENDING] and done):
        return JobStatus.PROCESSING
    if counts[JobStatus.PENDING]:
        return JobStatus.PENDING
    if counts[JobStatus.COMPLETED]:
        return JobStatus.COMPLETED
    return JobStatus.FAILED if counts[JobStatus.FAILED] or rejected else JobStatus.CANCELLED


def batch_fields(batch: Batch, stored: Mapping[JobStatus, int]) -> dict[str, Any]:
    """What a batch says of itself, given how many of its jobs stand where.

    Jobs that are still to be stored wait.
    """
    counts = Counter(dict(stored))
    if not batch.queued:
        missing = len(batch.clip_ids) - sum(stored.values()) - len(batch.rejected)
        counts[JobStatus.PENDING] += max(0, missing)
    return {
        "id": batch.id,
        "status": batch_status(counts, len(batch.rejected)),
        "total": len(batch.clip_ids),
        "completed": counts[JobStatus.COMPLETED],
        "failed": counts[JobStatus.FAILED] + len(batch.rejected),
        "cancelled": counts[JobStatus.CANCELLED],
        "started_at": batch.created_at,
        "updated_at": batch.updated_at,
    }
