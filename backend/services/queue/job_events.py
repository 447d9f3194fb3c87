"""Publishes events of jobs and of ComfyUI servers."""

from collections.abc import Mapping, Sequence
from typing import Any

from backend.models.comfyui_server import ComfyUIServer
from backend.models.event import EventKind
from backend.models.job import Job, JobStatus
from backend.services.events.hub import EventHub

#: More jobs than this that are queued at once are told as one change of their batches.
_TOLD_SINGLY = 100
_ENDED = {
    JobStatus.PROCESSING: EventKind.JOB_STARTED,
    JobStatus.COMPLETED: EventKind.JOB_COMPLETED,
    JobStatus.FAILED: EventKind.JOB_FAILED,
    JobStatus.CANCELLED: EventKind.JOB_CANCELLED,
}


def kind_of(before: Job | None, after: Job) -> EventKind | None:
    """Give what happened to a job; None when it stays where it was."""
    if before is None and after.status is JobStatus.PENDING:
        return EventKind.JOB_QUEUED
    if before is not None and before.status is after.status:
        return None
    return _ENDED.get(after.status, EventKind.JOB_REQUEUED)


class JobEvents:
    """Publishes events of jobs. Nothing here waits, so it may be called from anywhere."""

    def __init__(self, hub: EventHub) -> None:
        self._hub = hub

    def queued(self, jobs: Sequence[Job]) -> None:
        """Tell of new jobs, each by itself unless there are very many."""
        if len(jobs) <= _TOLD_SINGLY:
            for job in jobs:
                self.changed(None, job)
            return
        for job in {job.batch_id: job for job in jobs}.values():
            self._tell_batch(job)

    def changed(self, before: Job | None, after: Job) -> None:
        """Publish a move of a job to another status."""
        kind = kind_of(before, after)
        if kind is None:
            return
        self._tell(kind, after, job_data(after))
        if kind is EventKind.JOB_COMPLETED and after.content_id is not None:
            data = {
                "content_id": after.content_id,
                "content_type": after.generation_type,
                **(after.result or {}),
            }
            self._tell(EventKind.CONTENT_ADDED, after, data)
        self._tell_batch(after)

    def removed(self, job: Job) -> None:
        self._tell(EventKind.JOB_REMOVED, job, {})

    def cleared(self, status: JobStatus) -> None:
        self._hub.publish(EventKind.JOB_REMOVED, data={"status": str(status)})

    def noted(self, job: Job, changes: Mapping[str, Any]) -> None:
        """Publish changed fields if they are its progress."""
        if "progress" in changes:
            self.progress(job.model_copy(update=dict(changes)))

    def progress(self, job: Job) -> None:
        """Publish the progress of a running job. May be called as often as it changes."""
        self._tell(EventKind.JOB_PROGRESS, job, job_data(job))

    def _tell(self, kind: EventKind, job: Job, data: dict[str, Any]) -> None:
        """Publish an event of a job. Its data names the character of a character's picture."""
        owner = {"character_id": job.character_id} if job.character_id else {}
        self._hub.publish(
            kind,
            project_id=job.project_id or None,
            clip_id=job.clip_id,
            job_id=job.id,
            batch_id=job.batch_id,
            server_id=job.server_id,
            data={**data, **owner},
        )

    def _tell_batch(self, job: Job) -> None:
        if job.batch_id is not None:
            self._hub.publish(
                EventKind.BATCH_UPDATED, project_id=job.project_id, batch_id=job.batch_id
            )


def job_data(job: Job) -> dict[str, Any]:
    """Give the fields of a job that change while it runs."""
    data = {
        "status": str(job.status),
        "generation_type": str(job.generation_type),
        "seq": job.seq,
        "progress": job.progress,
        "progress_step": job.progress_step,
        "progress_total": job.progress_total,
        "current_node": job.current_node,
        "server_name": job.server_name,
        "retry_count": job.retry_count,
        "error": job.error,
        "error_code": job.error_code,
        "result_url": job.result_url,
        "result": job.result,
        "content_id": job.content_id,
    }
    return {name: value for name, value in data.items() if value is not None}


class ServerEvents:
    """Publishes events of servers. Each process does, so one may be told once by each."""

    def __init__(self, hub: EventHub) -> None:
        self._hub = hub

    def turned(self, server: ComfyUIServer, online: bool) -> None:
        kind = EventKind.SERVER_ONLINE if online else EventKind.SERVER_OFFLINE
        self._hub.publish(kind, server_id=server.id, data={"name": server.name})

    def changed(self, server: ComfyUIServer) -> None:
        data = {
            "name": server.name,
            "is_active": server.is_active,
            "is_online": server.is_online,
            "max_concurrent": server.max_concurrent,
        }
        self._hub.publish(EventKind.SERVER_CHANGED, server_id=server.id, data=data)

    def removed(self, server_id: str) -> None:
        self._hub.publish(EventKind.SERVER_CHANGED, server_id=server_id, data={"removed": True})
