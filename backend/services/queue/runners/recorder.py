"""Writes the attempts of jobs, whoever makes them. Nobody else does.

An attempt is saved before anything is sent, and its end once it is known. Every write is guarded
by the job's status, its attempt and the fence of the driver that has it: who was replaced meanwhile
changes nothing.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final, Protocol

from backend.models.content import GeneratedContent
from backend.models.job import Attempt, Job, JobStatus, Outcome, result_fields
from backend.models.provenance import Provenance
from backend.repositories.jobs.repository import JobRepository
from backend.repositories.server_stats_repository import ServerStatsRepository
from backend.services.queue.retry_policy import Judgement
from backend.utils.clock import Clock
from backend.utils.errors import StoryCanvasError

logger = logging.getLogger(__name__)

#: Older attempts than these are dropped from the job: a document must not grow for ever.
_ATTEMPTS_KEPT = 20
_UNSTARTED: Final = MappingProxyType(
    {
        "progress": 0.0,
        "progress_step": None,
        "progress_total": None,
        "current_node": None,
        "lease_expires_at": None,
    }
)


class LeaseHolder(Protocol):
    """Whether this process drives the servers, and the number that its writes carry."""

    @property
    def fence(self) -> int: ...

    def holds(self) -> bool: ...


class JobObserver(Protocol):
    """Told of each job that this process sees end, as it stands then."""

    def job_ended(self, job: Job, seconds: float | None) -> None:
        """`seconds` from the start of its last attempt; None unless it completed."""
        ...


@dataclass(frozen=True)
class Claim:
    """What an attempt begins with. `prompt_id` is empty until a paid maker's receipt came."""

    server_id: str
    server_name: str
    reason: str
    render: dict[str, Any]
    prompt_id: str
    client_id: str
    made: Provenance | None = None


class AttemptRecorder:
    def __init__(
        self,
        jobs: JobRepository,
        stats: ServerStatsRepository,
        *,
        driving: LeaseHolder,
        observer: JobObserver,
        clock: Clock,
    ) -> None:
        self._jobs = jobs
        self._stats = stats
        self._driving = driving
        self._observer = observer
        self._clock = clock

    def may_send(self) -> bool:
        """Whether this process still drives: asked right before something is sent."""
        return self._driving.holds()

    async def claim(self, job: Job, claim: Claim) -> Job | None:
        """Begin an attempt; None: this process does not drive, or somebody was faster."""
        if not self.may_send():
            return None
        return await self._begin(job, claim, fence=self._driving.fence)

    async def lend(self, job: Job, claim: Claim, *, until: datetime) -> Job | None:
        """Begin an attempt of an external worker, in whichever process it asked."""
        return await self._begin(job, claim, lease_expires_at=until)

    async def refuse(self, job: Job, error: StoryCanvasError) -> None:
        """Fail a pending job that no attempt could carry out."""
        await self._jobs.move(
            job,
            JobStatus.FAILED,
            error=error.message,
            error_code=error.code,
            error_details=error.details,
            completed_at=self._clock(),
        )

    async def save_receipt(self, job: Job, receipt: str) -> Job | None:
        """Write a paid maker's id into the attempt, wherever the job has gone meanwhile.

        None: the job is nobody's to follow any more, it was cancelled or deleted, say.
        """
        current = await self._jobs.find_by_id(job.id)
        while current is not None:
            attempts = [
                entry.model_copy(update={"prompt_id": receipt})
                if entry.number == job.attempt
                else entry
                for entry in current.attempts
            ]
            if await self._jobs.note(current, attempts=_documents(attempts)):
                ours = current.status == job.status and current.attempt == job.attempt
                return current.model_copy(update={"attempts": tuple(attempts)}) if ours else None
            current = await self._jobs.find_by_id(job.id)
        logger.warning("Job %s was deleted; what was ordered for it is %s.", job.id, receipt)
        return None

    async def fail(self, job: Job, judgement: Judgement) -> Job | None:
        """Write down how the attempt ended and what follows; None: somebody was faster."""
        failure, verdict = judgement.failure, judgement.verdict
        moved = await self._end(
            job,
            verdict.status,
            failure.outcome,
            failure.message,
            failure.code,
            excluded_server_ids=list(judgement.excluded),
            retry_count=verdict.retry_count,
            not_before=verdict.not_before,
            error=failure.message,
            error_code=failure.code,
            error_details=failure.details,
            completed_at=self._clock() if verdict.status is JobStatus.FAILED else None,
        )
        if moved is not None and moved.is_finished:
            await self._count(job, moved, None)
        logger.info(
            "Job %s: attempt %s %s: %s", job.id, job.attempt, failure.outcome, failure.message
        )
        return moved

    async def complete(
        self,
        job: Job,
        take: GeneratedContent | None,
        *,
        words: str | None = None,
        seconds: float | None = None,
    ) -> Job | None:
        """Close a job whose take is in the gallery; an external worker may give none.

        `seconds`: how long its server says it ran; else it counts from when it was sent.
        """
        now = self._clock()
        told = "The result is in the gallery." if take else "It was reported without a result."
        moved = await self._end(
            job,
            JobStatus.COMPLETED,
            Outcome.COMPLETED,
            words or told,
            progress=1.0,
            completed_at=now,
            **result_fields(take),
        )
        if moved is not None and job.started_at:
            await self._count(job, moved, seconds or (now - job.started_at).total_seconds())
        return moved

    async def cancel(self, job: Job) -> Job | None:
        """End a job that a person wants no more, wherever it stands; its progress stays."""
        running = job.status is JobStatus.PROCESSING
        attempts = self._ended(job, Outcome.CANCELLED, "It was cancelled.") if running else None
        return await self._jobs.move(
            job,
            JobStatus.CANCELLED,
            completed_at=self._clock(),
            lease_expires_at=None,
            **({} if attempts is None else {"attempts": attempts}),
        )

    async def give_back(self, job: Job, outcome: Outcome, words: str, **changes: Any) -> Job | None:
        """Send a running job back to the queue, through no fault of its own."""
        return await self._end(job, JobStatus.PENDING, outcome, words, **changes)

    async def _begin(self, job: Job, claim: Claim, **changes: Any) -> Job | None:
        attempt = Attempt(
            number=job.attempt + 1,
            server_id=claim.server_id,
            server_name=claim.server_name,
            prompt_id=claim.prompt_id,
            client_id=claim.client_id,
            started_at=self._clock(),
            made=claim.made,
        )
        return await self._jobs.move(
            job,
            JobStatus.PROCESSING,
            attempt=attempt.number,
            attempts=_documents([*job.attempts, attempt][-_ATTEMPTS_KEPT:]),
            server_id=claim.server_id,
            server_name=claim.server_name,
            assignment_reason=claim.reason,
            render=claim.render,
            started_at=attempt.started_at,
            error=None,
            error_code=None,
            error_details=None,
            **changes,
        )

    async def _end(
        self,
        job: Job,
        to: JobStatus,
        outcome: Outcome,
        words: str,
        code: str | None = None,
        **changes: Any,
    ) -> Job | None:
        attempts = self._ended(job, outcome, words, code)
        return await self._jobs.move(job, to, attempts=attempts, **{**_UNSTARTED, **changes})

    def _ended(
        self, job: Job, outcome: Outcome, words: str, code: str | None = None
    ) -> list[dict[str, Any]]:
        """The job's attempts as documents, the current one ended."""
        if not job.attempts:
            return []
        *earlier, current = job.attempts
        return _documents([*earlier, current.ended(outcome, words, self._clock(), code)])

    async def _count(self, job: Job, moved: Job, seconds: float | None) -> None:
        """Tell of a job that ended; `seconds` are None for one that failed."""
        self._observer.job_ended(moved, seconds)
        if job.server_id:
            model = (job.render or {}).get("model_name") if seconds is not None else None
            await self._stats.record(job.server_id, completed_in=seconds, model=model)


def _documents(attempts: Sequence[Attempt]) -> list[dict[str, Any]]:
    return [attempt.model_dump() for attempt in attempts]
