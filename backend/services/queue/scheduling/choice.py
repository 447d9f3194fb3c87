"""What one lane should do next: stay with its model, load another, or leave the work to others."""

from dataclasses import dataclass
from enum import Enum

from backend.services.queue.scheduling.demand import Demand
from backend.services.queue.scheduling.lanes import Lane
from backend.services.queue.scheduling.state import Board


class Why(Enum):
    """Why a lane does what it does."""

    WARM = "it has the model loaded"
    TURN = "its project's turn has come"
    LAST = "without help this model's jobs would end last"
    IDLE = "it has nothing else to do"


@dataclass(frozen=True, slots=True)
class Choice:
    demand: Demand
    why: Why


def choose(board: Board, lane: Lane) -> Choice | None:
    """None: nothing here would end sooner by this lane's help."""
    demands = board.open_demands(lane)
    warm = [demand for demand in demands if not board.costs.swap(lane, demand.model)]
    cold = [demand for demand in demands if demand not in warm]
    if due := _due(board, lane, warm, cold):
        return Choice(due, Why.TURN)
    own = max(
        (demand for demand in warm if _helps(board, lane, demand)), key=board.finish, default=None
    )
    other = _worth_a_swap(board, lane, own, cold)
    if other is not None:
        return Choice(other, Why.LAST if own else Why.IDLE)
    return Choice(own, Why.WARM) if own else None


def _due(board: Board, lane: Lane, warm: list[Demand], cold: list[Demand]) -> Demand | None:
    """Work that nobody has the model for, of a project that waited long enough for its turn.

    Only against other projects: what belongs to one may be grouped as it likes.
    """
    for demand in cold if warm else ():
        if board.helpers(demand):
            continue
        waited = board.waited(demand)
        patience = board.rules.turn_swaps * board.costs.swap(lane, demand.model)
        is_first = board.end_of_one(lane, demand) <= board.first_end(demand)
        if waited >= patience and is_first and waited > max(map(board.waited, warm)):
            return demand
    return None


def _helps(board: Board, lane: Lane, demand: Demand) -> bool:
    """A lane that would end its job after the others are done with all of them holds it up."""
    end = board.end_of_one(lane, demand)
    if end <= board.finish(demand):
        return True
    return end <= board.finish_without(demand, lane)


def _worth_a_swap(
    board: Board, lane: Lane, own: Demand | None, others: list[Demand]
) -> Demand | None:
    allotted = board.allotted.get(lane.order)
    ranked = sorted(others, key=lambda each: (each.model != allotted, -board.finish(each)))
    for demand in ranked:
        if own is not None and board.finish(demand) <= board.finish(own):
            continue
        if not _outweighs(board, lane, demand, busy=own is not None):
            continue
        if own is None:
            return demand
        # Leaving early pays later or not at all: it can wait until all concerned are known.
        doubt = 1 + board.rules.doubt * max(board.unknown(own), board.unknown(demand))
        if board.finish_with(demand, lane) >= doubt * board.finish_without(own, lane):
            return demand
    return None


def _outweighs(board: Board, lane: Lane, demand: Demand, *, busy: bool) -> bool:
    """Whether its help ends the demand sooner, by work that is worth the load."""
    if board.is_best_to_begin(demand, lane):
        return True
    alone = board.finish_without(demand, lane)
    load = board.costs.swap(lane, demand.model)
    known = board.costs.estimates.knows_swap(lane.server.id, demand.model)
    risk = load * (board.rules.risk_seen if known else board.rules.risk_unseen)
    if board.end_of_one(lane, demand) + risk > alone:
        return False
    useful = board.finish_with(demand, lane) - lane.start - load
    return useful >= board.rules.worth * load if busy else True
