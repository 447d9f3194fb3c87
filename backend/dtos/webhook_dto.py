"""Webhooks of a project, and what was sent to them."""

from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints

from backend.dtos.shared import example_ids
from backend.dtos.shared.common_dto import (
    OMITTED,
    RequestDTO,
    ResponseDTO,
    Timestamp,
    request_example,
)
from backend.models.webhook import DeliveryStatus, WebhookEvent


def _once_each(events: list[WebhookEvent]) -> list[WebhookEvent]:
    return list(dict.fromkeys(events))


Url = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2000)]
#: Visible ASCII, so that it can be pasted anywhere; long enough not to be guessed.
Secret = Annotated[str, StringConstraints(min_length=16, max_length=200, pattern=r"^[!-~]+$")]
Events = Annotated[
    list[WebhookEvent], Field(min_length=1, max_length=20), AfterValidator(_once_each)
]
Label = Annotated[str, StringConstraints(strip_whitespace=True, max_length=200)]

_URL = "https://hooks.example.com/storycanvas"
_SECRET = "at-least-16-characters"  # noqa: S105 - an example
_DEFAULT = (WebhookEvent.JOB_COMPLETED, WebhookEvent.JOB_FAILED)


class WebhookCreateDTO(RequestDTO):
    name: Label = Field(default="", description="For people.", examples=["Render channel"])
    url: Url = Field(description="http or https; a POST goes there.", examples=[_URL])
    events: Events = Field(
        default=list(_DEFAULT),
        description="Which events it is told.",
        examples=[["job.completed", "job.failed"]],
    )
    secret: Secret = Field(
        description="Signs every delivery; 16 to 200 visible ASCII characters. Write-only.",
        examples=[_SECRET],
    )
    is_active: bool = Field(default=True, description="false: nothing is sent.", examples=[True])


class WebhookUpdateDTO(RequestDTO):
    """Fields left out stay as they are."""

    model_config = request_example(events=["job.failed"])

    name: Label = Field(default=OMITTED, description="For people.", examples=["Render channel"])
    url: Url = Field(default=OMITTED, description="Where the POST goes.", examples=[_URL])
    events: Events = Field(
        default=OMITTED, description="Replaces all of them.", examples=[["job.failed"]]
    )
    secret: Secret = Field(
        default=OMITTED, description="Signs what is sent from now on.", examples=[_SECRET]
    )
    is_active: bool = Field(
        default=OMITTED,
        description="false: nothing is sent, and what waits is forgotten.",
        examples=[True],
    )


class WebhookResponseDTO(ResponseDTO):
    id: str = Field(description="Its id.", examples=[example_ids.WEBHOOK])
    project_id: str = Field(description="Whose it is.", examples=[example_ids.PROJECT])
    name: str = Field(description="For people.", examples=["Render channel"])
    url: str = Field(description="Where the POST goes.", examples=[_URL])
    events: list[WebhookEvent] = Field(
        description="Which events it is told.", examples=[["job.completed", "job.failed"]]
    )
    is_active: bool = Field(description="Whether anything is sent.", examples=[True])
    secret_locked: bool = Field(
        description="Whether its secret was stored under another SECRET_KEY: set it anew.",
        examples=[False],
    )
    created_at: Timestamp = Field(description="UTC.", examples=[example_ids.MOMENT])
    updated_at: Timestamp = Field(description="UTC.", examples=[example_ids.MOMENT])


class WebhookDeliveryDTO(ResponseDTO):
    id: str = Field(
        description="As in the header X-StoryCanvas-Delivery, the same for every try.",
        examples=[example_ids.DELIVERY],
    )
    webhook_id: str = Field(description="Who is told.", examples=[example_ids.WEBHOOK])
    event_id: Annotated[str, Field(coerce_numbers_to_str=True)] = Field(
        description="The event's id; 0 for a ping.", examples=["179200000012300"]
    )
    event: str = Field(description="What happened.", examples=["job.completed"])
    status: DeliveryStatus = Field(
        description="pending, delivered or failed.", examples=["delivered"]
    )
    attempts: int = Field(ge=0, description="How often it was tried.", examples=[1])
    last_code: int | None = Field(
        description="The status of the last answer; null without one.", examples=[204]
    )
    last_error: str | None = Field(
        description="What went wrong, with the beginning of the answer.",
        examples=["It answered 500: out of order"],
    )
    next_try_at: Timestamp | None = Field(
        description="UTC: when it is tried again.", examples=[None]
    )
    created_at: Timestamp = Field(description="UTC.", examples=[example_ids.MOMENT])
    delivered_at: Timestamp | None = Field(
        description="UTC: when it was taken.", examples=[example_ids.MOMENT]
    )
