"""Groups the lines of the backlog into demands."""

from collections.abc import Mapping
from heapq import heapify, heappop, heappush, heapreplace
from math import inf

from backend.services.queue.backlog import JobKind, JobLine, WaitingJob
from backend.services.queue.scheduling.lanes import Lane, Shortlist


class Cursor:
    """Walks a line from its head, past jobs that this pass has given away."""

    __slots__ = ("_ready", "_taken", "line")

    def __init__(self, line: JobLine) -> None:
        self.line = line
        self._ready: list[WaitingJob] = []
        self._taken = 0

    def head(self) -> WaitingJob | None:
        if not self._taken:
            return self.line.head()
        if self._taken >= len(self._ready):
            self._ready = self.line.oldest(2 * self._taken + 4)
        return self._ready[self._taken] if self._taken < len(self._ready) else None

    def take(self) -> None:
        self._taken += 1


class Demand:
    """Work that the same servers may do with the same model, whoever asked for it.

    `count` and `work` grow with each tier; only the lines of the open tier may be drawn from.
    """

    __slots__ = (
        "_left",
        "_turns",
        "count",
        "eligible",
        "first",
        "helpers",
        "kind",
        "known",
        "model",
        "unserved",
        "work",
    )

    def __init__(self, model: str, kind: JobKind, eligible: frozenset[str]) -> None:
        self.model = model
        self.kind = kind
        self.eligible = eligible
        self.count = 0
        self.work = 0.0
        #: Lines of the open tier, and how many jobs of each may still be drawn.
        self._left: dict[int, tuple[Cursor, int]] = {}
        self._turns: list[tuple[float, float, int, int]] | None = None
        #: What was worked out last: who is at its model, when it is done, who could begin it.
        self.helpers: list[Lane] | None = None
        self.known: float | None = None
        self.unserved: Shortlist | None = None
        self.first: Shortlist | None = None

    @property
    def is_open(self) -> bool:
        return bool(self._left) and self.count > 0

    @property
    def mean_work(self) -> float:
        return self.work / self.count if self.count else 0.0

    def close(self) -> None:
        self._left = {}
        self._turns = None
        self.known = self.unserved = self.first = None

    def open(self, cursor: Cursor, jobs: int, work: float) -> None:
        self.count += jobs
        self.work += work
        self._left[id(cursor)] = (cursor, jobs)

    def book(self, job: WaitingJob) -> None:
        self.count = max(0, self.count - 1)
        self.work = max(0.0, self.work - job.work) if self.count else 0.0

    def turn(self, served_at: Mapping[str, float]) -> float:
        """When the project that is next was last served; inf if nothing is left."""
        top = self._next(served_at)
        return top[0] if top else inf

    def draw(self, served_at: Mapping[str, float]) -> WaitingJob | None:
        """The next job: of the project served longest ago, there the oldest."""
        top = self._next(served_at)
        if top is None or self._turns is None:
            return None
        cursor, left = self._left[top[3]]
        job = cursor.head()
        cursor.take()
        heappop(self._turns)
        if left > 1:
            self._left[top[3]] = (cursor, left - 1)
            self._stand(cursor, served_at)
        else:
            del self._left[top[3]]
        return job

    def _next(self, served_at: Mapping[str, float]) -> tuple[float, float, int, int] | None:
        """The first in turn. Projects served meanwhile go back to where they belong now."""
        if self._turns is None:
            self._turns = [
                rank for cursor, _ in self._left.values() if (rank := _rank(cursor, served_at))
            ]
            heapify(self._turns)
        while self._turns:
            top = self._turns[0]
            rank = _rank(self._left[top[3]][0], served_at)
            if rank == top:
                return top
            if rank is None:
                heappop(self._turns)
                del self._left[top[3]]
            else:
                heapreplace(self._turns, rank)
        return None

    def _stand(self, cursor: Cursor, served_at: Mapping[str, float]) -> None:
        rank = _rank(cursor, served_at)
        if rank is None:
            self._left.pop(id(cursor), None)
        elif self._turns is not None:
            heappush(self._turns, rank)


def _rank(cursor: Cursor, served_at: Mapping[str, float]) -> tuple[float, float, int, int] | None:
    job = cursor.head()
    if job is None:
        return None
    return (served_at.get(job.project_id, -inf), job.queued_at, job.number, id(cursor))
