"""Poll one video at the provider until it is done, has failed, or is nobody's any more."""

import asyncio
from datetime import timedelta

from backend.models.job import Attempt, Job
from backend.repositories.job_repository import JobRepository
from backend.services.openai_messages import Video, VideoState
from backend.services.openai_video_client import OpenAIVideoClient
from backend.services.paid_work import Pace
from backend.services.provider_policy import PASSING, failed_there, unasked
from backend.services.retry_policy import Failure
from backend.utils.clock import Clock
from backend.utils.errors import ResourceNotFoundError, UpstreamError

#: Providers drop a job after a day at most.
_GIVE_UP = timedelta(hours=24)
#: Answers in a row that are about anything but the video: a new one may not be known at once.
_PATIENCE = 5


class VideoFollower:
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
        pace = Pace(self._poll_seconds)
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

    async def _look(self, video_id: str, pace: Pace) -> Video | Failure | None:
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
