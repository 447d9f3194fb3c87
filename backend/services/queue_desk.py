"""What driving the servers takes: who may, who waits, who has what, and how long things take."""

from collections.abc import Sequence
from dataclasses import dataclass

from backend.services.backlog_feed import BacklogFeed
from backend.services.fleet import Fleet
from backend.services.hands import Hands
from backend.services.job_needs import JobNeeds
from backend.services.leadership import Leadership
from backend.services.learning import Learning
from backend.services.scheduling_forecast import Forecast
from backend.services.scheduling_types import Rules, ServerView, TakeBack
from backend.utils.clock import Clock


@dataclass(frozen=True)
class QueueDesk:
    leadership: Leadership
    fleet: Fleet
    feed: BacklogFeed
    needs: JobNeeds
    hands: Hands
    learning: Learning
    rules: Rules
    clock: Clock

    def now(self) -> float:
        """POSIX seconds."""
        return self.clock().timestamp()

    def views(self) -> Sequence[ServerView]:
        """The servers as the planner sees them."""
        states = self.fleet.states
        self.needs.look_at(states)
        return self.hands.views(states, self.learning.estimates)

    def drained(self) -> list[TakeBack]:
        """What waits in the queues of servers that were switched off: they only end what runs."""
        return [
            TakeBack(hand.job_id, hand.server_id, f"'{state.server.name}' was switched off.")
            for state in self.fleet.states
            if not state.server.is_active
            for hand in self.hands.at(state.server.id)
            if hand.started is None
        ]

    def forecast(self) -> Forecast:
        """A look at the queue as it is, for those who ask why and until when."""
        return Forecast(
            self.feed.backlog,
            self.views(),
            self.learning.estimates,
            now=self.now(),
            capable=self.needs,
            rules=self.rules,
        )
