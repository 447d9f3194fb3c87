"""The estimates of this process: read at the start, raised with each run, saved now and then."""

from backend.repositories.estimates_repository import EstimatesRepository
from backend.services.queue.scheduling.estimates import (
    CompletedRun,
    Estimates,
    estimates_from_dict,
    estimates_to_dict,
)

#: Seconds between two savings: what a crash forgets is learnt again soon.
_SAVED_EVERY = 10.0


class EstimateLearner:
    def __init__(self, stored: EstimatesRepository) -> None:
        self._stored = stored
        self.estimates = Estimates()
        self._is_new = False
        self._saved_at = 0.0

    async def load(self) -> None:
        self.estimates = estimates_from_dict(await self._stored.read())

    def learn(self, run: CompletedRun) -> None:
        self.estimates = self.estimates.learn(run)
        self._is_new = True

    async def save(self, now: float) -> None:
        """Save if there is something new and the last time is long enough ago."""
        if self._is_new and now - self._saved_at >= _SAVED_EVERY:
            self._saved_at, self._is_new = now, False
            await self._stored.write(estimates_to_dict(self.estimates))
