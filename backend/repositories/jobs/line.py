"""Places in line: sums of kept totals, and the few numbers that must be looked at."""

import time
from bisect import bisect_left
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from backend.models.job import Job

#: Seconds for which the numbers of a stretch count as known. A job that takes another's place in
#: it leaves the amount as it is, so the amount alone does not vouch for them for ever.
_FRESH_SECONDS = 5.0
#: Waiting jobs that one question may look at; what is beyond is told from the amounts.
_LOOKED_AT = 600
#: Jobs of other priorities that one read may pass over, rather than be cut in two.
_PASSED_OVER = 256

Stretch = tuple[int, int]


class WaitingCounts:
    """How many wait: by priority, then by stretch of numbers."""

    def __init__(self, waiting: Mapping[int, Mapping[int, int]]) -> None:
        self._waiting = waiting

    @property
    def turns(self) -> dict[int, int]:
        """How many wait at each priority, the highest first."""
        turns = {priority: sum(amounts.values()) for priority, amounts in self._waiting.items()}
        return dict(sorted(turns.items(), reverse=True))

    def amount(self, stretch: Stretch) -> int:
        priority, part = stretch
        return self._waiting.get(priority, {}).get(part, 0)

    def runs(self, priority: int, wanted: int) -> Iterator[tuple[int, int]]:
        """The stretches in which jobs of a priority wait, the oldest first, several at a time.

        From the first to the last of a run there wait `wanted` of them, fewer only at the end of
        the line or before a crowd of other priorities: a run is one read of all that wait there.
        """
        first, last, found = 0, -1, 0
        for part, amount in sorted(self._waiting.get(priority, {}).items()):
            if last >= 0 and (found >= wanted or self._between(last, part) > _PASSED_OVER):
                yield first, last
                last, found = -1, 0
            first, last, found = (part if last < 0 else first), part, found + amount
        if last >= 0:
            yield first, last

    def _between(self, low: int, high: int) -> int:
        """How many wait in the stretches after one and before another."""
        if high == low + 1:
            return 0
        return sum(
            amount
            for amounts in self._waiting.values()
            for part, amount in amounts.items()
            if low < part < high
        )

    def before(self, stretches: Iterable[Stretch]) -> dict[Stretch, int]:
        """How many have their turn before the first of each of these stretches."""
        wanted = sorted(set(stretches), key=lambda stretch: (-stretch[0], stretch[1]))
        turns = self.turns
        return {
            (priority, part): sum(n for other, n in turns.items() if other > priority)
            + sum(n for other, n in self._waiting.get(priority, {}).items() if other < part)
            for priority, part in wanted
        }


class _Seen(NamedTuple):
    numbers: Sequence[int]
    until: float


#: Gives the numbers of jobs that wait, of a priority, from a number to before another.
Numbers = Callable[[int, int, int], Awaitable[list[int]]]


class JobPlaces:
    """Remembers for a moment which numbers wait in a stretch; `forget` what changed here.

    Exact where a stretch is full or was looked at, that is nearly always. When one page asks for
    more than may be looked at, places deep in the line are told from the amounts: they are off
    by less than a stretch, and exact when asked again.
    """

    def __init__(
        self, numbers: Numbers, *, stretch: int, seconds: Callable[[], float] = time.monotonic
    ) -> None:
        self._numbers = numbers
        self._width = stretch
        self._seconds = seconds
        self._seen: dict[Stretch, _Seen] = {}

    async def places(self, jobs: Sequence[Job], line: WaitingCounts, last: int) -> dict[str, int]:
        """The place of each waiting job, 1 for the next, by id; `last` is the newest number."""
        before = line.before(self._stretch(job) for job in jobs)
        await self._look(before, line, last)
        return {
            job.id: before[self._stretch(job)] + self._place_within(job, line, last) for job in jobs
        }

    def forget(self, priority: int, number: int) -> None:
        self._seen.pop((priority, number // self._width), None)

    def _stretch(self, job: Job) -> Stretch:
        return job.priority, job.number // self._width

    async def _look(self, wanted: Iterable[Stretch], line: WaitingCounts, last: int) -> None:
        """Read the stretches that cannot be told otherwise, those at the head first."""
        now = self._seconds()
        self._seen = {
            stretch: seen
            for stretch, seen in self._seen.items()
            if seen.until > now and len(seen.numbers) == line.amount(stretch)
        }
        budget = _LOOKED_AT
        for priority, part in wanted:
            amount = line.amount((priority, part))
            if (priority, part) in self._seen or self._is_full(part, amount, last):
                continue
            budget -= amount
            if budget < 0:
                return
            low = part * self._width
            numbers = await self._numbers(priority, low, low + self._width)
            self._seen[priority, part] = _Seen(sorted(numbers), now + _FRESH_SECONDS)

    def _is_full(self, part: int, amount: int, last: int) -> bool:
        low = max(1, part * self._width)
        return amount >= min(last + 1, (part + 1) * self._width) - low

    def _place_within(self, job: Job, line: WaitingCounts, last: int) -> int:
        stretch = self._stretch(job)
        amount, low = line.amount(stretch), max(1, stretch[1] * self._width)
        if seen := self._seen.get(stretch):
            return bisect_left(seen.numbers, job.number) + 1
        if self._is_full(stretch[1], amount, last):
            return job.number - low + 1
        share = (job.number - low) / self._width
        return 1 + int(share * max(0, amount - 1))
