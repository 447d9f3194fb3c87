"""What a pass asks of the estimates and of the catalogs, looked up once each."""

from collections.abc import Sequence

from backend.services.backlog import Kind, WaitingJob
from backend.services.estimates import Estimates
from backend.services.scheduling_lanes import Lane
from backend.services.scheduling_types import Capable


class Costs:
    def __init__(self, lanes: Sequence[Lane], estimates: Estimates, capable: Capable) -> None:
        self.estimates = estimates
        self._capable = capable
        self._usable = frozenset(lane.server.id for lane in lanes)
        self._eligible: dict[tuple[str, str | None, frozenset[str]], frozenset[str]] = {}
        self._lanes = len(lanes)
        #: By lane; zero where nobody asked yet.
        self._rates: dict[tuple[str, Kind], list[float]] = {}
        self._swaps: dict[str, list[float]] = {}

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

    def eligible_for(self, job: WaitingJob) -> frozenset[str]:
        return self.eligible(job.needs, job.pinned_server_id, job.excluded)

    def rate(self, lane: Lane, model: str, kind: Kind) -> float:
        """Seconds per unit of work."""
        known = self._rates.get((model, kind))
        if known is None:
            known = self._rates[model, kind] = [0.0] * self._lanes
        if not known[lane.order]:
            known[lane.order] = self.estimates.seconds_per_work(lane.server.id, model, kind)
        return known[lane.order]

    def swap(self, lane: Lane, model: str) -> float:
        """Seconds until it has that model; 0 if it has, or if nobody knows the model."""
        if not model or lane.loaded == model:
            return 0.0
        known = self._swaps.get(model)
        if known is None:
            known = self._swaps[model] = [0.0] * self._lanes
        if not known[lane.order]:
            known[lane.order] = self.estimates.swap_seconds(lane.server.id, model)
        return known[lane.order]

    def alone(self, lane: Lane, job: WaitingJob) -> float:
        """Seconds from when the lane is free until the job would have ended there."""
        return self.swap(lane, job.model) + self.rate(lane, job.model, job.kind) * job.work
