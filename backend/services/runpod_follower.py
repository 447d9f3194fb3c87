"""Poll one run at RunPod until it is over, cannot be asked for, or is nobody's any more."""

import asyncio
from datetime import timedelta

from backend.models.comfyui_server import ComfyUIServer
from backend.models.job import Attempt, Job
from backend.repositories.job_repository import JobRepository
from backend.services.paid_work import Pace
from backend.services.retry_policy import Failure
from backend.services.runpod_client import RunPodClient
from backend.services.runpod_messages import Run, RunState
from backend.services.runpod_policy import is_passing, unasked
from backend.utils.clock import Clock
from backend.utils.errors import ResourceNotFoundError, UpstreamError

#: RunPod's own time to live of a run that waits.
_GIVE_UP = timedelta(hours=24)
#: Answers in a row that are about anything but the run: a new one may not be known at once.
_PATIENCE = 5


class RunPodFollower:
    """`poll_seconds`: the first pause between two looks; it grows to four times that."""

    def __init__(
        self, jobs: JobRepository, client: RunPodClient, *, poll_seconds: float, clock: Clock
    ) -> None:
        self._jobs = jobs
        self._client = client
        self._poll_seconds = poll_seconds
        self._clock = clock

    async def find(self, server: ComfyUIServer, run_id: str) -> Run | None:
        """Look once; None when RunPod does not know it. Raises UpstreamError."""
        try:
            return await self._client.status(server, run_id)
        except ResourceNotFoundError:
            return None

    async def follow(
        self, job: Job, attempt: Attempt, server: ComfyUIServer
    ) -> Run | Failure | None:
        """Give the run when it is over, why it cannot be known, or None when it was taken away."""
        pace = Pace(self._poll_seconds)
        progress = job.progress
        while await self._is_ours(job):
            seen = await self._look(server, attempt.prompt_id, pace)
            if isinstance(seen, Failure) or (seen is not None and seen.state.is_over):
                return seen
            if seen is not None:
                progress = await self._tell(job, seen, progress)
            if self._clock() - attempt.started_at > _GIVE_UP:
                words = "RunPod did not finish the run within a day."
                return unasked(words, "RUNPOD_TIMED_OUT", attempt.prompt_id)
            await asyncio.sleep(pace.next())
        return None

    async def _look(self, server: ComfyUIServer, run_id: str, pace: Pace) -> Run | Failure | None:
        """None: ask again. An endpoint that cannot be asked still has the run that is paid for."""
        try:
            run = await self._client.status(server, run_id)
        except (ResourceNotFoundError, UpstreamError) as error:
            passing = isinstance(error, UpstreamError) and is_passing(error)
            pace.trouble(passing=passing, asked=float(error.details.get("retry_after") or 0))
            if pace.strange < _PATIENCE:
                return None
            gone = isinstance(error, ResourceNotFoundError)
            return unasked(error.message, "RUNPOD_RUN_GONE" if gone else error.code, run_id)
        pace.well()
        return run

    async def _is_ours(self, job: Job) -> bool:
        current = await self._jobs.find_by_id(job.id)
        return (
            current is not None and current.status == job.status and current.attempt == job.attempt
        )

    async def _tell(self, job: Job, run: Run, told: float) -> float:
        """Write the progress down if the worker tells some; it never goes back."""
        if run.state is not RunState.IN_PROGRESS or run.progress is None or run.progress <= told:
            return told
        await self._jobs.note(job, progress=run.progress)
        return run.progress
