"""Who shows how things stand: health, the queue, the live page."""

from dataclasses import dataclass

from backend.services.monitoring.health_service import HealthService
from backend.services.monitoring.live_board import LiveBoard
from backend.services.monitoring.outlook import JobForecasts
from backend.services.monitoring.queue_view import QueueView
from backend.services.queue.context import SchedulerContext
from backend.utils.clock import utc_now
from backend.wiring.foundation import Foundation
from backend.wiring.queue import QueueParts


@dataclass(frozen=True)
class MonitoringParts:
    queue_view: QueueView
    live_board: LiveBoard
    health: HealthService


def build_monitoring(
    base: Foundation, context: SchedulerContext, queue: QueueParts
) -> MonitoringParts:
    repos = base.repositories
    forecasts = JobForecasts(context, provider_capacity=base.settings.openai_max_concurrent)
    view = QueueView(
        queue.manager,
        repos.stats,
        projects=repos.projects,
        clips=repos.clips,
        characters=repos.characters,
        workers=queue.workers,
        fleet=context.fleet,
        forecasts=forecasts,
    )
    return MonitoringParts(
        queue_view=view,
        live_board=LiveBoard(
            repos.jobs,
            view,
            forecasts=forecasts,
            fleet=context.fleet,
            in_flight=context.in_flight,
            projects=repos.projects,
            clips=repos.clips,
            characters=repos.characters,
            clock=utc_now,
        ),
        health=HealthService(
            base.database,
            queue.manager,
            fleet=context.fleet,
            media=base.media_files,
            leadership=context.leadership,
        ),
    )
