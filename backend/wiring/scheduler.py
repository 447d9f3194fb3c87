"""The fleet of servers, and what driving it takes."""

from dataclasses import dataclass

from backend.services.providers.runpod.client import RunPodClient
from backend.services.queue.backlog_sync import BacklogSync
from backend.services.queue.context import SchedulerContext
from backend.services.queue.in_flight import InFlightJobs
from backend.services.queue.job_requirements import JobNeeds
from backend.services.queue.leadership import Leadership
from backend.services.queue.learning import EstimateLearner
from backend.services.queue.scheduling.types import Rules
from backend.services.servers.fleet import Fleet
from backend.services.servers.model_library import ModelLibrary
from backend.utils.clock import utc_now
from backend.wiring.foundation import Foundation


@dataclass(frozen=True)
class FleetParts:
    fleet: Fleet
    library: ModelLibrary
    runpod: RunPodClient


def build_fleet(base: Foundation) -> FleetParts:
    # Its session makes a new connection for every call: no order is left in a closing one.
    runpod = RunPodClient(base.clients.provider)
    fleet = Fleet(
        base.repositories.servers,
        base.clients.comfyui,
        runpod=runpod,
        check_seconds=base.settings.server_check_seconds,
        clock=utc_now,
    )
    return FleetParts(fleet=fleet, library=ModelLibrary(fleet), runpod=runpod)


def build_scheduler(base: Foundation, fleet: Fleet) -> SchedulerContext:
    repos = base.repositories
    needs = JobNeeds()
    learning = EstimateLearner(repos.estimates)
    return SchedulerContext(
        leadership=Leadership(repos.leases),
        fleet=fleet,
        backlog_sync=BacklogSync(repos.jobs, repos.workers, needs, clock=utc_now),
        needs=needs,
        in_flight=InFlightJobs(now=lambda: utc_now().timestamp(), learn=learning.learn),
        learning=learning,
        rules=Rules(age_window=base.settings.queue_age_window),
        clock=utc_now,
    )
