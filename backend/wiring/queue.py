"""The queue: what waits, who gives it out, external workers, registered servers."""

from dataclasses import dataclass

from backend.services.comfyui_service import ComfyUIService
from backend.services.queue.admission import QueueLimits
from backend.services.queue.context import SchedulerContext
from backend.services.queue.dispatcher import Dispatcher
from backend.services.queue.late_results import LateResults
from backend.services.queue_manager import QueueManager
from backend.services.workers.reports import WorkerReports
from backend.services.workers.service import WorkerService
from backend.utils.clock import utc_now
from backend.wiring.events import EventParts
from backend.wiring.foundation import MEGABYTE, Foundation
from backend.wiring.runners import RunnerParts


@dataclass(frozen=True)
class QueueParts:
    manager: QueueManager
    dispatcher: Dispatcher
    late_results: LateResults
    limits: QueueLimits
    workers: WorkerService
    worker_reports: WorkerReports


def build_queue(base: Foundation, context: SchedulerContext, runners: RunnerParts) -> QueueParts:
    repos, settings = base.repositories, base.settings
    late = LateResults(repos.jobs, context.fleet, base.clients.comfyui, delivery=runners.delivery)
    dispatcher = Dispatcher(
        repos.jobs,
        context,
        runners.attempts,
        provider_capacity=runners.openai.capacity,
        late=late,
    )
    limits = QueueLimits(
        repos.jobs.totals,
        most=settings.queue_max_pending,
        most_per_project=settings.queue_max_pending_per_project,
    )
    return QueueParts(
        manager=QueueManager(
            repos.jobs,
            repos.servers,
            runners.router,
            recorder=runners.recorder,
            dispatcher=dispatcher,
            limits=limits,
            clock=utc_now,
        ),
        dispatcher=dispatcher,
        late_results=late,
        limits=limits,
        workers=_workers(base, context, runners),
        worker_reports=_worker_reports(base, runners),
    )


def _workers(base: Foundation, context: SchedulerContext, runners: RunnerParts) -> WorkerService:
    repos = base.repositories
    return WorkerService(
        repos.workers,
        repos.servers,
        repos.jobs,
        recorder=runners.recorder,
        fleet=context.fleet,
        backlog_sync=context.backlog_sync,
        lease_seconds=base.settings.worker_lease_seconds,
        clock=utc_now,
    )


def _worker_reports(base: Foundation, runners: RunnerParts) -> WorkerReports:
    return WorkerReports(
        base.repositories.jobs,
        base.galleries,
        runners.attempts,
        recorder=runners.recorder,
        delivery=runners.delivery,
        remote=runners.remote_results,
        store_of=base.results_of,
        media=base.media_files,
        max_bytes=base.settings.max_result_size_mb * MEGABYTE,
        lease_seconds=base.settings.worker_lease_seconds,
        clock=utc_now,
    )


def build_servers(
    base: Foundation, context: SchedulerContext, queue: QueueParts, events: EventParts
) -> ComfyUIService:
    return ComfyUIService(
        base.repositories.servers,
        context.fleet,
        queue.manager,
        events=events.servers,
        clock=utc_now,
    )
