"""What is asked of the servers, gathered from the lines of the backlog."""

from backend.services.backlog import Kind, Line, WaitingJob
from backend.services.scheduling_lanes import Lane


class Cursor:
    """Walks a line from its head, past jobs that this pass has given away."""

    __slots__ = ("_ready", "_taken", "line")

    def __init__(self, line: Line) -> None:
        self.line = line
        self._ready: list[WaitingJob] = []
        self._taken = 0

    def head(self) -> WaitingJob | None:
        if self._taken == len(self._ready):
            self._ready = self.line.oldest(2 * self._taken + 4)
        return self._ready[self._taken] if self._taken < len(self._ready) else None

    def take(self) -> None:
        self._taken += 1


class Demand:
    """Work that the same servers may do with the same model, whoever asked for it."""

    __slots__ = ("count", "eligible", "helpers", "kind", "known", "lines", "model", "work")

    def __init__(self, model: str, kind: Kind, eligible: frozenset[str]) -> None:
        self.model = model
        self.kind = kind
        self.eligible = eligible
        self.count = 0
        self.work = 0.0
        #: Lines of this tier that may be drawn from, and how many jobs of each.
        self.lines: dict[int, tuple[Cursor, int]] = {}
        #: Who is at its model, and when it would be done, as they were worked out last.
        self.helpers: list[Lane] | None = None
        self.known: float | None = None

    @property
    def mean_work(self) -> float:
        return self.work / self.count if self.count else 0.0
