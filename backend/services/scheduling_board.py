"""The working state of one planning pass: what lanes do, what is asked, and when it would end."""

from collections.abc import Iterable, Sequence
from math import inf

from backend.services.backlog import Backlog, Kind, Line, WaitingJob
from backend.services.estimates import Estimates
from backend.services.scheduling_demand import Cursor, Demand
from backend.services.scheduling_finish import Hand, finish_time
from backend.services.scheduling_lanes import Lane
from backend.services.scheduling_standing import Share
from backend.services.scheduling_types import Capable, Rules


class Board:
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
        self.estimates = estimates
        self.rules = rules
        self.now = now
        self.served_at = dict(backlog.served_at)
        self.demands: dict[tuple[str, Kind, frozenset[str]], Demand] = {}
        self._by_model: dict[str, list[Demand]] = {}
        self._capable = capable
        self._usable = frozenset(lane.server.id for lane in lanes)
        self._eligible: dict[tuple[str, str | None, frozenset[str]], frozenset[str]] = {}
        self._cursors: dict[int, Cursor] = {}
        self._rates: dict[tuple[str, str, Kind], float] = {}
        self._swaps: dict[tuple[str, str], float] = {}
        self._loaded: dict[str, list[Lane]] = {}
        for lane in lanes:
            self._loaded.setdefault(lane.loaded, []).append(lane)

    # -- what is asked ---------------------------------------------------------------------------

    def open_tier(self, shares: Iterable[Share]) -> None:
        """Add a tier's work. Only its own lines may be drawn from."""
        for demand in self.demands.values():
            demand.lines = {}
            demand.known = None
        for share in shares:
            demand = self._demand(share.line)
            demand.count += share.amount.jobs
            demand.work += share.amount.work
            cursor = self._cursors.setdefault(id(share.line), Cursor(share.line))
            demand.lines[id(share.line)] = (cursor, share.amount.jobs)

    def open_demands(self, lane: Lane) -> list[Demand]:
        """What this lane could do for the open tier."""
        server_id = lane.server.id
        return [
            demand
            for demand in self.demands.values()
            if demand.lines and server_id in demand.eligible
        ]

    def eligible(self, needs: str, pinned: str | None, excluded: frozenset[str]) -> frozenset[str]:
        """The servers that may do it now."""
        key = (needs, pinned, excluded)
        found = self._eligible.get(key)
        if found is None:
            found = (self._capable.get(needs, frozenset()) & self._usable) - excluded
            if pinned is not None:
                found &= frozenset((pinned,))
            self._eligible[key] = found
        return found

    def _demand(self, line: Line) -> Demand:
        asked = line.key
        eligible = self.eligible(asked.needs, asked.pinned_server_id, asked.excluded)
        key = (asked.model, asked.kind, eligible)
        if key not in self.demands:
            self.demands[key] = Demand(*key)
            self._by_model.setdefault(asked.model, []).append(self.demands[key])
        return self.demands[key]

    def waited(self, demand: Demand) -> float:
        """Seconds since the project of it that has waited longest was served; inf if never."""
        heads = [cursor.head() for cursor, _ in demand.lines.values()]
        served = [self.served_at.get(job.project_id, -inf) for job in heads if job]
        return self.now - min(served, default=self.now)

    # -- what it would take ----------------------------------------------------------------------

    def rate(self, lane: Lane, model: str, kind: Kind) -> float:
        """Seconds per unit of work."""
        key = (lane.server.id, model, kind)
        if key not in self._rates:
            self._rates[key] = self.estimates.seconds_per_work(*key)
        return self._rates[key]

    def swap(self, lane: Lane, model: str) -> float:
        """Seconds until it has that model; 0 if it has, or if nobody knows the model."""
        if not model or lane.loaded == model:
            return 0.0
        key = (lane.server.id, model)
        if key not in self._swaps:
            self._swaps[key] = self.estimates.swap_seconds(*key)
        return self._swaps[key]

    def step(self, lane: Lane, demand: Demand) -> float:
        """Seconds for an average job of it, without the load."""
        return self.rate(lane, demand.model, demand.kind) * demand.mean_work

    def unknown(self, demand: Demand) -> float:
        """The share of those at its model that were not seen at it yet."""
        helpers = self.helpers(demand)
        knows = self.estimates.knows
        strange = [lane for lane in helpers if not knows(lane.server.id, demand.model, demand.kind)]
        return len(strange) / len(helpers) if helpers else 0.0

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
        if lane not in helpers and helpers:
            return self.finish(demand)
        return self._finish(demand, [other for other in helpers if other is not lane], lane)

    def finish_with(self, demand: Demand, lane: Lane) -> float:
        """As above, if this lane swapped to it now."""
        helpers = self.helpers(demand)
        return self._finish(demand, helpers if lane in helpers else [*helpers, lane])

    def _finish(
        self, demand: Demand, helpers: Sequence[Lane], without: Lane | None = None
    ) -> float:
        if not demand.count:
            return 0.0
        if not helpers:
            return self._finish_unserved(demand, without)
        mates = self._mates(demand, helpers)
        count = sum(mate.count for mate in mates)
        hands = [
            Hand(lane.start + self.swap(lane, demand.model), self._joint_step(lane, mates, count))
            for lane in helpers
        ]
        return finish_time(hands, count)

    def _joint_step(self, lane: Lane, mates: Sequence[Demand], count: int) -> float:
        seconds = sum(self.rate(lane, mate.model, mate.kind) * mate.work for mate in mates)
        return max(seconds / count, 1e-9)

    def _mates(self, demand: Demand, helpers: Sequence[Lane]) -> list[Demand]:
        """Demands that the same helpers must do, since nobody else who has the model may."""
        family = self._by_model[demand.model]
        if len(family) == 1:
            return family
        ours = {lane.server.id for lane in helpers}
        return [mate for mate in family if mate is demand or self._only(mate, ours)]

    def _only(self, mate: Demand, servers: set[str]) -> bool:
        theirs = {lane.server.id for lane in self.helpers(mate)}
        return bool(mate.count) and bool(theirs) and theirs <= servers

    def _finish_unserved(self, demand: Demand, without: Lane | None) -> float:
        """Nobody is at its model: somebody will load it after the work that is there for them."""
        return min(
            (
                self.free_at(lane)
                + self.swap(lane, demand.model)
                + self.rate(lane, demand.model, demand.kind) * demand.work
                for lane in self.lanes
                if lane is not without and lane.server.id in demand.eligible
            ),
            default=inf,
        )

    def free_at(self, lane: Lane) -> float:
        """When the work for its own model ends."""
        family = self._by_model.get(lane.loaded, []) if lane.loaded else []
        ends = [
            self.finish(mate) for mate in family if mate.count and lane.server.id in mate.eligible
        ]
        return max(lane.start, *ends) if ends else lane.start

    # -- what was decided ------------------------------------------------------------------------

    def draw(self, demand: Demand) -> WaitingJob | None:
        """Take the next job: of the project served longest ago, there the oldest."""
        best: tuple[float, float, int] | None = None
        chosen: tuple[WaitingJob, int] | None = None
        for key, (cursor, left) in list(demand.lines.items()):
            job = cursor.head() if left > 0 else None
            if job is None:
                del demand.lines[key]
                continue
            rank = (self.served_at.get(job.project_id, -inf), job.queued_at, job.number)
            if best is None or rank < best:
                best, chosen = rank, (job, key)
        if chosen is None:
            return None
        cursor, left = demand.lines[chosen[1]]
        cursor.take()
        demand.lines[chosen[1]] = (cursor, left - 1)
        if left == 1:
            del demand.lines[chosen[1]]
        return chosen[0]

    def assign(self, lane: Lane, demand: Demand, job: WaitingJob) -> float:
        """Book a job on a lane; gives its seconds there, with the load."""
        load = self.swap(lane, demand.model)
        seconds = load + self.rate(lane, demand.model, demand.kind) * job.work
        lane.start += seconds
        demand.count = max(0, demand.count - 1)
        demand.work = max(0.0, demand.work - job.work) if demand.count else 0.0
        self.served_at[job.project_id] = self.now
        moved = bool(demand.model) and lane.loaded != demand.model
        if moved:
            self._loaded[lane.loaded].remove(lane)
            self._forget(lane.loaded)
            lane.loaded = demand.model
            self._loaded.setdefault(demand.model, []).append(lane)
        if moved or demand.count < 100:
            self._forget(demand.model)
        return seconds

    def _forget(self, model: str) -> None:
        for mate in self._by_model.get(model, []):
            mate.known = mate.helpers = None
        for demand in self.demands.values():
            if demand.known is not None and not self.helpers(demand):
                demand.known = None
