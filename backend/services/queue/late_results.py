"""What lost servers bring after all: no picture that was made is thrown away.

A job whose server was lost goes on elsewhere. If that server comes back, its prompt is looked up:
one that still waits or runs is withdrawn, unless the job waits too, and then it goes on there; one
that ended brings its files into the gallery as extra takes.
"""

import logging
import time
from typing import NamedTuple

from backend.models.comfyui_server import ComfyUIServer, ServerType
from backend.models.job import Attempt, Job, JobStatus, Outcome
from backend.repositories.jobs.repository import JobRepository
from backend.services.comfyui.client import ComfyUIClient
from backend.services.comfyui.messages import PromptOutcome, PromptState
from backend.services.queue.delivery import ResultDelivery
from backend.services.queue.retry_policy import Failure
from backend.services.servers.fleet import Fleet
from backend.utils.errors import UpstreamError

logger = logging.getLogger(__name__)

#: Attempts that ended so may have gone on at a server that nobody could see.
LATE = frozenset({Outcome.LOST, Outcome.HUNG})
#: A server that is away for longer is not waited for.
_DAY = 86_400.0
_LOOK_SECONDS = 2.0
#: Jobs, newest first, that are looked through for lost attempts after a start.
_LOOKED_THROUGH = 200


class LatePrompt(NamedTuple):
    """A prompt that its server still has, of a job that waits."""

    job: Job
    server: ComfyUIServer


class _Lost(NamedTuple):
    job_id: str
    attempt: Attempt
    since: float


class LateResults:
    """Have it told of lost attempts, `recall()` those of before at the start, and `look()`."""

    def __init__(
        self, jobs: JobRepository, fleet: Fleet, client: ComfyUIClient, *, delivery: ResultDelivery
    ) -> None:
        self._jobs = jobs
        self._fleet = fleet
        self._client = client
        self._delivery = delivery
        #: By prompt id.
        self._lost: dict[str, _Lost] = {}
        self._looked = 0.0

    def lost(self, job: Job) -> None:
        """Watch for what the job's lost attempts may still bring."""
        for attempt in job.attempts:
            if attempt.outcome in LATE and attempt.prompt_id:
                self._lost.setdefault(attempt.prompt_id, _Lost(job.id, attempt, time.monotonic()))

    async def recall(self) -> None:
        """Find the lost attempts of the newest jobs, and of those that run."""
        newest = await self._jobs.newest({}, skip=0, limit=_LOOKED_THROUGH)
        for job in [*newest, *await self._jobs.processing()]:
            self.lost(job)

    async def look(self) -> list[LatePrompt]:
        """Ask the servers that are back; gives the jobs that can go on there."""
        now = time.monotonic()
        if not self._lost or now - self._looked < _LOOK_SECONDS:
            return []
        self._looked = now
        found: list[LatePrompt] = []
        for prompt_id, lost in list(self._lost.items()):
            state = self._fleet.state_of(lost.attempt.server_id)
            if now - lost.since > _DAY:
                del self._lost[prompt_id]
            elif state and state.online and state.server.server_type is ServerType.STANDARD:
                found += await self._settle(prompt_id, lost, state.server)
        return found

    async def _settle(self, prompt_id: str, lost: _Lost, server: ComfyUIServer) -> list[LatePrompt]:
        job = await self._jobs.find_by_id(lost.job_id)
        try:
            outcome = await self._client.history(server, prompt_id)
            is_there = outcome is not None or prompt_id in await self._client.queue(server)
        except UpstreamError:
            return []
        if job is not None and job.status is JobStatus.PENDING and is_there:
            return [LatePrompt(job, server)] if lost.attempt.outcome is Outcome.LOST else []
        current = job.current_attempt if job else None
        if current is not None and current.prompt_id == prompt_id:
            return []  # it was adopted, and is followed
        del self._lost[prompt_id]
        if outcome is None:
            await self._client.withdraw(server, prompt_id)
        elif job is not None and job.status is not JobStatus.CANCELLED:
            await self._keep(job, lost.attempt, server, outcome)
        return []

    async def _keep(
        self, job: Job, attempt: Attempt, server: ComfyUIServer, outcome: PromptOutcome
    ) -> None:
        if outcome.state is not PromptState.SUCCESS or not outcome.files:
            return
        made_there = {
            "attempts": (attempt,),
            "server_id": server.id,
            "server_name": server.name,
        }
        delivered = await self._delivery.deliver(job.model_copy(update=made_there), server, outcome)
        words = delivered.message if isinstance(delivered, Failure) else "It is in the gallery."
        logger.info("Job %s: '%s' brought a late result. %s", job.id, server.name, words)
