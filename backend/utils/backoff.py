"""Growing pauses between tries."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count

#: Every growth has met its longest pause long before; a float could not hold much more.
_MOST_STEPS = 500


@dataclass(frozen=True, slots=True)
class Backoff:
    """Seconds: `first`, then each pause `factor` times the one before, none above `longest`."""

    first: float
    longest: float
    factor: float = 2.0

    def after(self, pauses: int) -> float:
        """The pause that follows so many others."""
        return min(self.longest, self.first * self.factor ** min(pauses, _MOST_STEPS))

    def pauses(self) -> Iterator[float]:
        """All of them in turn, without an end."""
        return map(self.after, count())
