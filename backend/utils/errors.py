"""Every error StoryCanvas raises on purpose, in one tree.

StoryCanvasError
├── InvalidRequestError        400  well-formed, but makes no sense
├── ResourceNotFoundError      404
├── ConflictError              409  exists already, or is in the wrong state
│   └── TimelineOverlapError   409  carries a position that fits
├── PayloadTooLargeError       413
├── UnsupportedMediaError      415
├── UnprocessableError         422  a rule beyond the schema
│   ├── WorkflowError          422  a graph that ComfyUI would refuse, or did
│   └── ModelUnavailableError  422  no server has what the job names
├── QueueFullError             429  as many jobs wait as may
├── UpstreamError              502  a ComfyUI server said no
│   ├── ServerUnreachableError 503  … could not be reached at all
│   ├── UpstreamTimeoutError   504  … did not answer in time
│   ├── LeaseLostError         502  … was not sent the whole order: another process leads
│   ├── SecretKeyMismatchError 503  … has a key that SECRET_KEY does not open
│   └── SubmissionUncertainError 502 … may have queued the prompt, or not
├── ServiceUnavailableError    503
│   └── DatabaseUnavailableError
├── StorageFullError           507
└── TypesettingError           500  the program that sets storyboards gave up

An error knows its status and code and nothing of HTTP; backend.api.http.errors alone renders it.
"""

from typing import Any, ClassVar


class StoryCanvasError(Exception):
    """Base of all. `message` is a sentence for people, `details` is JSON for programs."""

    status: ClassVar[int] = 500
    default_code: ClassVar[str] = "INTERNAL_ERROR"
    #: Seconds after which a repeat may succeed; becomes the Retry-After header.
    retry_after: ClassVar[int | None] = None

    def __init__(self, message: str, *, code: str | None = None, **details: Any) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or self.default_code
        self.details = details


class InvalidRequestError(StoryCanvasError):
    status = 400
    default_code = "INVALID_REQUEST"


class ResourceNotFoundError(StoryCanvasError):
    """`ResourceNotFoundError.of("project", id)` gives PROJECT_NOT_FOUND."""

    status = 404
    default_code = "NOT_FOUND"

    @classmethod
    def of(cls, kind: str, resource_id: str) -> "ResourceNotFoundError":
        code = f"{kind.upper().replace(' ', '_')}_NOT_FOUND"
        sentence = f"{kind[0].upper()}{kind[1:]} '{resource_id}' was not found."
        return cls(sentence, code=code, id=resource_id)


class ConflictError(StoryCanvasError):
    status = 409
    default_code = "CONFLICT"


class TimelineOverlapError(ConflictError):
    """The 409 of a move. Details: suggested_position, clip_id, requested_position."""

    default_code = "TIMELINE_OVERLAP"


class PayloadTooLargeError(StoryCanvasError):
    status = 413
    default_code = "PAYLOAD_TOO_LARGE"


class UnsupportedMediaError(StoryCanvasError):
    status = 415
    default_code = "UNSUPPORTED_MEDIA"


class UnprocessableError(StoryCanvasError):
    status = 422
    default_code = "UNPROCESSABLE"


class WorkflowError(UnprocessableError):
    """`details["errors"]` lists {loc: ["workflow", node, input], msg, type}."""

    default_code = "WORKFLOW_REJECTED"


class ModelUnavailableError(UnprocessableError):
    """`details["servers"]` lists per server what is missing there."""

    default_code = "MODEL_UNAVAILABLE"


class QueueFullError(StoryCanvasError):
    """Details: limit, pending, wanted."""

    status = 429
    default_code = "QUEUE_FULL"
    retry_after = 30


class UpstreamError(StoryCanvasError):
    status = 502
    default_code = "UPSTREAM_ERROR"


class ServerUnreachableError(UpstreamError):
    status = 503
    default_code = "COMFYUI_UNREACHABLE"
    retry_after = 5


class UpstreamTimeoutError(UpstreamError):
    status = 504
    default_code = "UPSTREAM_TIMEOUT"


class SubmissionUncertainError(UpstreamError):
    """The answer to a submission was lost: look in /queue and /history before sending again."""

    default_code = "SUBMISSION_UNCERTAIN"


_LEASE_LOST = "This process lost the lease before anything was ordered."


class LeaseLostError(UpstreamError):
    """Another process drives the servers now; what was to be sent was not sent whole."""

    default_code = "LEASE_LOST"

    def __init__(self, message: str = _LEASE_LOST, **details: Any) -> None:
        super().__init__(message, **details)


class SecretKeyMismatchError(UpstreamError):
    """A server's stored API key was sealed under another SECRET_KEY: whoever runs us must act."""

    status = 503
    default_code = "SECRET_KEY_MISMATCH"
    retry_after = 60


class ServiceUnavailableError(StoryCanvasError):
    status = 503
    default_code = "SERVICE_UNAVAILABLE"
    retry_after = 5


class DatabaseUnavailableError(ServiceUnavailableError):
    default_code = "DATABASE_UNAVAILABLE"
    retry_after = 3


class StorageFullError(StoryCanvasError):
    status = 507
    default_code = "STORAGE_FULL"


class TypesettingError(StoryCanvasError):
    """The program's words are the cause (`__cause__`), for they may quote the document."""

    default_code = "TYPESETTING_FAILED"
