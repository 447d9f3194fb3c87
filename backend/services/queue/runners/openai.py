"""Jobs of the paid video provider, from the queue to the take, each ordered once.

The attempt is saved before the order, the provider's id before the first poll. An attempt
without that id after a restart may or may not have been ordered: such a job fails and says so.
A job that ever got an id is never ordered again while the provider has that video. `VideoMonitor`
polls one video until it is done, has failed, or is nobody's any more.
"""

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from backend.models.comfyui_server import ComfyUIServer
from backend.models.content import GeneratedContent
from backend.models.job import Attempt, Job, Outcome
from backend.repositories.clip_repository import ClipRepository
from backend.repositories.jobs.repository import JobRepository
from backend.services.comfyui.catalog import ServerCatalog
from backend.services.comfyui.messages import OutputFile, PromptOutcome, PromptState
from backend.services.media.media_files import MediaFiles
from backend.services.providers.openai.client import OpenAIVideoClient, ReferencePicture
from backend.services.providers.openai.messages import Video, VideoState
from backend.services.providers.paid_work import PollSchedule
from backend.services.queue.delivery import ResultDelivery
from backend.services.queue.retry_policy import Failure, Judgement
from backend.services.queue.runners.attempt import (
    OwnershipLost,
    Placement,
    PreparedOrder,
    RunnerResult,
)
from backend.services.queue.runners.openai_policy import (
    PASSING,
    failed_there,
    fate_unknown,
    ordered_before,
    refused,
    unasked,
    undelivered,
    verdict,
)
from backend.services.queue.runners.openai_reference import load_reference
from backend.services.queue.runners.openai_request import (
    PROVIDER_ID,
    PROVIDER_NAME,
    VideoOrder,
    check_provider_job,
    facts_of,
    is_provider_job,
    video_order,
)
from backend.utils.clock import Clock
from backend.utils.errors import (
    LeaseLostError,
    ResourceNotFoundError,
    ServiceUnavailableError,
    UnprocessableError,
    UpstreamError,
)

#: Providers drop a job after a day at most.
_GIVE_UP = timedelta(hours=24)
#: Answers in a row that are about anything but the video: a new one may not be known at once.
_PATIENCE = 5


class VideoMonitor:
    """`poll_seconds`: the first pause between two looks; it grows to four times that."""

    def __init__(
        self, jobs: JobRepository, client: OpenAIVideoClient, *, poll_seconds: float, clock: Clock
    ) -> None:
        self._jobs = jobs
        self._client = client
        self._poll_seconds = poll_seconds
        self._clock = clock

    async def find(self, video_id: str) -> Video | None:
        """Look once; None when the provider does not know it. Raises UpstreamError."""
        try:
            return await self._client.retrieve(video_id)
        except ResourceNotFoundError:
            return None

    async def follow(self, job: Job, attempt: Attempt) -> Video | Failure | None:
        """Give the finished video, what went wrong, or None when the job was taken away."""
        pace = PollSchedule(self._poll_seconds)
        progress = job.progress
        while await self._is_ours(job):
            seen = await self._look(attempt.prompt_id, pace)
            if isinstance(seen, Failure):
                return seen
            if seen is not None:
                if seen.state is VideoState.COMPLETED:
                    return seen
                if seen.state is VideoState.FAILED:
                    return failed_there(seen)
                progress = await self._tell(job, seen, progress)
            if self._clock() - attempt.started_at > _GIVE_UP:
                words = "The video provider did not finish the video within a day."
                return unasked(words, "PROVIDER_TIMEOUT", attempt.prompt_id)
            await asyncio.sleep(pace.next())
        return None

    async def _look(self, video_id: str, pace: PollSchedule) -> Video | Failure | None:
        """None: ask again. A provider that is down still has the video that was paid for."""
        try:
            video = await self._client.retrieve(video_id)
        except (ResourceNotFoundError, UpstreamError) as error:
            passing = error.code in PASSING
            asked = float(error.details.get("retry_after") or 0)
            pace.trouble(passing=passing, asked=asked)
            if pace.strange < _PATIENCE:
                return None
            gone = isinstance(error, ResourceNotFoundError)
            words = "The video provider does not know the video." if gone else error.message
            return unasked(words, "PROVIDER_VIDEO_GONE" if gone else error.code, video_id)
        pace.well()
        return video

    async def _is_ours(self, job: Job) -> bool:
        current = await self._jobs.find_by_id(job.id)
        return (
            current is not None and current.status == job.status and current.attempt == job.attempt
        )

    async def _tell(self, job: Job, video: Video, told: float) -> float:
        """Write the progress down if there is some; it never goes back."""
        progress = (video.progress or 0) / 100
        if progress <= told:
            return told
        await self._jobs.note(job, progress=progress)
        return progress


__all__ = ["PROVIDER_ID", "OpenAIVideoRunner", "is_provider_job", "provider_placement"]


class _Order(NamedTuple):
    video: VideoOrder
    reference: ReferencePicture | None


class OpenAIVideoRunner:
    """Makes videos at the provider: see `Runner`.

    `capacity`: how many orders may be open there at once; whoever calls keeps to it. `may_order`
    tells whether this process still drives.
    """

    is_paid: Final = True

    def __init__(  # noqa: PLR0913 - the steps of an attempt
        self,
        clips: ClipRepository,
        client: OpenAIVideoClient,
        *,
        monitor: VideoMonitor,
        delivery: ResultDelivery,
        media: MediaFiles,
        default_model: str,
        capacity: int,
        may_order: Callable[[], bool],
        clock: Clock,
    ) -> None:
        self.capacity = capacity
        self._clips = clips
        self._client = client
        self._monitor = monitor
        self._delivery = delivery
        self._media = media
        self._default_model = default_model
        self._may_order = may_order
        self._clock = clock

    def check(self, job: Job) -> None:
        """Say before a job is queued what cannot work.

        Raises UnprocessableError, or ServiceUnavailableError without a usable provider.
        """
        check_provider_job(job)
        self._client.require_ready()

    async def find(self, job: Job, server: ComfyUIServer) -> Attempt | None:
        """Look for an earlier order whose video the provider still has, or is making."""
        self._client.require_ready()
        for attempt in ordered_before(job):
            video = await self._monitor.find(attempt.prompt_id)
            if video is not None and video.state is not VideoState.FAILED:
                return attempt
        return None

    async def prepare(self, job: Job, placement: Placement) -> PreparedOrder:
        # Only clips get videos: a picture of a character was refused before it was queued.
        clip = await self._clips.find_by_id(job.clip_id or "")
        if clip is None:
            raise UnprocessableError("The clip was deleted.", code="CLIP_GONE")
        order = video_order(job, clip_length=clip.length, default_model=self._default_model)
        url = job.params.get("input_reference_url")
        reference = await load_reference(self._media, url, order) if url else None
        return PreparedOrder(_Order(order, reference), facts_of(order))

    def unsent(self, job: Job, server: ComfyUIServer, error: Exception) -> Mapping[str, Any] | None:
        """A job that was ordered before stays pending until the provider can be asked."""
        if not isinstance(error, UpstreamError) or error.code not in PASSING:
            return None
        later = verdict(job, Failure(Outcome.UNREACHABLE, "", "", error.details), self._clock())
        return {"not_before": later.not_before, "error": error.message, "error_code": error.code}

    async def send(self, job: Job, server: ComfyUIServer, prepared: PreparedOrder) -> str | Failure:
        order: _Order = prepared.order
        attempt = job.current_attempt
        try:
            video = await self._client.create(
                order.video.fields,
                reference=order.reference,
                idempotency_key=attempt.client_id if attempt else job.id,
                may_order=self._may_order,
            )
        except LeaseLostError:
            raise
        except UpstreamError as error:
            return refused(job, error)
        return video.id

    async def follow(
        self, job: Job, attempt: Attempt, server: ComfyUIServer
    ) -> RunnerResult | Failure | OwnershipLost:
        """Poll a video to its end."""
        if not attempt.prompt_id:
            return fate_unknown("StoryCanvas stopped before the provider's receipt was saved.")
        try:
            self._client.require_ready()
        except ServiceUnavailableError as error:
            return unasked(error.message, error.code, attempt.prompt_id)
        ended = await self._monitor.follow(job, attempt)
        if ended is None:
            return OwnershipLost.TAKEN_AWAY
        if isinstance(ended, Failure):
            return ended
        return RunnerResult(
            PromptOutcome(PromptState.SUCCESS, files=(OutputFile(attempt.prompt_id),))
        )

    async def deliver(
        self, job: Job, server: ComfyUIServer, made: RunnerResult
    ) -> GeneratedContent | Failure:
        delivered = await self._delivery.deliver(job, server, made.outcome)
        if isinstance(delivered, Failure):
            return undelivered(delivered, made.outcome.files[0].filename)
        return delivered

    async def withdraw(self, server: ComfyUIServer, prompt_id: str) -> None:
        """Leave it there: the wire shape knows no way to stop a video."""

    async def take_back(self, server: ComfyUIServer, prompt_id: str) -> bool:
        return False

    def judge(self, job: Job, failure: Failure, now: datetime) -> Judgement:
        return Judgement(failure, verdict(job, failure, now), job.excluded_server_ids)


def provider_placement(job: Job) -> Placement:
    """The provider in the shape in which servers are spoken of."""
    server = ComfyUIServer(
        id=PROVIDER_ID,
        name=PROVIDER_NAME,
        url="",
        created_at=job.created_at,
        updated_at=job.created_at,
    )
    return Placement(server, ServerCatalog(), "It names the video provider.")
