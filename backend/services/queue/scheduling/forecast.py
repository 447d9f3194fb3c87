"""Why a job waits, and when it is expected to end. On demand: a plan does not need it."""

from collections.abc import Iterator, Sequence

from backend.services.queue.backlog import Backlog, JobLine, WaitingJob, Workload
from backend.services.queue.scheduling.estimates import Estimates
from backend.services.queue.scheduling.fairness import Share
from backend.services.queue.scheduling.lanes import Lane, lanes_of
from backend.services.queue.scheduling.makespan import HelpingLane, finish_time
from backend.services.queue.scheduling.reasons import seconds
from backend.services.queue.scheduling.state import PlanningState
from backend.services.queue.scheduling.types import Capable, Rules, ServerView

#: So many servers are named with their reasons.
_MOST_NAMES = 3


class Forecast:
    """One look at the queue, for as many jobs as are asked about."""

    def __init__(
        self,
        backlog: Backlog,
        servers: Sequence[ServerView],
        estimates: Estimates,
        *,
        now: float,
        capable: Capable,
        rules: Rules = Rules(),  # noqa: B008 - frozen
    ) -> None:
        self._backlog = backlog
        self._servers = servers
        self._capable = capable
        self._now = now
        lanes = lanes_of(servers, estimates, rules)
        self._state = PlanningState(
            lanes, backlog, estimates, capable=capable, rules=rules, now=now
        )
        self._state.open_tier(Share(line, line.total()) for line in backlog.lines())

    def eta(self, job: WaitingJob) -> float | None:
        """Seconds until it is expected to have ended; None if no server can run it now."""
        lanes = [lane for lane in self._state.lanes if lane.server.id in self._eligible(job)]
        if not lanes:
            return None
        pause = max(0.0, (job.not_before or self._now) - self._now)
        return max(self._end(job, lanes), pause + min(self._alone(job, lane) for lane in lanes))

    def why_waiting(self, job: WaitingJob) -> str:
        """One sentence for people."""
        if job.not_before is not None and job.not_before > self._now:
            return f"It pauses for {seconds(job.not_before - self._now)} before its next try."
        if not self._eligible(job):
            return self._why_nowhere(job)
        before = self._before(job).jobs
        if before:
            return f"{before} {'job goes' if before == 1 else 'jobs go'} first at its model."
        return self._why_first_waits(job)

    # -- when ------------------------------------------------------------------------------------

    def _end(self, job: WaitingJob, lanes: Sequence[Lane]) -> float:
        """With what stands before it done by those who have its model, or the first to get it."""
        before = self._before(job)
        count, work = before.jobs + 1, before.work + job.work
        warm = [lane for lane in lanes if not self._state.costs.swap(lane, job.model)]
        if warm:
            return finish_time(
                [self._helping_lane(job, lane, work / count) for lane in warm], count
            )
        free_at = self._state.free_at
        return min(
            free_at(lane)
            + self._state.costs.swap(lane, job.model)
            + self._state.costs.rate(lane, job.model, job.kind) * work
            for lane in lanes
        )

    def _helping_lane(self, job: WaitingJob, lane: Lane, mean_work: float) -> HelpingLane:
        return HelpingLane(
            lane.start, self._state.costs.rate(lane, job.model, job.kind) * mean_work
        )

    def _alone(self, job: WaitingJob, lane: Lane) -> float:
        return self._state.costs.rate(lane, job.model, job.kind) * job.work

    def _before(self, job: WaitingJob) -> Workload:
        """What needs the same model and stands before it; other projects take turns with its."""
        above, own = Workload(0, 0.0), Workload(0, 0.0)
        others: dict[str, Workload] = {}
        for line in self._rivals(job):
            key = line.key
            if key.priority > job.priority:
                above = _plus(above, line.total())
            elif key.project_id != job.project_id:
                known = others.get(key.project_id, Workload(0, 0.0))
                others[key.project_id] = _plus(known, line.total())
            else:
                own = _plus(own, self._older(line, job))
        for theirs in others.values():
            above = _plus(above, _turns(theirs, own.jobs + 1))
        return _plus(above, own)

    def _rivals(self, job: WaitingJob) -> Iterator[JobLine]:
        mine, eligible = self._eligible(job), self._state.costs.eligible
        for line in self._backlog.lines():
            key = line.key
            if key.model != job.model or key.priority < job.priority:
                continue
            if mine & eligible(key.needs, key.pinned_server_id, key.excluded):
                yield line

    def _older(self, line: JobLine, job: WaitingJob) -> Workload:
        return line.before(job) if line.key == job.line else line.queued_until(job.queued_at)

    # -- why -------------------------------------------------------------------------------------

    def _why_first_waits(self, job: WaitingJob) -> str:
        lanes = [lane for lane in self._state.lanes if lane.server.id in self._eligible(job)]
        best = min(lanes, key=lambda lane: self._alone_from_now(job, lane))
        if any(lane.start == 0 for lane in lanes) and best.start > 0:
            return (
                f"It waits for '{best.server.name}', free in about {seconds(best.start)}, "
                "which will end it sooner than those that are idle."
            )
        if best.start > 0 and job.pinned_server_id is not None:
            return (
                f"'{best.server.name}', which it was asked for, is busy; "
                f"it is free in about {seconds(best.start)}."
            )
        if best.start > 0:
            return f"Every server that can run it is busy; '{best.server.name}' is free next."
        return "It is about to be sent."

    def _alone_from_now(self, job: WaitingJob, lane: Lane) -> float:
        return lane.start + self._state.costs.swap(lane, job.model) + self._alone(job, lane)

    def _why_nowhere(self, job: WaitingJob) -> str:
        able = self._capable.get(job.needs, frozenset())
        if not self._servers:
            return "No ComfyUI server is registered."
        if job.pinned_server_id is not None:
            return self._why_not_pinned(job.pinned_server_id, able)
        if not able:
            return "No server has all that it needs; a worker that asks may take it."
        away = [view for view in self._servers if view.id in able and view.why_not]
        if not away:
            return "Every server that could run it has failed at it."
        named = ", ".join(f"'{view.name}' {view.why_not}" for view in away[:_MOST_NAMES])
        more = f", and {len(away) - _MOST_NAMES} more" if len(away) > _MOST_NAMES else ""
        return f"No server that can run it takes work now: {named}{more}."

    def _why_not_pinned(self, server_id: str, able: frozenset[str]) -> str:
        view = next((view for view in self._servers if view.id == server_id), None)
        if view is None:
            return "The server or worker that it was asked for is not known here."
        if view.why_not:
            return f"The server it was sent to, '{view.name}', {view.why_not}."
        if server_id in able:
            return f"'{view.name}', which it was sent to, has failed at it."
        return f"'{view.name}', which it was sent to, lacks a model or node that it needs."

    def _eligible(self, job: WaitingJob) -> frozenset[str]:
        return self._state.costs.eligible_for(job)


def _plus(one: Workload, other: Workload) -> Workload:
    return Workload(one.jobs + other.jobs, one.work + other.work)


def _turns(theirs: Workload, turns: int) -> Workload:
    """As much of another project's work as gets its turn meanwhile."""
    if theirs.jobs <= turns:
        return theirs
    return Workload(turns, theirs.work * turns / theirs.jobs)
