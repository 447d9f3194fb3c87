"""A circuit breaker for each server: after three failures in a row it gets no jobs for a while.

Three transport failures open it for 15 s; each failed probe doubles that, up to 5 minutes. While
it is half open one probe may go through, and what becomes of it decides.
"""

from dataclasses import dataclass, replace
from enum import StrEnum

from backend.utils.backoff import Backoff

FAILURES_TO_OPEN = 3
FIRST_SECONDS = 15.0
LONGEST_SECONDS = 300.0


class CircuitState(StrEnum):
    CLOSED = "closed"
    OPEN = "open"
    #: The pause is over: one probe may tell whether it is well again.
    HALF_OPEN = "half_open"


@dataclass(frozen=True, slots=True)
class Circuit:
    """Times are seconds of one clock. `until` is when an open one becomes half open."""

    #: The first pause; the longest is twenty times that.
    first: float = FIRST_SECONDS
    failures: int = 0
    until: float | None = None

    def state(self, now: float) -> CircuitState:
        if self.until is None:
            return CircuitState.CLOSED
        return CircuitState.OPEN if now < self.until else CircuitState.HALF_OPEN

    def failed(self, now: float) -> "Circuit":
        """After a transport failure; while it is open another one says nothing new."""
        state = self.state(now)
        if state is CircuitState.OPEN:
            return self
        failures = self.failures + 1
        if state is CircuitState.CLOSED and failures < FAILURES_TO_OPEN:
            return replace(self, failures=failures)
        backoff = Backoff(self.first, longest=self.first * LONGEST_SECONDS / FIRST_SECONDS)
        pause = backoff.after(failures - FAILURES_TO_OPEN)
        return replace(self, failures=failures, until=now + pause)

    def succeeded(self, now: float) -> "Circuit":
        """After an answer. An open one stays so: what came late says little."""
        return self if self.state(now) is CircuitState.OPEN else Circuit(self.first)
