"""What one lane should do next: stay with its model, load another, or leave the work to others."""

from dataclasses import dataclass
from enum import Enum

from backend.services.queue.scheduling.demand import Demand
from backend.services.queue.scheduling.lanes import Lane
from backend.services.queue.scheduling.state import PlanningState


class ChoiceReason(Enum):
    """Why a lane does what it does."""

    WARM = "it has the model loaded"
    TURN = "its project's turn has come"
    LAST = "without help this model's jobs would end last"
    IDLE = "it has nothing else to do"


@dataclass(frozen=True, slots=True)
class LaneChoice:
    demand: Demand
    why: ChoiceReason


def choose(state: PlanningState, lane: Lane) -> LaneChoice | None:
    """None: nothing here would end sooner by this lane's help."""
    demands = state.open_demands(lane)
    warm = [demand for demand in demands if not state.costs.swap(lane, demand.model)]
    cold = [demand for demand in demands if demand not in warm]
    if due := _due(state, lane, warm, cold):
        return LaneChoice(due, ChoiceReason.TURN)
    own = max(
        (demand for demand in warm if _helps(state, lane, demand)), key=state.finish, default=None
    )
    other = _worth_a_swap(state, lane, own, cold)
    if other is not None:
        return LaneChoice(other, ChoiceReason.LAST if own else ChoiceReason.IDLE)
    return LaneChoice(own, ChoiceReason.WARM) if own else None


def _due(state: PlanningState, lane: Lane, warm: list[Demand], cold: list[Demand]) -> Demand | None:
    """Work that nobody has the model for, of a project that waited long enough for its turn.

    Only against other projects: what belongs to one may be grouped as it likes.
    """
    for demand in cold if warm else ():
        if state.helpers(demand):
            continue
        waited = state.waited(demand)
        patience = state.rules.turn_swaps * state.costs.swap(lane, demand.model)
        is_first = state.end_of_one(lane, demand) <= state.first_end(demand)
        if waited >= patience and is_first and waited > max(map(state.waited, warm)):
            return demand
    return None


def _helps(state: PlanningState, lane: Lane, demand: Demand) -> bool:
    """A lane that would end its job after the others are done with all of them holds it up."""
    end = state.end_of_one(lane, demand)
    if end <= state.finish(demand):
        return True
    return end <= state.finish_without(demand, lane)


def _worth_a_swap(
    state: PlanningState, lane: Lane, own: Demand | None, others: list[Demand]
) -> Demand | None:
    allotted = state.allotted.get(lane.order)
    ranked = sorted(others, key=lambda each: (each.model != allotted, -state.finish(each)))
    for demand in ranked:
        if own is not None and state.finish(demand) <= state.finish(own):
            continue
        if not _outweighs(state, lane, demand, busy=own is not None):
            continue
        if own is None:
            return demand
        # Leaving early pays later or not at all: it can wait until all concerned are known.
        doubt = 1 + state.rules.doubt * max(state.unknown(own), state.unknown(demand))
        if state.finish_with(demand, lane) >= doubt * state.finish_without(own, lane):
            return demand
    return None


def _outweighs(state: PlanningState, lane: Lane, demand: Demand, *, busy: bool) -> bool:
    """Whether its help ends the demand sooner, by work that is worth the load."""
    if state.is_best_to_begin(demand, lane):
        return True
    alone = state.finish_without(demand, lane)
    load = state.costs.swap(lane, demand.model)
    known = state.costs.estimates.knows_swap(lane.server.id, demand.model)
    risk = load * (state.rules.risk_seen if known else state.rules.risk_unseen)
    if state.end_of_one(lane, demand) + risk > alone:
        return False
    useful = state.finish_with(demand, lane) - lane.start - load
    return useful >= state.rules.worth * load if busy else True
