"""Decides what becomes of a job whose attempt went wrong, and where it may not go again. Pure.

A graph that was refused fails at once, with ComfyUI's words. A lost server is not the job's
fault, so the job goes back without counting. What may work another time is tried again with
backoff, up to the job's `max_retries`. Out of memory goes once to a larger server. A job that is
lost again and again fails at last: it may be what brings the servers down.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from backend.models.job import Job, JobStatus, Outcome
from backend.services.queue.job_requirements import can_go_somewhere
from backend.services.servers.fleet import ServerState
from backend.utils.backoff import Backoff

_BACKOFF = Backoff(2.0, longest=60.0)
#: Between two sendings after a transport failure, so that a refusing server is not hammered.
_TRANSPORT_PAUSE = 1.0
#: A job that was lost so often in a row may be what brings servers down.
_LOST_AT_MOST = 8

OUT_OF_MEMORY = "OUT_OF_MEMORY"
DISK_FULL = "SERVER_DISK_FULL"
#: Of attempts whose prompt was never seen to run.
NEVER_RAN = "PROMPT_NEVER_RAN"

_NOT_THE_JOBS_FAULT = frozenset({Outcome.LOST, Outcome.FORGOTTEN, Outcome.UNREACHABLE})
_LOST_WHILE_RUNNING = frozenset({Outcome.LOST, Outcome.FORGOTTEN, Outcome.HUNG})


@dataclass(frozen=True)
class Failure:
    """How an attempt ended badly; `message` is ComfyUI's own where it gave one."""

    outcome: Outcome
    message: str
    code: str
    details: dict[str, Any] | None = None
    #: Trying again cannot help, whatever the outcome: a full disk here, a clip that is gone.
    final: bool = False


@dataclass(frozen=True)
class RetryDecision:
    status: JobStatus
    retry_count: int
    not_before: datetime | None


@dataclass(frozen=True)
class Judgement:
    """What becomes of a job, and why. `excluded` are the servers it is not sent to any more."""

    failure: Failure
    verdict: RetryDecision
    excluded: tuple[str, ...]


def judge(job: Job, failure: Failure, now: datetime) -> RetryDecision:
    """Say what becomes of the job. Where it may go again is for `exclusions` to say."""
    failed = RetryDecision(JobStatus.FAILED, job.retry_count, None)
    if failure.final or failure.outcome is Outcome.REJECTED or _is_poison(job, failure):
        return failed
    if failure.outcome in _NOT_THE_JOBS_FAULT:
        pause = timedelta(seconds=_TRANSPORT_PAUSE)
        return RetryDecision(JobStatus.PENDING, job.retry_count, now + pause)
    if failure.code == OUT_OF_MEMORY:
        seen = any(attempt.code == OUT_OF_MEMORY for attempt in job.attempts)
        return failed if seen else RetryDecision(JobStatus.PENDING, job.retry_count, None)
    if job.retry_count >= job.max_retries:
        return failed
    pause = timedelta(seconds=_BACKOFF.after(job.retry_count))
    return RetryDecision(JobStatus.PENDING, job.retry_count + 1, now + pause)


def is_servers_fault(failure: Failure) -> bool:
    """Tell whether the next attempt should be made elsewhere if it can be."""
    by_outcome = failure.outcome is Outcome.HUNG
    return by_outcome or failure.code in {DISK_FULL, OUT_OF_MEMORY, "RESULT_BROKEN"}


def _is_poison(job: Job, failure: Failure) -> bool:
    if failure.outcome not in _LOST_WHILE_RUNNING or failure.code == NEVER_RAN:
        return False
    earlier = job.attempts[:-1][-(_LOST_AT_MOST - 1) :]
    lost = [
        attempt
        for attempt in earlier
        if attempt.outcome in _LOST_WHILE_RUNNING and attempt.code != NEVER_RAN
    ]
    return len(lost) == _LOST_AT_MOST - 1


def exclusions(job: Job, failure: Failure, states: Sequence[ServerState]) -> tuple[str, ...] | None:
    """Give the servers that the job excludes from now on.

    Out of memory excludes every server that is no larger; None: there is no larger one. For
    other faults the server itself is excluded, unless no other one could make the job.
    """
    if not is_servers_fault(failure):
        return job.excluded_server_ids
    state = next((state for state in states if state.server.id == job.server_id), None)
    failed_at = {state.server.id} if state else set()
    if failure.code == OUT_OF_MEMORY:
        failed_at |= {other.server.id for other in states if _memory(other) <= _memory(state)}
    excluded = tuple(sorted({*job.excluded_server_ids, *failed_at}))
    if can_go_somewhere(job.model_copy(update={"excluded_server_ids": excluded}), states):
        return excluded
    return None if failure.code == OUT_OF_MEMORY else job.excluded_server_ids


def _memory(state: ServerState | None) -> int:
    """Give the bytes of the largest device; 0 where they are not known."""
    devices = state.stats.devices if state and state.stats else ()
    return max((device.vram_total for device in devices), default=0)
