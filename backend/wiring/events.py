"""What happens is told: the hub of events, streams, webhooks."""

from dataclasses import dataclass

from backend.services.events.hub import EventHub
from backend.services.events.stream import EventStreams
from backend.services.events.webhook_dispatcher import WebhookDispatcher
from backend.services.events.webhook_sender import WebhookSender
from backend.services.events.webhook_service import WebhookService
from backend.services.queue.job_events import JobEvents, ServerEvents
from backend.utils.clock import utc_now
from backend.wiring.foundation import Foundation


@dataclass(frozen=True)
class EventParts:
    hub: EventHub
    jobs: JobEvents
    servers: ServerEvents
    streams: EventStreams
    webhook_dispatcher: WebhookDispatcher
    webhooks: WebhookService


def build_events(base: Foundation) -> EventParts:
    repos, settings = base.repositories, base.settings
    hub = EventHub(repos.events, clock=utc_now)
    private = settings.webhook_private_hosts
    session = base.clients.registered if private else base.clients.public
    dispatcher = WebhookDispatcher(
        repos.webhooks,
        repos.deliveries,
        repos.events,
        sender=WebhookSender(session, links=base.public_links, clock=utc_now),
        clock=utc_now,
    )
    return EventParts(
        hub=hub,
        jobs=JobEvents(hub),
        servers=ServerEvents(hub),
        streams=EventStreams(hub, heartbeat_seconds=settings.event_heartbeat_seconds),
        webhook_dispatcher=dispatcher,
        webhooks=WebhookService(
            repos.projects,
            repos.webhooks,
            deliveries=repos.deliveries,
            log=repos.events,
            dispatcher=dispatcher,
            private_hosts=private,
            clock=utc_now,
        ),
    )
