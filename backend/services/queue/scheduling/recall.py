"""Which jobs that wait ahead in a server's own queue should come back."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from math import inf

from backend.services.queue.backlog import Backlog, WaitingJob
from backend.services.queue.scheduling.lanes import Lane
from backend.services.queue.scheduling.reasons import seconds
from backend.services.queue.scheduling.state import Board
from backend.services.queue.scheduling.types import AheadJob, TakeBack

#: How many of those that could outrank a job ahead are looked at in one pass.
_MOST_HEADS = 8


@dataclass(frozen=True, slots=True)
class _Held:
    """The last job in a server's queue, and when it would begin there."""

    lane: Lane
    ahead: AheadJob
    start: float

    @property
    def end(self) -> float:
        return self.start + self.ahead.seconds


def take_backs(board: Board, backlog: Backlog, assigned: frozenset[str]) -> list[TakeBack]:
    """Once the plan's assignments are booked. `assigned` are the ids of their jobs."""
    held = [
        _Held(lane, lane.server.ahead[-1], lane.start - lane.server.ahead[-1].seconds)
        for lane in board.lanes
        if lane.server.ahead and lane.server.parallel == 1
    ]
    if not held:
        return []
    found = list(_for_idle(board, held))
    left = {entry.job_id for entry in found}
    rest = [each for each in held if each.ahead.job.id not in left]
    return found + list(_for_others(board, backlog, rest, assigned))


def _for_idle(board: Board, held: list[_Held]) -> Iterator[TakeBack]:
    """Another server stands idle and would end it sooner."""
    idle = [lane for lane in board.lanes if lane.start == 0 and not lane.server.held]
    for each in sorted(held, key=lambda entry: (-entry.end, entry.lane.order)):
        job = each.ahead.job
        eligible = board.costs.eligible_for(job)
        ends = [
            (board.costs.alone(lane, job), lane.order, lane)
            for lane in idle
            if lane.server.id in eligible
        ]
        end, _, lane = min(ends, default=(inf, 0, None))
        if lane is not None and _gains(board, end, each.end):
            idle.remove(lane)
            words = f"'{lane.server.name}' stands idle and would end it in {seconds(end)}"
            yield _taken(each, f"{words} instead of {seconds(each.end)}.")


def _for_others(
    board: Board, backlog: Backlog, held: list[_Held], assigned: frozenset[str]
) -> Iterator[TakeBack]:
    """A waiting job of higher standing would begin sooner in its place than anywhere else."""
    for head in islice(_heads(board, backlog, held, assigned), _MOST_HEADS):
        eligible = board.costs.eligible_for(head)
        places = [
            (each.start + board.costs.alone(each.lane, head), each.lane.order, each)
            for each in held
            if each.lane.server.id in eligible and _outranks(board, head, each.ahead.job)
        ]
        end, _, chosen = min(places, default=(inf, 0, None))
        if chosen is not None and _is_better(board, head, end, eligible):
            held.remove(chosen)
            yield _taken(chosen, _words(head, chosen.ahead.job))


def _is_better(board: Board, head: WaitingJob, end: float, eligible: frozenset[str]) -> bool:
    latest = end + board.rules.gain_seconds
    alone = board.costs.alone
    return all(
        latest < lane.start + alone(lane, head)
        for lane in board.lanes
        if lane.server.id in eligible and lane.start < latest
    )


def _heads(
    board: Board, backlog: Backlog, held: list[_Held], assigned: frozenset[str]
) -> Iterator[WaitingJob]:
    """The first of each line that could outrank a job ahead."""
    lowest = min((each.ahead.job.priority for each in held), default=inf)
    for priority in backlog.priorities():
        for project_id, lines in backlog.projects(priority).items():
            if priority < lowest or (priority == lowest and not _is_new(board, project_id)):
                continue
            for line in lines.values():
                head = line.head()
                if head is not None and head.id not in assigned:
                    yield head


def _outranks(board: Board, job: WaitingJob, other: WaitingJob) -> bool:
    if job.priority != other.priority:
        return job.priority > other.priority
    return job.project_id != other.project_id and _is_new(board, job.project_id)


def _is_new(board: Board, project_id: str) -> bool:
    """Not served for so long that it does not even wait for what is already sent."""
    return board.now - board.served_at.get(project_id, -inf) > board.rules.age_window


def _gains(board: Board, end: float, instead_of: float) -> bool:
    rules = board.rules
    return end * rules.gain_factor + rules.gain_seconds < instead_of


def _taken(held: _Held, words: str) -> TakeBack:
    return TakeBack(held.ahead.job.id, held.lane.server.id, words)


def _words(head: WaitingJob, other: WaitingJob) -> str:
    if head.priority > other.priority:
        return "A job of higher priority goes first."
    return "A project that was not served for long goes first."
