"""Events, as streams and webhooks tell them."""

import json

from pydantic import Field

from backend.dtos.shared import example_ids
from backend.dtos.shared.common_dto import ResponseDTO, Timestamp
from backend.dtos.shared.media_address import LinkedObject
from backend.models.event import Event, EventKind
from backend.utils.media_links import linked


class EventDTO(ResponseDTO):
    """One event. Ids that do not belong to it are null."""

    id: str = Field(
        description="Resume after it: ids grow, and are the same for everybody.",
        examples=["179200000012300"],
    )
    event: str = Field(description="Its topic: what stands before the dot.", examples=["job"])
    type: EventKind = Field(description="What happened.", examples=["job.completed"])
    at: Timestamp = Field(description="UTC: when it happened.", examples=[example_ids.MOMENT])
    project_id: str | None = Field(
        description="The project it is about.", examples=[example_ids.PROJECT]
    )
    clip_id: str | None = Field(
        description="The clip; null for pictures of a character: `data` has its `character_id`.",
        examples=[example_ids.CLIP],
    )
    job_id: str | None = Field(description="The job.", examples=[example_ids.JOB])
    batch_id: str | None = Field(description="The batch.", examples=[example_ids.BATCH])
    server_id: str | None = Field(description="The server.", examples=[example_ids.SERVER])
    data: LinkedObject = Field(
        description="What changed; of a job, what of it changes while it runs.",
        examples=[{"status": "completed", "progress": 1.0}],
    )


def event_dto(event: Event) -> EventDTO:
    return EventDTO(
        id=str(event.id),
        event=event.kind.topic,
        type=event.kind,
        at=event.at,
        project_id=event.project_id,
        clip_id=event.clip_id,
        job_id=event.job_id,
        batch_id=event.batch_id,
        server_id=event.server_id,
        data=dict(event.data),
    )


def linked_json(kept: str) -> str:
    """Give an event that was kept as JSON, its addresses of media as they are told now."""
    return json.dumps(linked(json.loads(kept)))


def event_json(event: Event) -> str:
    """One line, for readers too that take U+2028 and the like for the end of one: ASCII."""
    return json.dumps(event_dto(event).model_dump(mode="json"))
