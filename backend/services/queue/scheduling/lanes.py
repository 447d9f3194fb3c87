"""Turns servers into lanes, each of which runs its jobs one after another.

Estimates and catalogs are looked up once a pass. After every decision only the few lanes that
could be first are asked again.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from heapq import nsmallest
from math import inf

from backend.services.queue.backlog import JobKind, WaitingJob
from backend.services.queue.scheduling.estimates import Estimates
from backend.services.queue.scheduling.types import Capable, Rules, ServerView


class Lane:
    """What runs jobs one after another: a server, or one of those that run in parallel there.

    `start` is when it could begin its next job, in seconds; `slots` how many jobs it may get.
    """

    __slots__ = ("loaded", "order", "pace", "server", "slots", "spare", "start")

    def __init__(self, server: ServerView, start: float, pace: float, order: int) -> None:
        self.server = server
        self.start = start
        self.pace = pace
        self.order = order
        self.loaded = server.loaded_model
        self.slots = 0
        #: Slots beyond the server's capacity, for what waits ahead.
        self.spare = 0

    def may_take(self, prefetch_seconds: float) -> bool:
        return self.slots > 0 or (self.spare > 0 and self.start <= prefetch_seconds)

    def use_slot(self) -> None:
        if self.slots:
            self.slots -= 1
        else:
            self.spare -= 1


def lanes_of(views: Iterable[ServerView], estimates: Estimates, rules: Rules) -> list[Lane]:
    """Lanes of the servers that take work, quick servers first; a full one has no slots."""
    usable = [view for view in views if not view.why_not]
    ranked = sorted(usable, key=lambda view: (estimates.pace(view.id), view.id))
    lanes: list[Lane] = []
    for view in ranked:
        lanes.extend(_lanes(view, estimates.pace(view.id), rules, len(lanes)))
    return lanes


def _lanes(view: ServerView, pace: float, rules: Rules, order: int) -> Iterator[Lane]:
    starts = [0.0] * max(1, view.parallel)
    for seconds in sorted(view.running):
        starts[starts.index(min(starts))] += seconds
    for prefetched in view.prefetched:
        starts[starts.index(min(starts))] += prefetched.seconds
    starts[0] += view.foreign_prompts * rules.foreign_prompt_seconds
    free = view.capacity - view.held
    for number, start in enumerate(sorted(starts)):
        lane = Lane(view, start, pace, order + number)
        # Slots go round the lanes, the first to be free first.
        lane.slots = max(0, -(-(free - number) // len(starts)))
        lane.spare = (
            1 if view.prefetches and number == 0 and len(view.prefetched) == 0 and free >= 0 else 0
        )
        yield lane


class Costs:
    def __init__(self, lanes: Sequence[Lane], estimates: Estimates, capable: Capable) -> None:
        self.estimates = estimates
        self._capable = capable
        self._usable = frozenset(lane.server.id for lane in lanes)
        self._eligible: dict[tuple[str, str | None, frozenset[str]], frozenset[str]] = {}
        self._lanes = len(lanes)
        #: By lane; zero where nobody asked yet.
        self._rates: dict[tuple[str, JobKind], list[float]] = {}
        self._swaps: dict[str, list[float]] = {}

    def eligible(self, needs: str, pinned: str | None, excluded: frozenset[str]) -> frozenset[str]:
        """The servers that may do it now."""
        key = (needs, pinned, excluded)
        found = self._eligible.get(key)
        if found is None:
            found = (self._capable.get(needs, frozenset()) & self._usable) - excluded
            if pinned is not None:
                found &= frozenset((pinned,))
            self._eligible[key] = found
        return found

    def eligible_for(self, job: WaitingJob) -> frozenset[str]:
        return self.eligible(job.needs, job.pinned_server_id, job.excluded)

    def rate(self, lane: Lane, model: str, kind: JobKind) -> float:
        """Seconds per unit of work."""
        known = self._rates.get((model, kind))
        if known is None:
            known = self._rates[model, kind] = [0.0] * self._lanes
        if not known[lane.order]:
            known[lane.order] = self.estimates.seconds_per_work(lane.server.id, model, kind)
        return known[lane.order]

    def swap(self, lane: Lane, model: str) -> float:
        """Seconds until it has that model; 0 if it has, or if nobody knows the model."""
        if not model or lane.loaded == model:
            return 0.0
        known = self._swaps.get(model)
        if known is None:
            known = self._swaps[model] = [0.0] * self._lanes
        if not known[lane.order]:
            known[lane.order] = self.estimates.swap_seconds(lane.server.id, model)
        return known[lane.order]

    def alone(self, lane: Lane, job: WaitingJob) -> float:
        """Seconds from when the lane is free until the job would have ended there."""
        return self.swap(lane, job.model) + self.rate(lane, job.model, job.kind) * job.work


_LENGTH = 16

#: Seconds at which a lane would end something. It must never become less within a pass.
Ends = Callable[[Lane], float]


class Shortlist:
    """Lanes only get busier in a pass, so those left out stay behind the worst one kept."""

    __slots__ = ("_ends", "_first", "_lanes", "_limit", "_short")

    def __init__(self, lanes: Iterable[Lane], ends: Ends) -> None:
        self._lanes = list(lanes)
        self._ends = ends
        self._short: list[Lane] = []
        self._limit = -inf
        self._first: Lane | None = None

    def best(self, without: Lane | None = None) -> float:
        """When the first of them would end it; inf if there is nobody else."""
        best, lane = self._best_of_short(without)
        if best > self._limit:
            self._choose()
            best, lane = self._best_of_short(without)
        if without is None:
            self._first = lane
        return best

    def is_first(self, lane: Lane) -> bool:
        """Whether it was the first when all were asked last."""
        return self._first is lane

    def _best_of_short(self, without: Lane | None) -> tuple[float, Lane | None]:
        best, first = inf, None
        for lane in self._short:
            if lane is not without and (end := self._ends(lane)) < best:
                best, first = end, lane
        return best, first

    def _choose(self) -> None:
        ranked = nsmallest(
            _LENGTH + 1, ((self._ends(lane), lane.order, lane) for lane in self._lanes)
        )
        self._short = [lane for _, _, lane in ranked[:_LENGTH]]
        self._limit = ranked[_LENGTH][0] if len(ranked) > _LENGTH else inf
