"""Events: what happens, as it happens, by server-sent events and by a WebSocket."""

from typing import Annotated

from fastapi import Depends, Header, Query, WebSocket
from fastapi.exceptions import RequestValidationError

from backend.api.http.versioned_router import versioned_router
from backend.api.streams.event_streams import EventResponse, speak
from backend.api.v1.dependencies import EventStreamsDep
from backend.dtos.event_dto import EventDTO
from backend.models.event import STREAMED, EventFilter

router = versioned_router(tags=["Events"])

OneId = Annotated[str | None, Query(min_length=1, max_length=100, description="Only of this one.")]
LastEventId = Annotated[
    str | None, Query(max_length=100, description="As the header Last-Event-ID.")
]


async def _wanted(
    project_id: OneId = None,
    clip_id: OneId = None,
    job_id: OneId = None,
    batch_id: OneId = None,
    server_id: OneId = None,
    types: Annotated[
        str | None,
        Query(
            max_length=500,
            description="A comma list of types such as job.completed, or of topics: job, batch,"
            " server, content, export. Left out: all.",
        ),
    ] = None,
) -> EventFilter:
    names = frozenset(name.strip() for name in (types or "").split(",") if name.strip())
    if unknown := names - STREAMED:
        fault = {
            "type": "unknown_type",
            "loc": ("query", "types"),
            "msg": f"no such type of event: {', '.join(sorted(unknown))}",
            "input": None,
        }
        raise RequestValidationError([fault])
    return EventFilter(
        project_id=project_id,
        clip_id=clip_id,
        job_id=job_id,
        batch_id=batch_id,
        server_id=server_id,
        types=names,
    )


WantedDep = Annotated[EventFilter, Depends(_wanted)]


@router.get(
    "/events",
    summary="Listen to what happens, as server-sent events",
    response_class=EventResponse,
    response_model=None,
    status_code=200,
    responses={
        200: {
            "description": "A stream without an end; each `data` is an event as shown here.",
            "model": EventDTO,
        }
    },
)
async def read_events(
    wanted: WantedDep,
    streams: EventStreamsDep,
    last_event_id: LastEventId = None,
    last_event_id_header: Annotated[
        str | None,
        Header(alias="Last-Event-ID", max_length=100, description="Go on after this event."),
    ] = None,
) -> EventResponse:
    """Begins with `hello`, or with what was missed since Last-Event-ID. `reset`: read all anew.

    Comments keep the connection alive. A reader that is too slow gets `dropped` and is let go; it
    may come back and resume. Where no header can be sent, `?api_key=` takes the key.
    """
    return EventResponse(streams.open(wanted, last_event_id_header or last_event_id))


@router.websocket("/ws")
async def speak_events(
    socket: WebSocket,
    wanted: WantedDep,
    streams: EventStreamsDep,
    last_event_id: LastEventId = None,
) -> None:
    """The same events as JSON messages, each like `data` of /events."""
    await speak(socket, streams.open(wanted, last_event_id))
