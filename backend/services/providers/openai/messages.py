"""Reads the wire shape of OpenAI's Videos API, leniently: gateways deviate from it.

Shape: the `Video` type of OpenAI's own client library. Drift seen in the field: other words for
a status, times in milliseconds, `seconds` as a number, lists without `has_more`, deletions that
answer with the video, errors as `{"detail": …}`. Everything here is pure.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from backend.utils.errors import UpstreamError

#: The code of an answer that is no JSON, or not the JSON that it should be.
NONSENSE = "PROVIDER_NONSENSE"
#: A sentence of the provider is cut here: some send a whole page.
_LONGEST_SENTENCE = 500
_LONGEST_EXTRA = 10_000
#: What a video's id may be long; some gateways pack model and provider into it.
LONGEST_ID = 500
#: The longest wait that a Retry-After may ask for, in seconds.
_LONGEST_WAIT = 3600.0
#: Seconds since 1970 stay under this until the year 5138; more must be milliseconds.
_MILLISECONDS_FROM = 100_000_000_000


class VideoState(StrEnum):
    """The four statuses of the wire shape; every other word is read as one of them."""

    QUEUED = "queued"
    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"
    FAILED = "failed"


_WORDS = {
    VideoState.QUEUED: "queued in_queue pending waiting submitted created accepted scheduled "
    "not_start not_started starting",
    VideoState.IN_PROGRESS: "in_progress processing running generating rendering started working",
    VideoState.COMPLETED: "completed complete succeeded success successful done finished ready",
    VideoState.FAILED: "failed failure fail error errored cancelled canceled expired rejected "
    "deleted timeout timed_out aborted blocked",
}
_STATES: Mapping[str, VideoState] = MappingProxyType(
    {word: state for state, words in _WORDS.items() for word in words.split()}
)


@dataclass(frozen=True)
class Video:
    """`progress` is 0 to 100, None when the provider tells none; `wire` is what we pass on."""

    id: str
    state: VideoState
    progress: int | None
    error_code: str | None
    error_message: str | None
    wire: Mapping[str, Any]


def video_state(word: object) -> VideoState | None:
    """Read a status in any spelling; None for a word that nobody has used yet."""
    if not isinstance(word, str):
        return None
    return _STATES.get(word.strip().lower().replace("-", "_").replace(" ", "_"))


def parse_video(body: object) -> Video:
    """Read one video. Raises UpstreamError when the answer describes none."""
    told = _object(body)
    video_id = _id_of(told)
    if video_id is None:
        raise UpstreamError("The video provider did not describe a video.", code=NONSENSE)
    code, message = _error_of(told)
    state = _state_of(told, has_error=message is not None)
    progress = _progress(told.get("progress"))
    return Video(video_id, state, progress, code, message, _wire(told, video_id, state))


def parse_page(body: object, *, limit: int) -> dict[str, Any]:
    """Read a list. What a gateway leaves out (first_id, last_id, has_more) is worked out."""
    entries = body.get("data") if isinstance(body, Mapping) else body
    if not isinstance(entries, list):
        raise UpstreamError("The video provider did not answer with a list.", code=NONSENSE)
    videos = [dict(parse_video(entry).wire) for entry in entries if _is_video(entry)]
    page = videos[:limit]
    more = body.get("has_more") if isinstance(body, Mapping) else None
    cut = len(videos) > limit
    return {
        "object": "list",
        "data": page,
        "first_id": page[0]["id"] if page else None,
        "last_id": page[-1]["id"] if page else None,
        "has_more": cut or (more if isinstance(more, bool) else len(videos) == limit),
    }


def sentence_of(body: object) -> str | None:
    """Give the provider's own words for a refusal, on one line, or None when it has none."""
    if not isinstance(body, Mapping):
        return None
    places = (_words(told) for told in (body.get("error"), body.get("detail"), body))
    return next((words for words in places if words), None)


def error_code_of(body: object) -> str | None:
    """Give the provider's machine-readable reason, such as `insufficient_quota`."""
    error = body.get("error") if isinstance(body, Mapping) else None
    code = (error.get("code") or error.get("type")) if isinstance(error, Mapping) else None
    return code[:100] if isinstance(code, str) else None


def retry_after(header: str | None, now: datetime) -> float | None:
    """Read a Retry-After, seconds or a date, as seconds from now, 0 to one hour."""
    if not header:
        return None
    try:
        seconds = float(header)
    except ValueError:
        try:
            seconds = (parsedate_to_datetime(header) - now).total_seconds()
        except (ValueError, TypeError):
            return None
    return min(max(seconds, 0.0), _LONGEST_WAIT) if not math.isnan(seconds) else None


def _words(told: object) -> str | None:
    if isinstance(told, list) and told:
        told = told[0]
    if isinstance(told, Mapping):
        told = told.get("message") or told.get("msg")
    return " ".join(told.split())[:_LONGEST_SENTENCE] if isinstance(told, str) else None


def _object(body: object) -> Mapping[str, Any]:
    """Give the video object, also out of an envelope `{"data": {…}}`."""
    if not isinstance(body, Mapping):
        return {}
    inner = body.get("data")
    return inner if isinstance(inner, Mapping) and _id_of(body) is None else body


def _id_of(told: Mapping[str, Any]) -> str | None:
    found = (told.get(name) for name in ("id", "video_id", "task_id"))
    return next((value for value in found if is_usable_id(value)), None)


def is_usable_id(value: object) -> bool:
    """Tell whether this can be an id: it becomes one part of a path."""
    return (
        isinstance(value, str)
        and 0 < len(value) <= LONGEST_ID
        and value.isprintable()
        and value not in {".", ".."}
    )


def _is_video(entry: object) -> bool:
    return isinstance(entry, Mapping) and _id_of(_object(entry)) is not None


def _state_of(told: Mapping[str, Any], *, has_error: bool) -> VideoState:
    """An unknown word is polled on, unless the answer shows in another way that all is over."""
    state = video_state(told.get("status"))
    if state is not None:
        return state
    if has_error:
        return VideoState.FAILED
    return VideoState.COMPLETED if told.get("completed_at") else VideoState.IN_PROGRESS


def _error_of(told: Mapping[str, Any]) -> tuple[str | None, str | None]:
    error = told.get("error")
    message = sentence_of({"error": error}) if error else None
    code = error_code_of(told)
    return code, message or code


def _progress(value: object) -> int | None:
    """0 to 100; fractions and "45%" occur. A lone 1 is read as one percent."""
    if isinstance(value, str):
        try:
            value = float(value.strip().rstrip("%"))
        except ValueError:
            return None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    if isinstance(value, float) and 0 < value < 1:
        value *= 100
    return int(min(max(value, 0), 100)) if not math.isnan(value) else None


def _wire(told: Mapping[str, Any], video_id: str, state: VideoState) -> dict[str, Any]:
    """Pass on what the provider said, in the shape's own types; nested extras are left out."""
    wire = {name: value for name, value in told.items() if _is_plain(value)}
    for name in ("created_at", "completed_at", "expires_at"):
        if name in told:
            wire[name] = _unix_seconds(told[name])
    for name in ("seconds", "size", "model", "prompt", "remixed_from_video_id", "quality"):
        if wire.get(name) is not None:
            wire[name] = _text(wire[name])
    if "progress" in told:
        wire["progress"] = _progress(told["progress"])
    if "error" in told:
        code, message = _error_of(told)
        wire["error"] = {"code": code, "message": message} if message else None
    return {**wire, "id": video_id, "object": "video", "status": str(state)}


def _is_plain(value: object) -> bool:
    if isinstance(value, str):
        return len(value) <= _LONGEST_EXTRA
    return value is None or isinstance(value, (bool, int, float))


def _text(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _unix_seconds(value: object) -> int | None:
    if isinstance(value, str) and value.isascii() and value.isdigit():
        value = int(value[:20])
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value <= 0:
        return None
    return int(value / 1000) if value >= _MILLISECONDS_FROM else int(value)
