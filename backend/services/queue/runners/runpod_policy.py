"""What becomes of a job whose run at RunPod went wrong: pure decisions about paid work.

A run that may have been accepted is never ordered again by itself, and one that was paid and did
not come home neither. What RunPod says failed is tried again as often as the job allows: the
user set that number. What an endpoint lacks sends the job elsewhere, and not there again.
"""

from dataclasses import replace

from backend.models.job import Attempt, Job, Outcome
from backend.services.providers.runpod.client import BUSY, REFUSED, REFUSES_US
from backend.services.providers.runpod.messages import (
    RunPodRun,
    RunState,
    is_lacking,
    is_unuploaded,
)
from backend.services.queue.retry_policy import OUT_OF_MEMORY, Failure
from backend.utils.errors import (
    ServerUnreachableError,
    StoryCanvasError,
    SubmissionUncertainError,
    UnprocessableError,
    UpstreamError,
)

#: This endpoint cannot make it, another server may: the job is not sent there again.
LACKING = "RUNPOD_LACKS_MODEL"
TOO_LARGE = "RUNPOD_TOO_LARGE"
FATE_UNKNOWN = "RUNPOD_FATE_UNKNOWN"
_UNSUITABLE = frozenset({OUT_OF_MEMORY, LACKING, TOO_LARGE, REFUSED})
#: Ended attempts whose run may still be there, and then is taken over instead of ordered anew.
_ADOPTABLE = frozenset(
    {Outcome.LOST, Outcome.FORGOTTEN, Outcome.UNREACHABLE, Outcome.CANCELLED, None}
)
_KEPT = (
    "RunPod keeps results for half an hour: a retry by hand looks for this one first, and orders "
    "another run only if it is gone."
)


def refused(error: StoryCanvasError) -> Failure:
    """How an order failed; `details["retry_after"]` is what RunPod asked for, in seconds."""
    if isinstance(error, SubmissionUncertainError):
        return fate_unknown(error.message)
    if isinstance(error, ServerUnreachableError) or error.code == REFUSES_US:
        return Failure(Outcome.UNREACHABLE, error.message, error.code, error.details)
    if isinstance(error, UnprocessableError) or error.code == REFUSED:
        return Failure(Outcome.REJECTED, error.message, error.code, error.details)
    return Failure(Outcome.UNREACHABLE, error.message, error.code, error.details)


def fate_unknown(what_happened: str) -> Failure:
    words = (
        f"{what_happened} The run may have been taken on and may be charged: look at the "
        "endpoint's requests in RunPod's console. It is not sent again by itself; a retry by hand "
        "orders anew."
    )
    return Failure(Outcome.LOST, words, FATE_UNKNOWN, final=True)


def failed_there(run: RunPodRun, server_name: str) -> Failure:
    """What to make of a run that is over without a result."""
    details = {"runpod_id": run.id, "delay_seconds": run.waited, "execution_seconds": run.ran}
    words = run.error or "it gave no reason"
    if run.state is RunState.CANCELLED:
        words = f"Somebody cancelled the run at RunPod endpoint '{server_name}'."
        return Failure(Outcome.INTERRUPTED, words, "INTERRUPTED", details, final=True)
    if run.state is RunState.TIMED_OUT:
        words = (
            f"RunPod endpoint '{server_name}' timed out: no worker took the run or reported back "
            "in time. Its execution timeout and time to live are set in RunPod's console."
        )
        return Failure(Outcome.FAILED, words, "RUNPOD_TIMED_OUT", details)
    if is_lacking(words):
        words = f"RunPod endpoint '{server_name}' cannot make this: {words}"
        return Failure(Outcome.REJECTED, words, LACKING, details)
    code = "OUT_OF_MEMORY" if "out of memory" in words.lower() else "RUNPOD_FAILED"
    words = f"RunPod endpoint '{server_name}' failed: {words}"
    return Failure(Outcome.FAILED, words, code, details)


def without_files(run: RunPodRun, server_name: str) -> Failure:
    """A run that completed and gave nothing that could be a take."""
    words = f"RunPod endpoint '{server_name}' finished without an image or video."
    if run.error:
        words = f"{words} It says: {run.error}"
    if is_unuploaded(run.error or ""):
        words = f"{words} Its bucket is not configured."
    return Failure(Outcome.FAILED, words, "NO_OUTPUT", {"runpod_id": run.id}, final=True)


def undelivered(failure: Failure, run_id: str) -> Failure:
    """A finished run that did not come home; it has been paid, so it is not made again."""
    details = {**(failure.details or {}), "runpod_id": run_id}
    if failure.outcome is Outcome.CANCELLED or failure.code == "RESULT_BROKEN":
        return replace(failure, details=details, final=True)
    return replace(
        failure,
        outcome=Outcome.LOST,
        message=f"{failure.message} {_KEPT}",
        details=details,
        final=True,
    )


def unasked(words: str, code: str, run_id: str) -> Failure:
    """RunPod does not say any more what became of the run."""
    return Failure(Outcome.LOST, f"{words} {_KEPT}", code, {"runpod_id": run_id}, final=True)


def is_unsuitable(failure: Failure) -> bool:
    """Tell whether the endpoint, not the job, is at fault for good: another server may do it."""
    return failure.code in _UNSUITABLE


def is_passing(error: UpstreamError) -> bool:
    """Tell whether a wait may mend it: RunPod is down, slow or full."""
    return error.code == BUSY or error.status in {503, 504}


def ordered_there(job: Job, server_id: str) -> list[Attempt]:
    """Earlier attempts at a server whose runs may be there still, the newest first."""
    return [
        attempt
        for attempt in reversed(job.attempts)
        if attempt.server_id == server_id and attempt.prompt_id and attempt.outcome in _ADOPTABLE
    ]
