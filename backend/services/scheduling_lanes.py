"""Servers as lanes: each runs its jobs one after another."""

from collections.abc import Iterable, Iterator

from backend.services.estimates import Estimates
from backend.services.scheduling_types import Rules, ServerView


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

    def may_take(self, ahead_seconds: float) -> bool:
        return self.slots > 0 or (self.spare > 0 and self.start <= ahead_seconds)

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
    for ahead in view.ahead:
        starts[starts.index(min(starts))] += ahead.seconds
    starts[0] += view.strangers * rules.stranger_seconds
    free = view.capacity - view.held
    for number, start in enumerate(sorted(starts)):
        lane = Lane(view, start, pace, order + number)
        # Slots go round the lanes, the first to be free first.
        lane.slots = max(0, -(-(free - number) // len(starts)))
        lane.spare = (
            1 if view.sends_ahead and number == 0 and len(view.ahead) == 0 and free >= 0 else 0
        )
        yield lane
