"""Jobs cut down to what one reader needs of them: a whole one costs many times that."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from backend.models.content import ContentType
from backend.models.job import Job, JobStatus

ROW_FIELDS = {"clip_id": 1, "status": 1, "content_id": 1, "result_url": 1, "error": 1}


class JobRow(NamedTuple):
    """What a batch shows of one of its jobs."""

    id: str
    clip_id: str
    status: JobStatus
    content_id: str | None
    result_url: str | None
    error: str | None


class PendingRow(NamedTuple):
    """What choosing a server needs to know of a waiting job."""

    id: str
    number: int
    priority: int
    project_id: str
    generation_type: ContentType
    model: str | None
    loras: tuple[dict[str, Any], ...]
    params: dict[str, Any]
    pinned_server_id: str | None
    not_before: datetime | None
    provider: str | None
    created_at: datetime
    workflow_json: str | None
    plan_json: str | None
    excluded_server_ids: tuple[str, ...]


_OF_JOB = {*PendingRow._fields} - {"id"}

PENDING_FIELDS = dict.fromkeys(_OF_JOB, 1)


class RunningRow(NamedTuple):
    """A job that runs: under whose fence, where, and as which prompt."""

    id: str
    fence: int
    server_id: str | None
    is_leased: bool


RUNNING_FIELDS = {"fence": 1, "server_id": 1, "lease_expires_at": 1}


def running_row(document: Mapping[str, Any]) -> RunningRow:
    return RunningRow(
        document["_id"],
        document.get("fence", 0),
        document.get("server_id"),
        document.get("lease_expires_at") is not None,
    )


def row(document: Mapping[str, Any]) -> JobRow:
    return JobRow(
        id=document["_id"],
        clip_id=document["clip_id"],
        status=JobStatus(document["status"]),
        content_id=document.get("content_id"),
        result_url=document.get("result_url"),
        error=document.get("error"),
    )


def pending_row(document: Mapping[str, Any]) -> PendingRow:
    return PendingRow(
        id=document["_id"],
        number=document["number"],
        priority=document["priority"],
        project_id=document["project_id"],
        generation_type=ContentType(document["generation_type"]),
        model=document.get("model"),
        loras=tuple(document.get("loras") or ()),
        params=document.get("params") or {},
        pinned_server_id=document.get("pinned_server_id"),
        not_before=document.get("not_before"),
        provider=document.get("provider"),
        created_at=document["created_at"],
        workflow_json=document.get("workflow_json"),
        plan_json=document.get("plan_json"),
        excluded_server_ids=tuple(document.get("excluded_server_ids") or ()),
    )


def as_pending_row(job: Job) -> PendingRow:
    return pending_row({**job.model_dump(include=_OF_JOB), "_id": job.id})
