"""Why a job went where it went, in one sentence for people."""

from backend.services.queue.scheduling.choice import ChoiceReason
from backend.services.queue.scheduling.demand import Demand
from backend.services.queue.scheduling.lanes import Lane


def reason(lane: Lane, demand: Demand, why: ChoiceReason, *, pinned: bool, load: float) -> str:
    """Ask before the job is booked: it tells of the lane as it was when it chose."""
    words = "was asked for" if pinned else _because(demand, why)
    if load:
        words += f", loads '{demand.model}' (about {seconds(load)})"
    free = f"is free in about {seconds(lane.start)}" if lane.start >= 1 else "is free now"
    return f"'{lane.server.name}' {words} and {free}."


def _because(demand: Demand, why: ChoiceReason) -> str:
    servers = len(demand.eligible)
    if servers == 1:
        return "is the only server that can run it now"
    if why is ChoiceReason.TURN:
        return f"is first of {servers} servers to have time for its project's turn"
    if why is ChoiceReason.LAST:
        return f"helps where {demand.count} jobs for one model would end last"
    if why is ChoiceReason.WARM and demand.model:
        return f"has '{demand.model}' loaded"
    return f"ends it soonest of {servers} servers"


def seconds(value: float) -> str:
    """A length of time as people say it: '8 s', '3 min', '2.5 h'."""
    if value < 90:
        return f"{max(1, round(value))} s"
    return f"{round(value / 60)} min" if value < 5400 else f"{value / 3600:.1f} h"
