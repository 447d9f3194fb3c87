"""The few lanes that could be first, so that not all are asked again after every decision."""

from collections.abc import Callable, Iterable
from heapq import nsmallest
from math import inf

from backend.services.scheduling_lanes import Lane

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
