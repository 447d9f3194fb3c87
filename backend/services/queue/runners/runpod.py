"""One attempt at a RunPod endpoint, from the saved record to the take: ordered once.

The attempt is saved before the order, RunPod's id at once after the answer, before the first
look. RunPod knows no idempotency keys: an attempt without an id after a restart may or may not
have been ordered, so such a job fails and says so. `RunPodMonitor` polls one run until it is
over, cannot be asked for, or is nobody's any more.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from backend.models.comfyui_server import ComfyUIServer
from backend.models.content import GeneratedContent
from backend.models.job import Attempt, Job, JobStatus
from backend.repositories.jobs.repository import JobRepository
from backend.services.comfyui.messages import PromptOutcome, PromptState
from backend.services.providers.paid_work import PollSchedule
from backend.services.providers.runpod.client import REFUSES_US, RunPodClient, outputs_of
from backend.services.providers.runpod.messages import RunPodRun, RunState
from backend.services.queue.delivery import ResultDelivery
from backend.services.queue.input_images import InputImages
from backend.services.queue.provenance import GraphRecorder
from backend.services.queue.retry_policy import Failure, Judgement, RetryDecision
from backend.services.queue.runners.attempt import (
    OwnershipLost,
    Placement,
    PreparedOrder,
    RunnerResult,
)
from backend.services.queue.runners.comfyui import FleetMonitor, facts_of
from backend.services.queue.runners.openai_policy import verdict
from backend.services.queue.runners.runpod_policy import (
    TOO_LARGE,
    failed_there,
    fate_unknown,
    is_passing,
    is_unsuitable,
    ordered_there,
    refused,
    unasked,
    undelivered,
    without_files,
)
from backend.services.queue.runners.runpod_request import RunOrder, WorkerPicture, run_order
from backend.utils.clock import Clock
from backend.utils.errors import (
    LeaseLostError,
    ResourceNotFoundError,
    ServerUnreachableError,
    UnprocessableError,
    UpstreamError,
)

#: RunPod's own time to live of a run that waits.
_GIVE_UP = timedelta(hours=24)
#: Answers in a row that are about anything but the run: a new one may not be known at once.
_PATIENCE = 5


class RunPodMonitor:
    """`poll_seconds`: the first pause between two looks; it grows to four times that."""

    def __init__(
        self, jobs: JobRepository, client: RunPodClient, *, poll_seconds: float, clock: Clock
    ) -> None:
        self._jobs = jobs
        self._client = client
        self._poll_seconds = poll_seconds
        self._clock = clock

    async def find(self, server: ComfyUIServer, run_id: str) -> RunPodRun | None:
        """Look once; None when RunPod does not know it. Raises UpstreamError."""
        try:
            return await self._client.status(server, run_id)
        except ResourceNotFoundError:
            return None

    async def follow(
        self, job: Job, attempt: Attempt, server: ComfyUIServer
    ) -> RunPodRun | Failure | None:
        """Give the run when it is over, why it cannot be known, or None when it was taken away."""
        pace = PollSchedule(self._poll_seconds)
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

    async def _look(
        self, server: ComfyUIServer, run_id: str, pace: PollSchedule
    ) -> RunPodRun | Failure | None:
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

    async def _tell(self, job: Job, run: RunPodRun, told: float) -> float:
        """Write the progress down if the worker tells some; it never goes back."""
        if run.state is not RunState.IN_PROGRESS or run.progress is None or run.progress <= told:
            return told
        await self._jobs.note(job, progress=run.progress)
        return run.progress


logger = logging.getLogger(__name__)


class RunPodRunner:
    """Makes jobs at RunPod endpoints: see `Runner`.

    `can_go_elsewhere` tells whether a server that a job does not exclude could ever make it,
    `may_order` whether this process still drives.
    """

    is_paid: Final = True

    def __init__(  # noqa: PLR0913 - the steps of an attempt
        self,
        client: RunPodClient,
        *,
        images: InputImages,
        graphs: GraphRecorder,
        monitor: RunPodMonitor,
        delivery: ResultDelivery,
        watch: FleetMonitor,
        can_go_elsewhere: Callable[[Job], bool],
        may_order: Callable[[], bool],
    ) -> None:
        self._client = client
        self._images = images
        self._graphs = graphs
        self._monitor = monitor
        self._delivery = delivery
        self._watch = watch
        self._can_go_elsewhere = can_go_elsewhere
        self._may_order = may_order

    async def find(self, job: Job, server: ComfyUIServer) -> Attempt | None:
        """Look for an earlier order that the endpoint works on, or has the result of."""
        for attempt in ordered_there(job, server.id):
            run = await self._monitor.find(server, attempt.prompt_id)
            if run is not None and (not run.state.is_over or run.files):
                return attempt
        return None

    async def prepare(self, job: Job, placement: Placement) -> PreparedOrder:
        """Make the order; the pictures that its graph loads go with it."""
        number = job.attempt + 1
        order = run_order(job, number)
        if pictures := await self._images.read(order.built):
            named = [WorkerPicture(picture.name, picture.content) for picture in pictures]
            order = run_order(job, number, named)
        made = await self._graphs.note(job, placement.server, order.built, number)
        return PreparedOrder(order, facts_of(order.built), made)

    def unsent(self, job: Job, server: ComfyUIServer, error: Exception) -> Mapping[str, Any] | None:
        if isinstance(error, UpstreamError):
            # An earlier run may be there and paid for: nothing is ordered before that is known.
            logger.info("Job %s stays in the queue: %s", job.id, error.message)
            self._watch.mark_offline(server.id)
            return {}
        excluded = (*job.excluded_server_ids, server.id)
        is_too_large = isinstance(error, UnprocessableError) and error.code == TOO_LARGE
        if is_too_large and self._has_another_server(job, excluded):
            return {"excluded_server_ids": list(excluded)}
        return None

    async def send(self, job: Job, server: ComfyUIServer, prepared: PreparedOrder) -> str | Failure:
        order: RunOrder = prepared.order
        try:
            run = await self._client.run(server, order.body, may_order=self._may_order)
        except LeaseLostError:
            raise
        except UpstreamError as error:
            if isinstance(error, ServerUnreachableError) or error.code == REFUSES_US:
                self._watch.mark_offline(server.id)
            return refused(error)
        return run.id

    async def follow(
        self, job: Job, attempt: Attempt, server: ComfyUIServer
    ) -> RunnerResult | Failure | OwnershipLost:
        """Poll a run to its end."""
        if not attempt.prompt_id:
            return fate_unknown(
                "StoryCanvas stopped before RunPod's answer to the order was saved."
            )
        ended = await self._monitor.follow(job, attempt, server)
        if ended is None:
            return OwnershipLost.TAKEN_AWAY
        if isinstance(ended, Failure):
            return ended
        if ended.state is not RunState.COMPLETED:
            return failed_there(ended, server.name)
        if not ended.files:
            return without_files(ended, server.name)
        outcome = PromptOutcome(PromptState.SUCCESS, files=outputs_of(ended))
        return RunnerResult(outcome, words=_how_it_went(ended))

    async def deliver(
        self, job: Job, server: ComfyUIServer, made: RunnerResult
    ) -> GeneratedContent | Failure:
        delivered = await self._delivery.deliver(job, server, made.outcome)
        if isinstance(delivered, Failure):
            return undelivered(delivered, made.outcome.files[0].node_id)
        return delivered

    async def withdraw(self, server: ComfyUIServer, prompt_id: str) -> None:
        """Cancel a run wherever it is by now; before its receipt came there is none to cancel."""
        if not prompt_id:
            return
        try:
            await self._client.cancel(server, prompt_id)
        except UpstreamError as error:
            logger.warning("Run %s at '%s' goes on: %s", prompt_id, server.name, error.message)

    async def take_back(self, server: ComfyUIServer, prompt_id: str) -> bool:
        """Take nothing back: what a paid endpoint took stays there."""
        return False

    def judge(self, job: Job, failure: Failure, now: datetime) -> Judgement:
        if not is_unsuitable(failure):
            return Judgement(failure, verdict(job, failure, now), job.excluded_server_ids)
        excluded = _excluding(job)
        another = self._has_another_server(job, excluded)
        status = JobStatus.PENDING if another else JobStatus.FAILED
        return Judgement(failure, RetryDecision(status, job.retry_count, None), excluded)

    def _has_another_server(self, job: Job, excluded: tuple[str, ...]) -> bool:
        return self._can_go_elsewhere(job.model_copy(update={"excluded_server_ids": excluded}))


def _excluding(job: Job) -> tuple[str, ...]:
    """The servers that a job is not sent to any more, the current one with them."""
    here = (job.server_id,) if job.server_id else ()
    return tuple(dict.fromkeys((*job.excluded_server_ids, *here)))


def _how_it_went(run: RunPodRun) -> str:
    words = "The result is in the gallery."
    if run.ran is None:
        return words
    waited = f", after {run.waited:.1f} s of waiting for a worker" if run.waited else ""
    return f"{words} It ran {run.ran:.1f} s{waited}."
