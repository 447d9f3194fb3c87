"""What driving the servers takes."""

from functools import cached_property

from backend.services.providers.runpod.client import RunPodClient
from backend.services.queue.backlog_sync import BacklogFeed
from backend.services.queue.context import QueueDesk
from backend.services.queue.in_flight import Hands
from backend.services.queue.job_requirements import JobNeeds
from backend.services.queue.leadership import Leadership
from backend.services.queue.learning import Learning
from backend.services.queue.scheduling.types import Rules
from backend.services.servers.fleet import Fleet
from backend.utils.clock import utc_now
from backend.wiring.foundation import Foundation


class DeskParts(Foundation):
    """The fleet, who may drive it, what waits, and what is in hand."""

    @cached_property
    def fleet(self) -> Fleet:
        fleet = Fleet(
            self.repositories.servers,
            self._roads.comfyui,
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
    def learning(self) -> Learning:
        return Learning(self.repositories.estimates)

    @cached_property
    def hands(self) -> Hands:
        return Hands(now=lambda: utc_now().timestamp(), learn=self.learning.learn)

    @cached_property
    def desk(self) -> QueueDesk:
        needs = JobNeeds()
        repos = self.repositories
        feed = BacklogFeed(repos.jobs, repos.workers, needs, clock=utc_now)
        repos.jobs.listeners.append(feed)
        return QueueDesk(
            leadership=self.leadership,
            fleet=self.fleet,
            feed=feed,
            needs=needs,
            hands=self.hands,
            learning=self.learning,
            rules=Rules(age_window=self._settings.queue_age_window),
            clock=utc_now,
        )

    @cached_property
    def _runpod_client(self) -> RunPodClient:
        # Its session makes a new connection for every call: no order is left in a closing one.
        return RunPodClient(self._roads.provider)
