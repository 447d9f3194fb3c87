"""Jobs that somebody waits for: queued ahead of batch work, answered with their take."""

from collections.abc import Sequence
from typing import NamedTuple

from backend.models.content import GeneratedContent
from backend.models.job import Job, JobStatus
from backend.services.film.galleries import Galleries
from backend.services.generation.eligibility import EligibilityChecker
from backend.services.queue_manager import QueueManager
from backend.utils.errors import (
    ConflictError,
    ModelUnavailableError,
    StorageFullError,
    StoryCanvasError,
    UpstreamError,
    WorkflowError,
)

#: A person waits for such a job, so it goes ahead of everything queued.
INTERACTIVE_PRIORITY = 50
_ERRORS: dict[str, type[StoryCanvasError]] = {
    WorkflowError.default_code: WorkflowError,
    ModelUnavailableError.default_code: ModelUnavailableError,
    StorageFullError.default_code: StorageFullError,
}


class Generated(NamedTuple):
    """`gallery`: all takes of its clip or character, this one among them."""

    job: Job
    content: GeneratedContent
    gallery: Sequence[GeneratedContent]


class AwaitedJobs:
    """`wait_seconds`: how long somebody waits for a take."""

    def __init__(
        self,
        queue: QueueManager,
        galleries: Galleries,
        *,
        eligibility: EligibilityChecker,
        wait_seconds: float,
    ) -> None:
        self._queue = queue
        self._galleries = galleries
        self._eligibility = eligibility
        self._wait_seconds = wait_seconds

    async def run(self, job: Job, *, wait: bool) -> Job | Generated:
        """Queue a job, and wait for its take where `wait` asks for it.

        A Job as answer means that it still waits or runs. Raises what went wrong with the job:
        WorkflowError, ModelUnavailableError, StorageFullError, ConflictError when it was
        cancelled, else UpstreamError.
        """
        job = await self._queue.add_job(job.model_copy(update={"priority": INTERACTIVE_PRIORITY}))
        if not wait or not await self._may_come_soon(job):
            return job
        job = await self._queue.wait_for(job.id, self._wait_seconds)
        if job.status is not JobStatus.COMPLETED:
            if job.is_finished:
                raise _error_of(job)
            return job
        return await self._generated(job)

    async def _may_come_soon(self, job: Job) -> bool:
        """Whether waiting makes sense: somebody is there who could make it."""
        return job.provider is not None or await self._eligibility.any_registered()

    async def _generated(self, job: Job) -> Generated:
        gallery = await self._galleries.takes(job)
        content = next((take for take in gallery if take.id == job.content_id), None)
        if content is None:
            raise ConflictError("The take was removed.", code="TAKE_GONE", job_id=job.id)
        return Generated(job, content, gallery)


def _error_of(job: Job) -> StoryCanvasError:
    """The error that a waiting client gets for a job that ended without a take."""
    if job.status is JobStatus.CANCELLED:
        return ConflictError("The job was cancelled.", code="JOB_CANCELLED", job_id=job.id)
    kind = _ERRORS.get(job.error_code or "", UpstreamError)
    details = {**(job.error_details or {}), "job_id": job.id}
    return kind(job.error or "The generation failed.", code=job.error_code, **details)
