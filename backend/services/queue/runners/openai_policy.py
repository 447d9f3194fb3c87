"""What becomes of a provider's job that went wrong: pure decisions about paid work.

Only what was surely not accepted is ever sent again by itself, and after a growing wait. All
else ends the job: whoever retries it by hand gets the video that is there, if there is one.
"""

from dataclasses import replace
from datetime import datetime, timedelta

from backend.models.job import Attempt, Job, JobStatus, Outcome
from backend.services.providers.openai.messages import Video
from backend.services.providers.openai.transport import BUSY, FATE_UNKNOWN, UNREACHABLE
from backend.services.queue.retry_policy import Failure, RetryDecision, judge
from backend.utils.backoff import Backoff
from backend.utils.errors import SubmissionUncertainError, UpstreamError, UpstreamTimeoutError

_BACKOFF = Backoff(2.0, longest=300.0)
#: So many refusals in a row that are not the job's fault (18 minutes of them) end it.
_MOST_REFUSALS = 10
#: Errors that a wait may mend: the provider is down, slow or full.
PASSING = frozenset({BUSY, UNREACHABLE, UpstreamTimeoutError.default_code})
_KEPT = "A retry looks for that video first, and orders another only if the provider has none."


def refused(job: Job, error: UpstreamError) -> Failure:
    """How an order failed; `details["retry_after"]` is what the provider asked for, in seconds."""
    if isinstance(error, SubmissionUncertainError):
        return fate_unknown(error.message)
    if error.code == UNREACHABLE or _is_our_turn_later(error):
        too_often = _refusals_in_a_row(job) + 1 >= _MOST_REFUSALS
        return Failure(
            Outcome.UNREACHABLE, error.message, error.code, error.details, final=too_often
        )
    outcome = Outcome.FAILED if error.code == BUSY else Outcome.REJECTED
    return Failure(outcome, error.message, error.code, error.details)


def fate_unknown(what_happened: str) -> Failure:
    words = (
        f"{what_happened} The order may have been taken on and may have been charged: look at "
        "GET /api/v1/openai/videos. It is not sent again by itself; a retry by hand orders anew."
    )
    return Failure(Outcome.LOST, words, FATE_UNKNOWN, final=True)


def failed_there(video: Video) -> Failure:
    """The provider's own words for a video that it did not make."""
    code = (video.error_code or "").lower()
    by_policy = any(word in code for word in ("moderation", "policy", "safety"))
    words = video.error_message or "it gave no reason."
    return Failure(
        Outcome.FAILED,
        f"The video provider failed: {words}",
        "PROVIDER_CONTENT_REFUSED" if by_policy else "PROVIDER_FAILED",
        {"provider_code": video.error_code, "video_id": video.id},
        final=True,
    )


def undelivered(failure: Failure, video_id: str) -> Failure:
    """A finished video that did not come home; it has been paid, so it is not made again."""
    words = failure.message
    details = {**(failure.details or {}), "video_id": video_id}
    if failure.outcome is not Outcome.CANCELLED:
        words = f"{words} {_KEPT}"
    return replace(failure, message=words, details=details, final=True)


def unasked(words: str, code: str, video_id: str) -> Failure:
    """The provider does not say any more what became of the video."""
    return Failure(Outcome.LOST, f"{words} {_KEPT}", code, {"video_id": video_id}, final=True)


def verdict(job: Job, failure: Failure, now: datetime) -> RetryDecision:
    """Decide as for every job, but wait as long as the provider asks, and longer each time."""
    judged = judge(job, failure, now)
    if judged.status is not JobStatus.PENDING:
        return judged
    asked = float((failure.details or {}).get("retry_after") or 0)
    count = max(_refusals_in_a_row(job), job.retry_count)
    pause = timedelta(seconds=max(asked, _BACKOFF.after(count)))
    return replace(judged, not_before=now + pause)


def ordered_before(job: Job) -> list[Attempt]:
    """Earlier attempts whose order the provider took on, the newest first."""
    return [attempt for attempt in reversed(job.attempts) if attempt.prompt_id]


def _is_our_turn_later(error: UpstreamError) -> bool:
    return error.code == BUSY and error.details.get("provider_status") != 500


def _refusals_in_a_row(job: Job) -> int:
    """Ended attempts that were turned away, counted back from the newest."""
    count = 0
    for attempt in reversed(job.attempts):
        if attempt.outcome is Outcome.UNREACHABLE:
            count += 1
        elif attempt.outcome is not None:
            break
    return count
