"""What driving the servers takes: who may, who waits, who has what, and how long things take."""

from collections.abc import Sequence
from dataclasses import dataclass

from backend.services.queue.backlog_sync import BacklogSync
from backend.services.queue.in_flight import InFlightJobs
from backend.services.queue.job_requirements import JobNeeds
from backend.services.queue.leadership import Leadership
from backend.services.queue.learning import EstimateLearner
from backend.services.queue.scheduling.forecast import Forecast
from backend.services.queue.scheduling.types import Rules, ServerView, TakeBack
from backend.services.servers.fleet import Fleet
from backend.utils.clock import Clock


@dataclass(frozen=True)
class SchedulerContext:
    leadership: Leadership
    fleet: Fleet
    backlog_sync: BacklogSync
    needs: JobNeeds
    in_flight: InFlightJobs
    learning: EstimateLearner
    rules: Rules
    clock: Clock

    def now(self) -> float:
        """POSIX seconds."""
        return self.clock().timestamp()

    def views(self) -> Sequence[ServerView]:
        """The servers as the planner sees them."""
        states = self.fleet.states
        self.needs.look_at(states)
        return self.in_flight.views(states, self.learning.estimates)

    def drained(self) -> list[TakeBack]:
        """What waits in the queues of servers that were switched off: they only end what runs."""
        return [
            TakeBack(
                in_flight_job.job_id,
                in_flight_job.server_id,
                f"'{state.server.name}' was switched off.",
            )
            for state in self.fleet.states
            if not state.server.is_active
            for in_flight_job in self.in_flight.at(state.server.id)
            if in_flight_job.started is None
        ]

    def forecast(self) -> Forecast:
        """A look at the queue as it is, for those who ask why and until when."""
        return Forecast(
            self.backlog_sync.backlog,
            self.views(),
            self.learning.estimates,
            now=self.now(),
            capable=self.needs,
            rules=self.rules,
        )
