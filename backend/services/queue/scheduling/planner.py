"""Decides which job goes to which server, and why. Pure.

`plan` looks at tiers of equal standing (fairness.py) and lets each server that can take a job
choose (choice.py), those that are free soonest first. Nothing here reads a clock.
"""

from collections.abc import Sequence
from heapq import heapify, heappop, heappush

from backend.services.queue.backlog import Backlog, WaitingJob
from backend.services.queue.scheduling.choice import LaneChoice, choose
from backend.services.queue.scheduling.estimates import Estimates
from backend.services.queue.scheduling.fairness import tiers
from backend.services.queue.scheduling.idle_allotment import allot
from backend.services.queue.scheduling.lanes import Lane, lanes_of
from backend.services.queue.scheduling.reasons import reason
from backend.services.queue.scheduling.recall import take_backs
from backend.services.queue.scheduling.state import PlanningState
from backend.services.queue.scheduling.types import Assignment, Capable, Plan, Rules, ServerView


def plan(
    backlog: Backlog,
    servers: Sequence[ServerView],
    estimates: Estimates,
    *,
    now: float,
    capable: Capable,
    rules: Rules = Rules(),  # noqa: B008 - frozen
) -> Plan:
    """Decide for every server that can take a job. The backlog is only read.

    Call `backlog.release_due(now)` before; afterwards `backlog.take` what was assigned, and
    `backlog.add` what came back.
    """
    lanes = lanes_of(servers, estimates, rules)
    state = PlanningState(lanes, backlog, estimates, capable=capable, rules=rules, now=now)
    assignments = _assign(state, backlog)
    back = take_backs(state, backlog, frozenset(each.job_id for each in assignments))
    full = len(assignments) >= rules.most_at_once
    return Plan(tuple(assignments), tuple(back), 0.0 if full else _look_again(state))


def _assign(state: PlanningState, backlog: Backlog) -> list[Assignment]:
    made: list[Assignment] = []
    lanes = _open_lanes(state.lanes, state)
    if not lanes:
        return made
    for shares in tiers(backlog, state.rules.age_window):
        state.open_tier(shares)
        state.allotted = allot(state, lanes)
        made.extend(_serve(state, lanes, state.rules.most_at_once - len(made)))
        lanes = _open_lanes(lanes, state)
        if not lanes or len(made) >= state.rules.most_at_once:
            break
    return made


def _serve(state: PlanningState, lanes: Sequence[Lane], most: int) -> list[Assignment]:
    """Let lanes choose from the open tier until each has enough or finds nothing."""
    made: list[Assignment] = []
    offers = [(lane.start, lane.order, lane) for lane in lanes]
    heapify(offers)
    while offers and len(made) < most:
        lane = heappop(offers)[2]
        choice = choose(state, lane)
        job = state.draw(choice.demand) if choice else None
        if choice is None or job is None:
            continue
        made.append(_book(state, lane, choice, job))
        if lane.may_take(state.rules.prefetch_seconds):
            heappush(offers, (lane.start, lane.order, lane))
    return made


def _book(state: PlanningState, lane: Lane, choice: LaneChoice, job: WaitingJob) -> Assignment:
    load = state.costs.swap(lane, job.model)
    pinned = job.pinned_server_id is not None
    words = reason(lane, choice.demand, choice.why, pinned=pinned, load=load)
    starts_in = lane.start
    seconds = state.assign(lane, choice.demand, job)
    lane.use_slot()
    return Assignment(job.id, lane.server.id, words, seconds, starts_in=starts_in, swaps=load > 0)


def _open_lanes(lanes: Sequence[Lane], state: PlanningState) -> list[Lane]:
    return [lane for lane in lanes if lane.may_take(state.rules.prefetch_seconds)]


def _look_again(state: PlanningState) -> float | None:
    prefetched = state.rules.prefetch_seconds
    waits = [
        lane.start - prefetched for lane in state.lanes if lane.spare and lane.start > prefetched
    ]
    return min(waits, default=None)
