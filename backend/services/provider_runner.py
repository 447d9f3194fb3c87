"""Jobs of the paid video provider, from the queue to the take, each ordered once.

The attempt is saved before the order, the provider's id before the first poll. An attempt
without that id after a restart may or may not have been ordered: such a job fails and says so.
A job that ever got an id is never ordered again while the provider has that video.
"""

import logging
from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from backend.models.comfyui_server import ComfyUIServer
from backend.models.job import Attempt, Job, JobStatus, Outcome, result_fields
from backend.repositories.clip_repository import ClipRepository
from backend.repositories.job_repository import JobRepository
from backend.services.attempt_runner import JobObserver, closed, refuse
from backend.services.comfyui_messages import OutputFile, PromptOutcome, PromptState
from backend.services.delivery import Delivery
from backend.services.media_files import MediaFiles
from backend.services.openai_messages import VideoState
from backend.services.openai_reference import load_reference
from backend.services.openai_request import (
    PROVIDER_ID,
    PROVIDER_NAME,
    VideoOrder,
    check_provider_job,
    facts_of,
    is_provider_job,
    video_order,
)
from backend.services.openai_video_client import OpenAIVideoClient, Picture
from backend.services.paid_work import save_receipt, until_saved, whatever_stops
from backend.services.provider_follower import VideoFollower
from backend.services.provider_policy import (
    PASSING,
    fate_unknown,
    ordered_before,
    refused,
    unasked,
    undelivered,
    verdict,
)
from backend.services.retry_policy import Failure
from backend.utils.clock import Clock
from backend.utils.errors import (
    ServiceUnavailableError,
    StoryCanvasError,
    UnprocessableError,
    UpstreamError,
)
from backend.utils.ids import new_id

__all__ = ["PROVIDER_ID", "ProviderRunner", "due", "is_provider_job"]

logger = logging.getLogger(__name__)

_ATTEMPTS_KEPT = 20


class _Prepared(NamedTuple):
    order: VideoOrder
    reference: Picture | None


def due(jobs: Iterable[Job], *, free: int, now: datetime) -> list[Job]:
    """Of pending jobs in turn, the provider's that may start now; at most `free` of them."""
    ready = [
        job
        for job in jobs
        if is_provider_job(job) and (job.not_before is None or job.not_before <= now)
    ]
    return ready[: max(0, free)]


class ProviderRunner:
    """`capacity`: how many orders may be open there at once; whoever calls keeps to it."""

    def __init__(  # noqa: PLR0913 - the stations of a job's way
        self,
        jobs: JobRepository,
        clips: ClipRepository,
        client: OpenAIVideoClient,
        *,
        follower: VideoFollower,
        delivery: Delivery,
        media: MediaFiles,
        observer: JobObserver,
        default_model: str,
        capacity: int,
        clock: Clock,
    ) -> None:
        self.capacity = capacity
        self._jobs = jobs
        self._clips = clips
        self._client = client
        self._follower = follower
        self._delivery = delivery
        self._media = media
        self._observer = observer
        self._default_model = default_model
        self._clock = clock

    def check(self, job: Job) -> None:
        """Say before a job is queued what cannot work.

        Raises UnprocessableError, or ServiceUnavailableError without a usable provider.
        """
        check_provider_job(job)
        self._client.require_ready()

    async def carry_out(self, job: Job) -> None:
        """Claim a pending job, order its video once, and see it through."""
        if not await self._is_ready(job):
            return
        try:
            known = await self._known_there(job)
            prepared = await self._prepare(job)
        except UnprocessableError as error:
            await self._refuse(job, error)
            return
        except UpstreamError as error:
            await (self._postpone if error.code in PASSING else self._refuse)(job, error)
            return
        attempt = self._new_attempt(job, known)
        claimed = await self._claim(job, attempt, prepared.order)
        if claimed is not None and known is None:
            claimed = await whatever_stops(self._send(claimed, attempt, prepared))
        if claimed is not None:
            await self.resume(claimed)

    async def resume(self, job: Job) -> None:
        """Poll a processing job's video to its end and bring it home; nothing is ordered."""
        attempt = job.current_attempt
        if attempt is None or not attempt.prompt_id:
            words = "StoryCanvas stopped before the provider's receipt was saved."
            await self.fail(job, fate_unknown(words))
            return
        try:
            self._client.require_ready()
        except ServiceUnavailableError as error:
            await self.fail(job, unasked(error.message, error.code, attempt.prompt_id))
            return
        ending = await self._follower.follow(job, attempt)
        if isinstance(ending, Failure):
            await self.fail(job, ending)
        elif ending is not None:
            await self._bring_home(job, attempt.prompt_id)

    async def fail(self, job: Job, failure: Failure) -> None:
        """Write down how the attempt ended and let the policy decide what follows."""
        now = self._clock()
        decided = verdict(job, failure, now)
        ended = decided.status is JobStatus.FAILED
        moved = await self._jobs.move(
            job,
            decided.status,
            attempts=closed(job, failure.outcome, failure.words, now, failure.code),
            retry_count=decided.retry_count,
            not_before=decided.not_before,
            error=failure.words,
            error_code=failure.code,
            error_details=failure.details,
            progress=job.progress if ended else 0.0,
            completed_at=now if ended else None,
        )
        if moved is not None and ended:
            self._observer.job_ended(moved, None)
        logger.info("Job %s: order %s %s: %s", job.id, job.attempt, failure.outcome, failure.words)

    async def _is_ready(self, job: Job) -> bool:
        try:
            self._client.require_ready()
        except ServiceUnavailableError as error:
            await self._refuse(job, error)
            return False
        return True

    async def _known_there(self, job: Job) -> Attempt | None:
        """An earlier order whose video the provider still has, or is making.

        Raises UpstreamError when the provider cannot be asked: then nothing may be ordered.
        """
        for attempt in ordered_before(job):
            video = await self._follower.find(attempt.prompt_id)
            if video is not None and video.state is not VideoState.FAILED:
                return attempt
        return None

    async def _prepare(self, job: Job) -> _Prepared:
        # Only clips get videos: a picture of a character was refused before it was queued.
        clip = await self._clips.find_by_id(job.clip_id or "")
        if clip is None:
            raise UnprocessableError("The clip was deleted.", code="CLIP_GONE")
        order = video_order(job, clip_length=clip.length, default_model=self._default_model)
        url = job.params.get("input_reference_url")
        reference = await load_reference(self._media, url, order) if url else None
        return _Prepared(order, reference)

    async def _refuse(self, job: Job, error: StoryCanvasError) -> None:
        await refuse(self._jobs, job, error, now=self._clock())

    async def _postpone(self, job: Job, error: UpstreamError) -> None:
        """Leave a job pending that was ordered before, until the provider can be asked."""
        later = verdict(job, Failure(Outcome.UNREACHABLE, "", "", error.details), self._clock())
        await self._jobs.note(
            job, not_before=later.not_before, error=error.message, error_code=error.code
        )

    def _new_attempt(self, job: Job, known: Attempt | None) -> Attempt:
        """`prompt_id` is the provider's id, empty until its receipt came."""
        return Attempt(
            number=job.attempt + 1,
            server_id=PROVIDER_ID,
            server_name=PROVIDER_NAME,
            prompt_id=known.prompt_id if known else "",
            client_id=new_id(),
            started_at=self._clock(),
        )

    async def _claim(self, job: Job, attempt: Attempt, order: VideoOrder) -> Job | None:
        attempts = [*job.attempts, attempt][-_ATTEMPTS_KEPT:]
        return await self._jobs.move(
            job,
            JobStatus.PROCESSING,
            attempt=attempt.number,
            attempts=[entry.model_dump() for entry in attempts],
            server_id=PROVIDER_ID,
            server_name=PROVIDER_NAME,
            assignment_reason="It names the video provider.",
            render=facts_of(order),
            started_at=attempt.started_at,
            error=None,
            error_code=None,
            error_details=None,
        )

    async def _send(self, job: Job, attempt: Attempt, prepared: _Prepared) -> Job | None:
        """Order once and save the receipt, or how it failed; gives the job to follow."""
        try:
            video = await self._client.create(
                prepared.order.fields,
                reference=prepared.reference,
                idempotency_key=attempt.client_id,
            )
        except UpstreamError as error:
            failure = refused(job, error)
            await until_saved(lambda: self.fail(job, failure))
            return None
        return await until_saved(lambda: save_receipt(self._jobs, job, video.id))

    async def _bring_home(self, job: Job, video_id: str) -> None:
        outcome = PromptOutcome(PromptState.SUCCESS, files=(OutputFile(video_id),))
        delivered = await self._delivery.deliver(job, _as_server(job), outcome)
        if isinstance(delivered, Failure):
            await self.fail(job, undelivered(delivered, video_id))
            return
        now = self._clock()
        moved = await self._jobs.move(
            job,
            JobStatus.COMPLETED,
            attempts=closed(job, Outcome.COMPLETED, "The result is in the gallery.", now),
            progress=1.0,
            **result_fields(delivered),
            completed_at=now,
        )
        if moved is not None and job.started_at:
            self._observer.job_ended(moved, (now - job.started_at).total_seconds())


def _as_server(job: Job) -> ComfyUIServer:
    """The provider in the shape that delivery and the result store speak of."""
    return ComfyUIServer(
        id=PROVIDER_ID,
        name=PROVIDER_NAME,
        url="",
        created_at=job.created_at,
        updated_at=job.created_at,
    )
