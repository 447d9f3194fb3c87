"""What driving the servers takes."""

from functools import cached_property

from backend.services.providers.runpod.client import RunPodClient
from backend.services.queue.backlog_sync import BacklogSync
from backend.services.queue.context import SchedulerContext
from backend.services.queue.in_flight import InFlightJobs
from backend.services.queue.job_requirements import JobNeeds
from backend.services.queue.leadership import Leadership
from backend.services.queue.learning import EstimateLearner
from backend.services.queue.scheduling.types import Rules
from backend.services.servers.fleet import Fleet
from backend.utils.clock import utc_now
from backend.wiring.foundation import Foundation


class SchedulerParts(Foundation):
    """The fleet, who may drive it, what waits, and what is in flight."""

    @cached_property
    def fleet(self) -> Fleet:
        fleet = Fleet(
            self.repositories.servers,
            self._clients.comfyui,
            runpod=self._runpod_client,
            check_seconds=self._settings.server_check_seconds,
            clock=utc_now,
        )
        fleet.on_turned = self.server_events.turned
        return fleet

    @cached_property
    def leadership(self) -> Leadership:
        return Leadership(self.repositories.leases)

    @cached_property
    def learning(self) -> EstimateLearner:
        return EstimateLearner(self.repositories.estimates)

    @cached_property
    def in_flight(self) -> InFlightJobs:
        return InFlightJobs(now=lambda: utc_now().timestamp(), learn=self.learning.learn)

    @cached_property
    def scheduler_context(self) -> SchedulerContext:
        needs = JobNeeds()
        repos = self.repositories
        backlog_sync = BacklogSync(repos.jobs, repos.workers, needs, clock=utc_now)
        repos.jobs.listeners.append(backlog_sync)
        return SchedulerContext(
            leadership=self.leadership,
            fleet=self.fleet,
            backlog_sync=backlog_sync,
            needs=needs,
            in_flight=self.in_flight,
            learning=self.learning,
            rules=Rules(age_window=self._settings.queue_age_window),
            clock=utc_now,
        )

    @cached_property
    def _runpod_client(self) -> RunPodClient:
        # Its session makes a new connection for every call: no order is left in a closing one.
        return RunPodClient(self._clients.provider)
