"""The composition root: database → repositories → services → queue, closed in reverse."""

import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from backend.config import Settings
from backend.database import DatabaseManager
from backend.repositories.registry import REPOSITORIES
from backend.services.comfyui.client import ComfyUIClient, open_session
from backend.services.comfyui_service import ComfyUIService
from backend.services.exports.animatic_runner import at_work
from backend.services.providers.openai.transport import open_provider_session
from backend.services.queue.context import SchedulerContext
from backend.wiring.background import StartupRepair, running
from backend.wiring.events import EventParts, build_events
from backend.wiring.exports import ExportParts, build_exports
from backend.wiring.film import FilmParts, build_film
from backend.wiring.foundation import Foundation, HttpClients, build_foundation
from backend.wiring.generation import GenerationParts, build_generation
from backend.wiring.monitoring import MonitoringParts, build_monitoring
from backend.wiring.queue import QueueParts, build_queue, build_servers
from backend.wiring.runners import RunnerParts, build_runners
from backend.wiring.scheduler import FleetParts, build_fleet, build_scheduler


@dataclass(frozen=True)
class Container:
    """Everything a request may ask for, by room, and what runs beside the requests."""

    base: Foundation
    events: EventParts
    fleet: FleetParts
    scheduler: SchedulerContext
    runners: RunnerParts
    queue: QueueParts
    servers: ComfyUIService
    film: FilmParts
    generation: GenerationParts
    exports: ExportParts
    monitoring: MonitoringParts

    def let_go(self) -> None:
        """Answer everybody who waits or listens: the server is about to end."""
        self.queue.manager.stop_waiting()
        self.exports.animatics.let_go()
        self.events.hub.close()


def assemble(settings: Settings, database: DatabaseManager, clients: HttpClients) -> Container:
    """Build the rooms from the ground up, and tie them together. Nothing runs yet."""
    base = build_foundation(settings, database, clients)
    events = build_events(base)
    fleet = build_fleet(base)
    scheduler = build_scheduler(base, fleet.fleet)
    runners = build_runners(base, fleet, scheduler)
    queue = build_queue(base, scheduler, runners)
    film = build_film(base, queue.manager, events)
    container = Container(
        base=base,
        events=events,
        fleet=fleet,
        scheduler=scheduler,
        runners=runners,
        queue=queue,
        servers=build_servers(base, scheduler, queue, events),
        film=film,
        generation=build_generation(base, fleet.fleet, queue, runners, film.clip_creator),
        exports=build_exports(base, events.hub, film.timeline),
        monitoring=build_monitoring(base, scheduler, queue),
    )
    connect(container)
    return container


def connect(container: Container) -> None:
    """Tie every callback: who is told of what happens in another room."""
    jobs, events = container.base.repositories.jobs, container.events
    queue, filler = container.queue, container.generation.batch_filler
    fleet, dispatcher = container.fleet.fleet, queue.dispatcher
    jobs.listeners.append(events.jobs)
    jobs.on_note.append(events.jobs.noted)
    events.hub.on_written = events.webhook_dispatcher.wake
    fleet.on_turned = events.servers.turned
    fleet.on_change = dispatcher.wake
    container.scheduler.in_flight.on_change = dispatcher.wake
    container.runners.attempts.on_lost = queue.late_results.lost
    dispatcher.on_settled = queue.manager.settle
    queue.manager.on_unknown = filler.store_promised
    queue.manager.on_clear = filler.end_all


@asynccontextmanager
async def build_container(
    settings: Settings, *, client_type: type[ComfyUIClient] = ComfyUIClient
) -> AsyncIterator[Container]:
    """Open what the settings name, run the queue, and close everything in reverse.

    Raises DatabaseStartError for a database that can never start as it is configured.
    """
    settings.upload_dir.mkdir(parents=True, exist_ok=True)
    database = DatabaseManager(
        settings.mongo_url,
        name=settings.db_name,
        driver=settings.mongo_driver,
        embedded_path=settings.embedded_path,
    )
    async with contextlib.AsyncExitStack() as stack:
        await database.ensure_indexes(
            {kind.collection: kind.indexes for kind in REPOSITORIES if kind.indexes}
        )
        stack.push_async_callback(database.stop)
        await database.start()
        session = await stack.enter_async_context(open_session())
        public = await stack.enter_async_context(open_session(public_only=True))
        provider = await stack.enter_async_context(open_provider_session())
        clients = HttpClients(client_type(session), session, public, provider)
        container = assemble(settings, database, clients)
        stack.push_async_callback(container.base.repositories.projects.settle)
        await stack.enter_async_context(
            running(
                container.fleet.fleet,
                container.queue.dispatcher,
                container.queue.manager,
                events=container.events.hub,
                webhooks=container.events.webhook_dispatcher,
                startup_repair=StartupRepair(
                    container.runners.results,
                    container.film.timeline,
                    container.generation.batches,
                ),
            )
        )
        exports = container.exports
        await stack.enter_async_context(at_work(exports.animatic_runner, exports.media_preparer))
        yield container
