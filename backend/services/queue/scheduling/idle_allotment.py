"""Decides together which model each of several idle servers should load.

If they chose one by one, two quick servers might get one model and two slow ones another. So the
first draft (quick servers first, each to the model that would end last) is improved by moving and
exchanging servers while that makes the last end sooner.
"""

from collections.abc import Iterator, Sequence
from math import inf

from backend.services.queue.scheduling.demand import Demand
from backend.services.queue.scheduling.lanes import Lane
from backend.services.queue.scheduling.makespan import HelpingLane, finish_time
from backend.services.queue.scheduling.state import PlanningState

#: With more servers than these the left-overs are small beside the whole.
_MOST_LANES = 32
_MOST_ROUNDS = 40


class _Group:
    """A model, its open work, and the lanes that would do it: those at it, and those drafted."""

    __slots__ = ("count", "demands", "drafted", "end", "present")

    def __init__(self, state: PlanningState, demands: list[Demand]) -> None:
        self.demands = demands
        self.count = sum(demand.count for demand in demands)
        self.present = list(
            {lane.order: lane for each in demands for lane in state.helpers(each)}.values()
        )
        self.drafted: list[Lane] = []
        self.end = inf

    def accepts(self, lane: Lane) -> bool:
        return any(lane.server.id in demand.eligible for demand in self.demands)

    def helping_lane(self, state: PlanningState, lane: Lane) -> HelpingLane:
        model, costs = self.demands[0].model, state.costs
        seconds = sum(costs.rate(lane, model, each.kind) * each.work for each in self.demands)
        return HelpingLane(lane.start + costs.swap(lane, model), seconds / self.count + 1e-9)

    def end_with(self, state: PlanningState, drafted: Sequence[Lane]) -> float:
        helping = [self.helping_lane(state, lane) for lane in (*self.present, *drafted)]
        return finish_time(helping, self.count)

    def settle(self, state: PlanningState, drafted: list[Lane]) -> None:
        self.drafted = drafted
        self.end = self.end_with(state, drafted)


def allot(state: PlanningState, lanes: Sequence[Lane]) -> dict[int, str]:
    """Models by `lane.order`, for those that stand idle with no work for what they have loaded."""
    free = [lane for lane in lanes if lane.start <= 0]
    if not 2 <= len(free) <= _MOST_LANES:
        return {}
    idle = [lane for lane in free if not _has_work(state, lane)]
    groups = _groups(state)
    if len(groups) < 2 or len(idle) < 2:
        return {}
    for group in groups:
        group.settle(state, [])
    for lane in idle:
        _draft(state, groups, lane)
    for _ in range(_MOST_ROUNDS):
        if not _improve(state, groups):
            break
    return {lane.order: group.demands[0].model for group in groups for lane in group.drafted}


def _has_work(state: PlanningState, lane: Lane) -> bool:
    return any(not state.costs.swap(lane, each.model) for each in state.open_demands(lane))


def _groups(state: PlanningState) -> list[_Group]:
    by_model: dict[str, list[Demand]] = {}
    for demand in state.demands():
        if demand.is_open and demand.model:
            by_model.setdefault(demand.model, []).append(demand)
    return [_Group(state, demands) for _, demands in sorted(by_model.items())]


def _draft(state: PlanningState, groups: list[_Group], lane: Lane) -> None:
    fitting = [group for group in groups if group.accepts(lane)]
    if not fitting:
        return
    last = max(fitting, key=lambda group: (group.end, group.count))
    if last.end_with(state, [*last.drafted, lane]) < last.end:
        last.settle(state, [*last.drafted, lane])


def _improve(state: PlanningState, groups: list[_Group]) -> bool:
    """Let the group that ends last have a better lane, if its giver then ends sooner than that."""
    last = max(groups, key=lambda group: group.end)
    best, chosen = last.end * 0.999, None
    for other in groups:
        if other is last:
            continue
        for mine, theirs in _trades(last, other):
            end = max(last.end_with(state, mine), other.end_with(state, theirs))
            if end < best:
                best, chosen = end, (other, mine, theirs)
    if chosen is None:
        return False
    other, mine, theirs = chosen
    last.settle(state, mine)
    other.settle(state, theirs)
    return True


def _trades(last: _Group, other: _Group) -> Iterator[tuple[list[Lane], list[Lane]]]:
    """Both groups' drafts after one lane came over, alone or for another."""
    for gained in other.drafted:
        if not last.accepts(gained):
            continue
        theirs = [lane for lane in other.drafted if lane is not gained]
        yield [*last.drafted, gained], theirs
        for given in last.drafted:
            if other.accepts(given):
                mine = [lane for lane in last.drafted if lane is not given]
                yield [*mine, gained], [*theirs, given]
