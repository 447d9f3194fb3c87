"""The working state of one planning pass: lanes, demands, and when each would end."""

from collections.abc import Iterable, Sequence

from backend.services.queue.backlog import Backlog, JobKind, JobLine, WaitingJob
from backend.services.queue.scheduling.demand import Cursor, Demand
from backend.services.queue.scheduling.estimates import Estimates
from backend.services.queue.scheduling.fairness import Share
from backend.services.queue.scheduling.lanes import Costs, Lane, Shortlist
from backend.services.queue.scheduling.makespan import HelpingLane, finish_time
from backend.services.queue.scheduling.types import Capable, Rules

#: Of so many jobs one more or less does not change the end by enough to work it out again.
_MANY = 100


class PlanningState:
    def __init__(
        self,
        lanes: Sequence[Lane],
        backlog: Backlog,
        estimates: Estimates,
        *,
        capable: Capable,
        rules: Rules,
        now: float,
    ) -> None:
        self.lanes = lanes
        self.costs = Costs(lanes, estimates, capable)
        self.rules = rules
        self.now = now
        self.served_at = dict(backlog.served_at)
        #: The models that idle lanes should load, by lane.order, if that was thought about.
        self.allotted: dict[int, str] = {}
        self._demands: dict[tuple[str, JobKind, frozenset[str]], Demand] = {}
        self._by_model: dict[str, list[Demand]] = {}
        self._cursors: dict[int, Cursor] = {}
        self._loaded: dict[str, list[Lane]] = {}
        for lane in lanes:
            self._loaded.setdefault(lane.loaded, []).append(lane)

    # -- what is asked ---------------------------------------------------------------------------

    def open_tier(self, shares: Iterable[Share]) -> None:
        """Add a tier's work; from now on jobs are taken from its lines alone."""
        for demand in self._demands.values():
            demand.close()
        for share in shares:
            cursor = self._cursors.setdefault(id(share.line), Cursor(share.line))
            self._demand(share.line).open(cursor, share.amount.jobs, share.amount.work)

    def demands(self) -> Iterable[Demand]:
        return self._demands.values()

    def open_demands(self, lane: Lane) -> list[Demand]:
        """What this lane could do for the open tier."""
        name = lane.server.id
        return [each for each in self._demands.values() if name in each.eligible and each.is_open]

    def draw(self, demand: Demand) -> WaitingJob | None:
        return demand.draw(self.served_at)

    def waited(self, demand: Demand) -> float:
        """Seconds since the project of it that has waited longest was served; inf if never."""
        return self.now - demand.turn(self.served_at)

    def _demand(self, line: JobLine) -> Demand:
        asked = line.key
        eligible = self.costs.eligible(asked.needs, asked.pinned_server_id, asked.excluded)
        key = (asked.model, asked.kind, eligible)
        demand = self._demands.get(key)
        if demand is None:
            demand = self._demands[key] = Demand(*key)
            self._by_model.setdefault(asked.model, []).append(demand)
        return demand

    # -- when it would end -----------------------------------------------------------------------

    def end_of_one(self, lane: Lane, demand: Demand) -> float:
        """When the lane would have done one average job of it."""
        rate = self.costs.rate(lane, demand.model, demand.kind)
        return lane.start + self.costs.swap(lane, demand.model) + rate * demand.mean_work

    def first_end(self, demand: Demand) -> float:
        """When the first of all its lanes would have done one."""
        if demand.first is None:
            demand.first = Shortlist(
                self._eligible_lanes(demand), lambda lane: self.end_of_one(lane, demand)
            )
        return demand.first.best()

    def unknown(self, demand: Demand) -> float:
        """The share of those at its model of whom nobody can tell yet how quick they are at it."""
        helpers, knows = self.helpers(demand), self.costs.estimates.knows
        known = [knows(lane.server.id, demand.model, demand.kind) for lane in helpers]
        return known.count(False) / len(known) if known else 0.0

    def helpers(self, demand: Demand) -> list[Lane]:
        """The lanes that are at this demand's model, or will be after what they hold."""
        if demand.helpers is None:
            lanes = self._loaded.get(demand.model, []) if demand.model else self.lanes
            demand.helpers = [lane for lane in lanes if lane.server.id in demand.eligible]
        return demand.helpers

    def finish(self, demand: Demand) -> float:
        """When the demand will be done if nobody swaps for its sake before its own work ends."""
        if demand.known is None:
            demand.known = self._finish(demand, self.helpers(demand))
        return demand.known

    def finish_without(self, demand: Demand, lane: Lane) -> float:
        helpers = self.helpers(demand)
        if not helpers:
            return self._finish_unserved(demand, lane)
        if lane not in helpers:
            return self.finish(demand)
        return self._finish(demand, [other for other in helpers if other is not lane], lane)

    def finish_with(self, demand: Demand, lane: Lane) -> float:
        """When the demand will be done if this lane loads its model now."""
        helpers = self.helpers(demand)
        return self._finish(demand, helpers if lane in helpers else [*helpers, lane])

    def free_at(self, lane: Lane) -> float:
        """When the work for its own model ends."""
        family = self._by_model.get(lane.loaded, []) if lane.loaded else []
        ends = [
            self.finish(mate) for mate in family if mate.count and lane.server.id in mate.eligible
        ]
        return max(lane.start, *ends) if ends else lane.start

    def _finish(
        self, demand: Demand, helpers: Sequence[Lane], without: Lane | None = None
    ) -> float:
        if not demand.count:
            return 0.0
        if not helpers:
            return self._finish_unserved(demand, without)
        mates = self._mates(demand, helpers)
        count = sum(mate.count for mate in mates)
        return finish_time(self._helping_lanes(helpers, mates, count), count)

    def _helping_lanes(
        self, helpers: Sequence[Lane], mates: Sequence[Demand], count: int
    ) -> list[HelpingLane]:
        model, rate, swap = mates[0].model, self.costs.rate, self.costs.swap
        parts: dict[JobKind, float] = {}
        for mate in mates:
            parts[mate.kind] = parts.get(mate.kind, 0.0) + mate.work / count
        if len(parts) == 1:
            ((kind, part),) = parts.items()
            return [
                HelpingLane(lane.start + swap(lane, model), rate(lane, model, kind) * part + 1e-9)
                for lane in helpers
            ]
        steps = [
            sum(rate(lane, model, kind) * part for kind, part in parts.items()) for lane in helpers
        ]
        return [
            HelpingLane(lane.start + swap(lane, model), step + 1e-9)
            for lane, step in zip(helpers, steps, strict=True)
        ]

    def _mates(self, demand: Demand, helpers: Sequence[Lane]) -> list[Demand]:
        """Demands that the same helpers must do, since nobody else who has the model may."""
        family = self._by_model[demand.model]
        if len(family) == 1:
            return family
        ours = {lane.server.id for lane in helpers}
        return [mate for mate in family if mate is demand or self._only(mate, ours)]

    def _only(self, mate: Demand, servers: set[str]) -> bool:
        theirs = self.helpers(mate)
        return mate.count > 0 and bool(theirs) and all(lane.server.id in servers for lane in theirs)

    def is_best_to_begin(self, demand: Demand, lane: Lane) -> bool:
        """Whether nobody is at its model, and nobody would have done all of it before this one."""
        if self.helpers(demand):
            return False
        return self._end_of_all(lane, demand) <= self._finish_unserved(demand, lane)

    def _finish_unserved(self, demand: Demand, without: Lane | None) -> float:
        """Nobody is at its model: somebody will load it after the work that is there for them."""
        if demand.unserved is None:
            demand.unserved = Shortlist(
                self._eligible_lanes(demand), lambda lane: self._end_of_all(lane, demand)
            )
        return demand.unserved.best(without)

    def _end_of_all(self, lane: Lane, demand: Demand) -> float:
        rate = self.costs.rate(lane, demand.model, demand.kind)
        return self.free_at(lane) + self.costs.swap(lane, demand.model) + rate * demand.work

    def _eligible_lanes(self, demand: Demand) -> list[Lane]:
        return [lane for lane in self.lanes if lane.server.id in demand.eligible]

    # -- what was decided ------------------------------------------------------------------------

    def assign(self, lane: Lane, demand: Demand, job: WaitingJob) -> float:
        """Book a job on a lane; gives its seconds there, with the load."""
        seconds = self.costs.alone(lane, job)
        lane.start += seconds
        demand.book(job)
        self.served_at[job.project_id] = self.now
        moved = bool(demand.model) and lane.loaded != demand.model
        if moved:
            self._loaded[lane.loaded].remove(lane)
            self._forget(lane.loaded)
            lane.loaded = demand.model
            self._loaded.setdefault(demand.model, []).append(lane)
        if moved or demand.count < _MANY:
            self._forget(demand.model)
        self._forget_hopes_of(lane)
        return seconds

    def _forget(self, model: str) -> None:
        for mate in self._by_model.get(model, []):
            mate.known = mate.helpers = None

    def _forget_hopes_of(self, lane: Lane) -> None:
        """Demands that nobody serves, and that this lane would have been the first to do."""
        for demand in self._demands.values():
            if demand.unserved is not None and demand.unserved.is_first(lane):
                demand.known = None
