"""What becomes of a job whose attempt went wrong: a pure decision.

A graph that was refused fails at once, with ComfyUI's words. A lost server is not the job's
fault, so the job goes back without counting. What may work another time is tried again with
backoff, up to the job's `max_retries`.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from backend.models.job import Job, JobStatus, Outcome

_FIRST_BACKOFF = 2.0
_LONGEST_BACKOFF = 60.0
#: Between two sendings after a transport failure, so that a refusing server is not hammered.
_TRANSPORT_PAUSE = 1.0

_FINAL = frozenset({Outcome.REJECTED})
_NOT_THE_JOBS_FAULT = frozenset({Outcome.LOST, Outcome.FORGOTTEN, Outcome.UNREACHABLE})


@dataclass(frozen=True)
class Failure:
    """How an attempt ended badly; `words` are ComfyUI's own where it said something."""

    outcome: Outcome
    words: str
    code: str
    details: dict[str, Any] | None = None
    #: Trying again cannot help, whatever the outcome: a full disk here, a clip that is gone.
    final: bool = False


@dataclass(frozen=True)
class Verdict:
    status: JobStatus
    retry_count: int
    not_before: datetime | None


def judge(job: Job, failure: Failure, now: datetime) -> Verdict:
    if failure.final or failure.outcome in _FINAL:
        return Verdict(JobStatus.FAILED, job.retry_count, None)
    if failure.outcome in _NOT_THE_JOBS_FAULT:
        pause = timedelta(seconds=_TRANSPORT_PAUSE)
        return Verdict(JobStatus.PENDING, job.retry_count, now + pause)
    if job.retry_count >= job.max_retries:
        return Verdict(JobStatus.FAILED, job.retry_count, None)
    backoff = min(_LONGEST_BACKOFF, _FIRST_BACKOFF * 2**job.retry_count)
    return Verdict(JobStatus.PENDING, job.retry_count + 1, now + timedelta(seconds=backoff))
