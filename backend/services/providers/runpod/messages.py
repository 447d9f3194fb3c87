"""Reads the answers of RunPod's endpoints and of a ComfyUI worker there. Pure.

Sources: RunPod's manual of queue-based endpoints (operations, job states) and the manual of
worker-comfyui. Since its version 5 that gives `output.images: [{filename, type, data}]`, before
it gave `output.message` and `output.status`. Workers made from it drift: videos and gifs beside
images, plain texts instead of objects, errors inside the output of a completed job.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any
from urllib.parse import urlsplit

import orjson

from backend.utils.errors import InvalidRequestError, UpstreamError

NONSENSE = "RUNPOD_NONSENSE"
_HOST = "api.runpod.ai"
_LONGEST_SENTENCE = 1_000
_DEEPEST = 5
#: Where workers put their files: what is surely one first, what may be a mere sentence last.
_SHELVES = (
    ("images", "videos", "gifs", "image", "video", "image_url", "video_url", "files"),
    ("message", "result", "output", "url"),
)
#: What a file's content is called inside its object.
_CONTENTS = ("data", "url", "s3_url", "base64", "image", "video", "content")
_URL = re.compile(r"https?://\S+", re.IGNORECASE)
#: A base64 text of a picture is never short; words are, and have other signs in them.
_BASE64 = re.compile(r"(?:data:[\w.+-]+/[\w.+-]+;base64,)?[A-Za-z0-9+/_-]{64}")
_NO_UPLOAD = re.compile(r"simulated_uploaded|local_upload")
_LACKING = re.compile(
    r"value_not_in_list|value not in list|not in list"
    r"|missing_node_type|node \S+ does not exist|custom node.{0,200}not found"
    r"|required model|no checkpoint models|model (?:in folder )?.{0,200}not found"
    r"|file not found.{0,200}\.(?:safetensors|ckpt|gguf|pt|pth)",
    re.IGNORECASE | re.DOTALL,
)


class RunState(StrEnum):
    """The words of the wire. RUNNING is what some pages of its manual call IN_PROGRESS."""

    IN_QUEUE = "IN_QUEUE"
    IN_PROGRESS = "IN_PROGRESS"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    TIMED_OUT = "TIMED_OUT"

    @property
    def is_over(self) -> bool:
        return self not in {RunState.IN_QUEUE, RunState.IN_PROGRESS}


@dataclass(frozen=True)
class RunFile:
    """A result: `url` to fetch it from, or `content` as base64 text, perhaps as a data URL."""

    name: str
    url: str | None = None
    content: str = field(default="", repr=False)


@dataclass(frozen=True)
class RunPodRun:
    """A RunPod job as it stands. Waiting and running are in seconds; `progress` is 0 to 1."""

    id: str
    state: RunState
    files: tuple[RunFile, ...] = ()
    error: str | None = None
    waited: float | None = None
    ran: float | None = None
    progress: float | None = None


@dataclass(frozen=True)
class EndpointHealth:
    """How many workers and jobs an endpoint has; all of ours and everybody else's with its key."""

    idle: int = 0
    ready: int = 0
    running: int = 0
    initializing: int = 0
    throttled: int = 0
    unhealthy: int = 0
    in_queue: int = 0
    in_progress: int = 0

    @property
    def jobs(self) -> int:
        return self.in_queue + self.in_progress


def parse_run(body: object) -> RunPodRun:
    """Read the answer of /run, /status or /cancel. Raises UpstreamError for what is none."""
    if not isinstance(body, Mapping) or not isinstance(body.get("id"), str) or not body["id"]:
        raise UpstreamError("RunPod did not answer with a job.", code=NONSENSE)
    output = body.get("output")
    state = _state(body.get("status"))
    files = files_of(output) if state is RunState.COMPLETED else ()
    error = _error(body, output, state)
    if state is RunState.COMPLETED and error is not None and not files:
        state = RunState.FAILED
    return RunPodRun(
        id=body["id"],
        state=state,
        files=files,
        error=error,
        waited=_seconds(body.get("delayTime")),
        ran=_seconds(body.get("executionTime")),
        progress=_progress(output) if not state.is_over else None,
    )


def parse_health(body: object) -> EndpointHealth:
    """Read the answer of /health; counts that are left out are 0."""
    if not isinstance(body, Mapping) or not isinstance(body.get("workers"), Mapping):
        raise UpstreamError("RunPod did not say how the endpoint is.", code=NONSENSE)
    workers = body["workers"]
    jobs = body["jobs"] if isinstance(body.get("jobs"), Mapping) else {}
    names = ("idle", "ready", "running", "initializing", "throttled", "unhealthy")
    return EndpointHealth(
        **{name: _count(workers.get(name)) for name in names},
        in_queue=_count(jobs.get("inQueue")),
        in_progress=_count(jobs.get("inProgress")),
    )


def endpoint_url(url: str, endpoint_id: str | None) -> str:
    """Complete what a user may write of an endpoint to the URL of its operations.

    RunPod's own host becomes /v2/ID there; any other URL gets the id at its end, unless it ends
    with it. Without an id the URL must name the endpoint: else InvalidRequestError.
    """
    parts = urlsplit(url)
    path = parts.path.rstrip("/")
    if not endpoint_id:
        if path in {"", "/v2"}:
            raise InvalidRequestError(
                "A RunPod server needs its endpoint: set endpoint_id, or give the URL as "
                "https://api.runpod.ai/v2/ENDPOINT_ID.",
                code="ENDPOINT_ID_MISSING",
            )
        return url
    if path.rpartition("/")[2] == endpoint_id:
        return url
    if parts.hostname == _HOST:
        return f"{parts.scheme}://{parts.netloc}/v2/{endpoint_id}"
    return f"{url.rstrip('/')}/{endpoint_id}"


def files_of(output: object) -> tuple[RunFile, ...]:
    """Give the images and videos of a completed job, in the order of the worker."""
    found = list(_files(output, "", 0))
    return tuple(
        RunFile(file.name or f"result_{number}", file.url, file.content)
        for number, file in enumerate(found, 1)
    )


def is_lacking(words: str) -> bool:
    """Tell whether a failure says that a model, file or node is not installed there."""
    return _LACKING.search(words) is not None


def is_unuploaded(words: str) -> bool:
    """Tell whether a worker only pretended to upload its result: no bucket is configured."""
    return _NO_UPLOAD.search(words) is not None


def sentence_of(error: object) -> str | None:
    """Give the words of an error: a text, JSON in a text, or an object. Tracebacks are left out."""
    if isinstance(error, str):
        told = _unpacked(error)
        return sentence_of(told) if told is not None else (error.strip() or None)
    if isinstance(error, Mapping):
        for name in ("error_message", "message", "error", "detail", "title"):
            if words := sentence_of(error.get(name)):
                return words[:_LONGEST_SENTENCE]
        return None
    if isinstance(error, list):
        return "; ".join(filter(None, map(sentence_of, error)))[:_LONGEST_SENTENCE] or None
    return None


def _unpacked(text: str) -> object | None:
    if not text.lstrip().startswith("{"):
        return None
    try:
        told = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    return told if isinstance(told, Mapping) and sentence_of(told) else None


def _state(word: object) -> RunState:
    """Read a status; a word that is not known means that it is not over."""
    name = str(word).upper()
    return RunState(name) if name in RunState.__members__ else RunState.IN_PROGRESS


def _error(body: Mapping[str, Any], output: object, state: RunState) -> str | None:
    if not state.is_over:
        return None
    told = sentence_of(body.get("error"))
    if told is None and isinstance(output, Mapping):
        told = sentence_of(output.get("error")) or sentence_of(output.get("errors"))
        if told is None and str(output.get("status")).lower() == "error":
            told = sentence_of(output.get("message"))
    if told is None and state is RunState.FAILED and isinstance(output, str):
        told = sentence_of(output)
    return told[:_LONGEST_SENTENCE] if told else None


def _files(told: object, name: str, depth: int) -> Iterator[RunFile]:
    if depth > _DEEPEST:
        return
    if isinstance(told, str):
        yield from _file(told, name)
    elif isinstance(told, list):
        for item in told:
            yield from _files(item, name, depth + 1)
    elif isinstance(told, Mapping):
        yield from _within(told, name, depth)


def _within(told: Mapping[str, Any], name: str, depth: int) -> Iterator[RunFile]:
    """Look through an object: as a file itself, else shelf by shelf until one holds something."""
    name = _text(told.get("filename")) or _text(told.get("name")) or name
    if _text(told.get("filename")) or _text(told.get("type")):
        for key in _CONTENTS:
            if found := list(_files(told.get(key), name, depth + 1)):
                yield from found
                return
    for shelf in _SHELVES:
        found = [file for key in shelf for file in _files(told.get(key), name, depth + 1)]
        if found:
            yield from found
            return
    yield from _files(told.get("data"), name, depth + 1)


def _file(text: str, name: str) -> Iterator[RunFile]:
    if _URL.fullmatch(text):
        yield RunFile(name or text.partition("?")[0].rpartition("/")[2], url=text)
    elif _BASE64.match(text):
        yield RunFile(name, content=text)


def _text(value: object) -> str:
    return value[:200] if isinstance(value, str) else ""


def _seconds(milliseconds: object) -> float | None:
    if isinstance(milliseconds, bool) or not isinstance(milliseconds, int | float):
        return None
    return round(milliseconds / 1000, 3) if milliseconds >= 0 else None


def _progress(output: object) -> float | None:
    """Read what a worker tells while it runs: `{"progress": 0.4}`, or 40 for per cent."""
    told = output.get("progress") if isinstance(output, Mapping) else None
    if isinstance(told, bool) or not isinstance(told, int | float) or not 0 <= told <= 100:
        return None
    return float(told) if told <= 1 else told / 100


def _count(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0
