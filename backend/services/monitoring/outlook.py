"""What is to come of jobs: why they wait, and until when."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from backend.models.job import Job, JobStatus
from backend.repositories.jobs.rows import as_pending_row
from backend.services.queue.context import SchedulerContext
from backend.services.queue.runners.openai import PROVIDER_ID
from backend.services.queue.scheduling.forecast import Forecast
from backend.services.queue.scheduling.reasons import seconds

_UNKNOWN_HERE = (
    "It waits for its turn. Why and until when is known to the process that drives the servers,"
    " and another one gives this answer."
)


class JobForecast(NamedTuple):
    """`eta` is in seconds from now; `reason` says why a job is where it is, or why it waits."""

    reason: str | None
    eta: float | None = None


class JobForecasts:
    """Why and until when is known in the process that drives the servers; another one says so."""

    def __init__(self, context: SchedulerContext, *, provider_capacity: int) -> None:
        self._context = context
        self._provider_capacity = provider_capacity

    def of(self, jobs: Sequence[Job]) -> dict[str, JobForecast]:
        waiting = any(job.status is JobStatus.PENDING for job in jobs)
        drives = self._context.leadership.holds()
        forecast = self._context.forecast() if waiting and drives else None
        return {job.id: self._of(job, forecast) for job in jobs}

    def _of(self, job: Job, forecast: Forecast | None) -> JobForecast:
        if job.status is JobStatus.PROCESSING:
            return JobForecast(job.assignment_reason, self._left(job))
        if job.status is not JobStatus.PENDING:
            return JobForecast(job.assignment_reason)
        if forecast is None:
            return JobForecast(f"{_UNKNOWN_HERE} {self._since(job.created_at)}")
        if job.provider is not None:
            return JobForecast(self._at_provider(job))
        if worker := self._context.backlog_sync.asked_workers.get(job.pinned_server_id or ""):
            words = f"It is for '{worker}', which asks for its jobs itself."
            return JobForecast(f"{words} {self._since(job.created_at)}")
        waiting = self._context.needs.waiting(as_pending_row(job))
        eta = forecast.eta(waiting)
        reason = f"{forecast.why_waiting(waiting)} {self._since(job.created_at)}"
        return JobForecast(reason, None if eta is None else round(eta, 1))

    def _left(self, job: Job) -> float | None:
        in_flight_job = self._context.in_flight.get(job.id)
        if in_flight_job is None or in_flight_job.job is None:
            return None
        now = self._context.now()
        if in_flight_job.started is not None:
            return round(
                by_progress(in_flight_job.left(now), now - in_flight_job.started, job.progress), 1
            )
        # It waits in the server's own queue: what was sent there before it goes first.
        prefetched = [
            other
            for other in self._context.in_flight.at(in_flight_job.server_id)
            if other.sent < in_flight_job.sent
        ]
        return round(sum(other.left(now) for other in prefetched) + in_flight_job.expected, 1)

    def _at_provider(self, job: Job) -> str:
        if self._context.in_flight.load[PROVIDER_ID] >= self._provider_capacity:
            return "The video provider has as many orders as it may."
        return f"It is for the video provider. {self._since(job.created_at)}"

    def _since(self, moment: datetime) -> str:
        return f"It has waited for {seconds(self._context.now() - moment.timestamp())}."


def by_progress(left: float, elapsed: float, progress: float) -> float:
    """Seconds left: as was expected at first, and ever more as the progress so far has it.

    An expectation may be no more than a guess; half of the work done tells better.
    """
    trust = min(1.0, max(0.0, (progress - 0.1) / 0.4))
    if not trust:
        return left
    return (1 - trust) * left + trust * elapsed * (1 - progress) / progress
