"""One attempt at a RunPod endpoint, from the saved record to the take: ordered once.

The attempt is saved before the order, RunPod's id at once after the answer, before the first
look. RunPod knows no idempotency keys: an attempt without an id after a restart may or may not
have been ordered, so such a job fails and says so.
"""

import logging
from collections.abc import Callable
from datetime import datetime
from types import MappingProxyType

from backend.models.comfyui_server import ComfyUIServer
from backend.models.job import Attempt, Job, JobStatus, Outcome, result_fields
from backend.models.provenance import Provenance
from backend.repositories.job_repository import JobRepository
from backend.repositories.server_stats_repository import ServerStatsRepository
from backend.services.attempt_runner import (
    JobObserver,
    Placement,
    Watch,
    closed,
    facts_of,
    refuse,
)
from backend.services.comfyui_messages import PromptOutcome, PromptState
from backend.services.delivery import Delivery
from backend.services.input_images import InputImages
from backend.services.paid_work import save_receipt, until_saved, whatever_stops
from backend.services.provenance import GraphNotes
from backend.services.provider_policy import verdict
from backend.services.retry_policy import Failure, Verdict
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
from backend.utils.clock import Clock
from backend.utils.errors import (
    ServerUnreachableError,
    StoryCanvasError,
    UnprocessableError,
    UpstreamError,
)
from backend.utils.ids import new_id

logger = logging.getLogger(__name__)

_ATTEMPTS_KEPT = 20
_UNSTARTED = MappingProxyType(
    {"progress": 0.0, "progress_step": None, "progress_total": None, "current_node": None}
)


class RunPodRunner:
    """`can_go_elsewhere` tells whether a server that a job does not exclude could ever make it."""

    def __init__(  # noqa: PLR0913 - the stations of a job's way
        self,
        jobs: JobRepository,
        client: RunPodClient,
        *,
        images: InputImages,
        graphs: GraphNotes,
        follower: RunPodFollower,
        delivery: Delivery,
        stats: ServerStatsRepository,
        watch: Watch,
        observer: JobObserver,
        can_go_elsewhere: Callable[[Job], bool],
        clock: Clock,
    ) -> None:
        self._jobs = jobs
        self._client = client
        self._images = images
        self._graphs = graphs
        self._follower = follower
        self._delivery = delivery
        self._stats = stats
        self._watch = watch
        self._observer = observer
        self._can_go_elsewhere = can_go_elsewhere
        self._clock = clock

    async def carry_out(self, job: Job, placement: Placement) -> None:
        """Claim a pending job for an endpoint, order it there once, and see it through."""
        server = placement.server
        try:
            known = await self._known_there(job, server)
        except UpstreamError as error:
            # An earlier run may be there and paid for: nothing is ordered before that is known.
            logger.info("Job %s stays in the queue: %s", job.id, error.message)
            self._watch.mark_offline(server.id)
            return
        try:
            order = await self._order(job)
        except UnprocessableError as error:
            await self._turn_away(job, server, error)
            return
        made = await self._graphs.note(job, server, order.built, job.attempt + 1)
        attempt = self._new_attempt(job, server, known, made)
        claimed = await self._claim(job, attempt, placement, order)
        if claimed is not None and known is None:
            claimed = await whatever_stops(self._send(claimed, server, order))
        if claimed is not None:
            await self.resume(claimed, server)

    async def _order(self, job: Job) -> RunOrder:
        """Make the order; the pictures that its graph loads go with it."""
        order = run_order(job, job.attempt + 1)
        pictures = await self._images.read(order.built)
        if not pictures:
            return order
        named = [InputPicture(picture.name, picture.content) for picture in pictures]
        return run_order(job, job.attempt + 1, named)

    async def resume(self, job: Job, server: ComfyUIServer) -> None:
        """Poll a processing job's run to its end and bring it home; nothing is ordered."""
        attempt = job.current_attempt
        if attempt is None or not attempt.prompt_id:
            words = "StoryCanvas stopped before RunPod's answer to the order was saved."
            await self.fail(job, fate_unknown(words))
            return
        ending = await self._follower.follow(job, attempt, server)
        if ending is None:
            # Whoever took it may have looked before the receipt was saved: leave nothing running.
            await self.withdraw(server, attempt.prompt_id)
        elif isinstance(ending, Failure):
            await self.fail(job, ending)
        elif ending.state is not RunState.COMPLETED:
            await self.fail(job, failed_there(ending, server.name))
        elif not ending.files:
            await self.fail(job, without_files(ending, server.name))
        else:
            await self._bring_home(job, server, ending)

    async def fail(self, job: Job, failure: Failure) -> None:
        """Write down how the attempt ended and let the policy decide what follows."""
        now = self._clock()
        excluded = _excluding(job) if is_unsuitable(failure) else job.excluded_server_ids
        decided = self._verdict(job, failure, excluded, now)
        moved = await self._jobs.move(
            job,
            decided.status,
            attempts=closed(job, failure.outcome, failure.words, now, failure.code),
            retry_count=decided.retry_count,
            not_before=decided.not_before,
            excluded_server_ids=list(excluded),
            error=failure.words,
            error_code=failure.code,
            error_details=failure.details,
            completed_at=now if decided.status is JobStatus.FAILED else None,
            **_UNSTARTED,
        )
        if moved is not None and moved.is_finished and job.server_id:
            self._observer.job_ended(moved, None)
            await self._stats.record(job.server_id, completed_in=None, model=None)
        logger.info("Job %s: run %s %s: %s", job.id, job.attempt, failure.outcome, failure.words)

    async def withdraw(self, server: ComfyUIServer, run_id: str) -> None:
        """Cancel a run wherever it is by now; before its receipt came there is none to cancel."""
        if not run_id:
            return
        try:
            await self._client.cancel(server, run_id)
        except UpstreamError as error:
            logger.warning("Run %s at '%s' goes on: %s", run_id, server.name, error.message)

    def _verdict(
        self, job: Job, failure: Failure, excluded: tuple[str, ...], now: datetime
    ) -> Verdict:
        if not is_unsuitable(failure):
            return verdict(job, failure, now)
        elsewhere = self._has_elsewhere(job, excluded)
        status = JobStatus.PENDING if elsewhere else JobStatus.FAILED
        return Verdict(status, job.retry_count, None)

    def _has_elsewhere(self, job: Job, excluded: tuple[str, ...]) -> bool:
        return self._can_go_elsewhere(job.model_copy(update={"excluded_server_ids": excluded}))

    async def _turn_away(self, job: Job, server: ComfyUIServer, error: StoryCanvasError) -> None:
        """Do without an attempt with a job that this endpoint would not take."""
        excluded = (*job.excluded_server_ids, server.id)
        if error.code == TOO_LARGE and self._has_elsewhere(job, excluded):
            await self._jobs.note(job, excluded_server_ids=list(excluded))
        else:
            await refuse(self._jobs, job, error, now=self._clock())

    async def _known_there(self, job: Job, server: ComfyUIServer) -> Attempt | None:
        """An earlier order that the endpoint still works on, or has the result of.

        Raises UpstreamError when RunPod cannot be asked: then nothing may be ordered.
        """
        for attempt in ordered_there(job, server.id):
            run = await self._follower.find(server, attempt.prompt_id)
            if run is not None and (not run.state.is_over or run.files):
                return attempt
        return None

    def _new_attempt(
        self, job: Job, server: ComfyUIServer, known: Attempt | None, made: Provenance
    ) -> Attempt:
        """`prompt_id` is RunPod's id, empty until its answer came."""
        return Attempt(
            number=job.attempt + 1,
            server_id=server.id,
            server_name=server.name,
            prompt_id=known.prompt_id if known else "",
            client_id=new_id(),
            started_at=self._clock(),
            made=known.made if known else made,
        )

    async def _claim(
        self, job: Job, attempt: Attempt, placement: Placement, order: RunOrder
    ) -> Job | None:
        attempts = [*job.attempts, attempt][-_ATTEMPTS_KEPT:]
        return await self._jobs.move(
            job,
            JobStatus.PROCESSING,
            attempt=attempt.number,
            attempts=[entry.model_dump() for entry in attempts],
            server_id=placement.server.id,
            server_name=placement.server.name,
            assignment_reason=placement.reason,
            render=facts_of(order.built),
            started_at=attempt.started_at,
            error=None,
            error_code=None,
            error_details=None,
        )

    async def _send(self, job: Job, server: ComfyUIServer, order: RunOrder) -> Job | None:
        """Order once and save RunPod's id, or how it failed; gives the job to follow."""
        try:
            run = await self._client.run(server, order.body)
        except UpstreamError as error:
            failure = refused(error)
            if isinstance(error, ServerUnreachableError) or error.code == REFUSES_US:
                self._watch.mark_offline(server.id)
            await until_saved(lambda: self.fail(job, failure))
            return None
        ours = await until_saved(lambda: save_receipt(self._jobs, job, run.id))
        if ours is None:
            await self.withdraw(server, run.id)
        return ours

    async def _bring_home(self, job: Job, server: ComfyUIServer, run: Run) -> None:
        outcome = PromptOutcome(PromptState.SUCCESS, files=outputs_of(run))
        delivered = await self._delivery.deliver(job, server, outcome)
        if isinstance(delivered, Failure):
            await self.fail(job, undelivered(delivered, run.id))
            return
        now = self._clock()
        moved = await self._jobs.move(
            job,
            JobStatus.COMPLETED,
            attempts=closed(job, Outcome.COMPLETED, _how_it_went(run), now),
            **{**_UNSTARTED, "progress": 1.0},
            **result_fields(delivered),
            completed_at=now,
        )
        if moved is not None and job.started_at:
            await self._count(moved, server, (now - job.started_at).total_seconds())

    async def _count(self, job: Job, server: ComfyUIServer, seconds: float) -> None:
        self._observer.job_ended(job, seconds)
        model = (job.render or {}).get("model_name")
        await self._stats.record(server.id, completed_in=seconds, model=model)


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
