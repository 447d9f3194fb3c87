"""Decides which prefetched jobs are taken back from a server's own queue."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from math import inf

from backend.services.queue.backlog import Backlog, WaitingJob
from backend.services.queue.scheduling.lanes import Lane
from backend.services.queue.scheduling.reasons import seconds
from backend.services.queue.scheduling.state import PlanningState
from backend.services.queue.scheduling.types import PrefetchedJob, TakeBack

#: How many of those that could outrank a job ahead are looked at in one pass.
_MOST_HEADS = 8


@dataclass(frozen=True, slots=True)
class _Held:
    """The last job in a server's queue, and when it would begin there."""

    lane: Lane
    prefetched: PrefetchedJob
    start: float

    @property
    def end(self) -> float:
        return self.start + self.prefetched.seconds


def take_backs(state: PlanningState, backlog: Backlog, assigned: frozenset[str]) -> list[TakeBack]:
    """Decide once the plan's assignments are booked; `assigned` are the ids of their jobs."""
    held = [
        _Held(lane, lane.server.prefetched[-1], lane.start - lane.server.prefetched[-1].seconds)
        for lane in state.lanes
        if lane.server.prefetched and lane.server.parallel == 1
    ]
    if not held:
        return []
    found = list(_for_idle(state, held))
    left = {entry.job_id for entry in found}
    rest = [each for each in held if each.prefetched.job.id not in left]
    return found + list(_for_others(state, backlog, rest, assigned))


def _for_idle(state: PlanningState, held: list[_Held]) -> Iterator[TakeBack]:
    """Give jobs that an idle server would end sooner."""
    idle = [lane for lane in state.lanes if lane.start == 0 and not lane.server.held]
    for each in sorted(held, key=lambda entry: (-entry.end, entry.lane.order)):
        job = each.prefetched.job
        eligible = state.costs.eligible_for(job)
        ends = [
            (state.costs.alone(lane, job), lane.order, lane)
            for lane in idle
            if lane.server.id in eligible
        ]
        end, _, lane = min(ends, default=(inf, 0, None))
        if lane is not None and _gains(state, end, each.end):
            idle.remove(lane)
            words = f"'{lane.server.name}' stands idle and would end it in {seconds(end)}"
            yield _taken(each, f"{words} instead of {seconds(each.end)}.")


def _for_others(
    state: PlanningState, backlog: Backlog, held: list[_Held], assigned: frozenset[str]
) -> Iterator[TakeBack]:
    """Give jobs in whose place one of higher standing would begin sooner than elsewhere."""
    for head in islice(_heads(state, backlog, held, assigned), _MOST_HEADS):
        eligible = state.costs.eligible_for(head)
        places = [
            (each.start + state.costs.alone(each.lane, head), each.lane.order, each)
            for each in held
            if each.lane.server.id in eligible and _outranks(state, head, each.prefetched.job)
        ]
        end, _, chosen = min(places, default=(inf, 0, None))
        if chosen is not None and _is_better(state, head, end, eligible):
            held.remove(chosen)
            yield _taken(chosen, _words(head, chosen.prefetched.job))


def _is_better(
    state: PlanningState, head: WaitingJob, end: float, eligible: frozenset[str]
) -> bool:
    latest = end + state.rules.gain_seconds
    alone = state.costs.alone
    return all(
        latest < lane.start + alone(lane, head)
        for lane in state.lanes
        if lane.server.id in eligible and lane.start < latest
    )


def _heads(
    state: PlanningState, backlog: Backlog, held: list[_Held], assigned: frozenset[str]
) -> Iterator[WaitingJob]:
    """Give the first of each line that could outrank a prefetched job."""
    lowest = min((each.prefetched.job.priority for each in held), default=inf)
    for priority in backlog.priorities():
        for project_id, lines in backlog.projects(priority).items():
            if priority < lowest or (priority == lowest and not _is_new(state, project_id)):
                continue
            for line in lines.values():
                head = line.head()
                if head is not None and head.id not in assigned:
                    yield head


def _outranks(state: PlanningState, job: WaitingJob, other: WaitingJob) -> bool:
    if job.priority != other.priority:
        return job.priority > other.priority
    return job.project_id != other.project_id and _is_new(state, job.project_id)


def _is_new(state: PlanningState, project_id: str) -> bool:
    """Not served for so long that it does not even wait for what is already sent."""
    return state.now - state.served_at.get(project_id, -inf) > state.rules.age_window


def _gains(state: PlanningState, end: float, instead_of: float) -> bool:
    rules = state.rules
    return end * rules.gain_factor + rules.gain_seconds < instead_of


def _taken(held: _Held, words: str) -> TakeBack:
    return TakeBack(held.prefetched.job.id, held.lane.server.id, words)


def _words(head: WaitingJob, other: WaitingJob) -> str:
    if head.priority > other.priority:
        return "A job of higher priority goes first."
    return "A project that was not served for long goes first."
