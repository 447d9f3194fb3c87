"""How long a lost database counts as there, and how often it is asked again. Nothing here waits."""

import random
from collections.abc import Iterator
from typing import Final

from backend.utils.backoff import Backoff

#: A lost connection that comes back within this time was none: the driver's own retry covers it.
GRACE_SECONDS: Final = 1.0


class Reachability:
    """Whether a server that takes writes has been seen within the grace time."""

    def __init__(self) -> None:
        self._lost_at: float | None = None

    def observe(self, *, writable: bool, now: float) -> bool:
        """Note what is seen `now` (monotonic seconds); say whether calls still make sense."""
        if writable:
            self._lost_at = None
            return True
        if self._lost_at is None:
            self._lost_at = now
        return now - self._lost_at < GRACE_SECONDS


def pauses(longest: float = 1.0) -> Iterator[float]:
    """Give growing waits between tries, each varied so that many processes do not knock as one."""
    jitter = random.SystemRandom()
    for pause in Backoff(0.1, longest).pauses():
        yield pause * (0.5 + jitter.random() / 2)
