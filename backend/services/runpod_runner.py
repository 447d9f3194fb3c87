"""Runs at RunPod's serverless endpoints, each ordered once.

RunPod knows no idempotency keys, and names a run only in its answer to the order: an attempt
without an id after a restart may or may not have been ordered, so such a job fails and says so.
"""

import logging
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

from backend.models.comfyui_server import ComfyUIServer
from backend.models.content import GeneratedContent
from backend.models.job import Attempt, Job, JobStatus
from backend.services.attempt_life import Gone, Made, Placement, Prepared
from backend.services.attempt_runner import Watch, facts_of
from backend.services.comfyui_messages import PromptOutcome, PromptState
from backend.services.delivery import Delivery
from backend.services.input_images import InputImages
from backend.services.provenance import GraphNotes
from backend.services.provider_policy import verdict
from backend.services.retry_policy import Failure, Judgement, Verdict
from backend.services.runpod_client import REFUSES_US, RunPodClient, outputs_of
from backend.services.runpod_follower import RunPodFollower
from backend.services.runpod_messages import Run, RunState
from backend.services.runpod_policy import (
    TOO_LARGE,
    failed_there,
    fate_unknown,
    is_unsuitable,
    ordered_there,
    refused,
    undelivered,
    without_files,
)
from backend.services.runpod_request import InputPicture, RunOrder, run_order
from backend.utils.errors import (
    LeaseLostError,
    ServerUnreachableError,
    UnprocessableError,
    UpstreamError,
)

logger = logging.getLogger(__name__)


class RunPodRunner:
    """Makes jobs at RunPod endpoints: see `Runner`.

    `can_go_elsewhere` tells whether a server that a job does not exclude could ever make it,
    `may_order` whether this process still drives.
    """

    is_paid: Final = True

    def __init__(  # noqa: PLR0913 - the stations of a job's way
        self,
        client: RunPodClient,
        *,
        images: InputImages,
        graphs: GraphNotes,
        follower: RunPodFollower,
        delivery: Delivery,
        watch: Watch,
        can_go_elsewhere: Callable[[Job], bool],
        may_order: Callable[[], bool],
    ) -> None:
        self._client = client
        self._images = images
        self._graphs = graphs
        self._follower = follower
        self._delivery = delivery
        self._watch = watch
        self._can_go_elsewhere = can_go_elsewhere
        self._may_order = may_order

    async def find(self, job: Job, server: ComfyUIServer) -> Attempt | None:
        """Look for an earlier order that the endpoint works on, or has the result of."""
        for attempt in ordered_there(job, server.id):
            run = await self._follower.find(server, attempt.prompt_id)
            if run is not None and (not run.state.is_over or run.files):
                return attempt
        return None

    async def prepare(self, job: Job, placement: Placement) -> Prepared:
        """Make the order; the pictures that its graph loads go with it."""
        number = job.attempt + 1
        order = run_order(job, number)
        if pictures := await self._images.read(order.built):
            named = [InputPicture(picture.name, picture.content) for picture in pictures]
            order = run_order(job, number, named)
        made = await self._graphs.note(job, placement.server, order.built, number)
        return Prepared(order, facts_of(order.built), made)

    def unsent(self, job: Job, server: ComfyUIServer, error: Exception) -> Mapping[str, Any] | None:
        if isinstance(error, UpstreamError):
            # An earlier run may be there and paid for: nothing is ordered before that is known.
            logger.info("Job %s stays in the queue: %s", job.id, error.message)
            self._watch.mark_offline(server.id)
            return {}
        excluded = (*job.excluded_server_ids, server.id)
        is_too_large = isinstance(error, UnprocessableError) and error.code == TOO_LARGE
        if is_too_large and self._has_elsewhere(job, excluded):
            return {"excluded_server_ids": list(excluded)}
        return None

    async def send(self, job: Job, server: ComfyUIServer, prepared: Prepared) -> str | Failure:
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
    ) -> Made | Failure | Gone:
        """Poll a run to its end."""
        if not attempt.prompt_id:
            return fate_unknown(
                "StoryCanvas stopped before RunPod's answer to the order was saved."
            )
        ended = await self._follower.follow(job, attempt, server)
        if ended is None:
            return Gone.TAKEN_AWAY
        if isinstance(ended, Failure):
            return ended
        if ended.state is not RunState.COMPLETED:
            return failed_there(ended, server.name)
        if not ended.files:
            return without_files(ended, server.name)
        outcome = PromptOutcome(PromptState.SUCCESS, files=outputs_of(ended))
        return Made(outcome, words=_how_it_went(ended))

    async def deliver(
        self, job: Job, server: ComfyUIServer, made: Made
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
        elsewhere = self._has_elsewhere(job, excluded)
        status = JobStatus.PENDING if elsewhere else JobStatus.FAILED
        return Judgement(failure, Verdict(status, job.retry_count, None), excluded)

    def _has_elsewhere(self, job: Job, excluded: tuple[str, ...]) -> bool:
        return self._can_go_elsewhere(job.model_copy(update={"excluded_server_ids": excluded}))


def _excluding(job: Job) -> tuple[str, ...]:
    """The servers that a job is not sent to any more, the current one with them."""
    here = (job.server_id,) if job.server_id else ()
    return tuple(dict.fromkeys((*job.excluded_server_ids, *here)))


def _how_it_went(run: Run) -> str:
    words = "The result is in the gallery."
    if run.ran is None:
        return words
    waited = f", after {run.waited:.1f} s of waiting for a worker" if run.waited else ""
    return f"{words} It ran {run.ran:.1f} s{waited}."
