"""Takes what external workers report of their jobs, with results, in time or late.

While a result comes home its lease is renewed: a long download is no silence. A report that comes
after the lease ran out changes nothing of the job, but what it brings is kept as an extra take:
somebody's card worked for it.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import NoReturn

from backend.dtos.queue_dto import CompleteJobDTO
from backend.models.comfyui_server import ComfyUIServer
from backend.models.content import GeneratedContent
from backend.models.job import Attempt, Job, JobStatus, Outcome
from backend.repositories.jobs.repository import JobRepository
from backend.services.comfyui.messages import OutputFile
from backend.services.gallery_manager import GalleryManager
from backend.services.media.media_files import MediaFiles
from backend.services.media.result_store import Downloads, ResultStore
from backend.services.media.uploads import UploadRule, write_upload
from backend.services.queue.delivery import ResultDelivery
from backend.services.queue.retry_policy import Failure
from backend.services.queue.runners.attempt import AttemptLife
from backend.services.queue.runners.recorder import AttemptRecorder
from backend.utils.clock import Clock
from backend.utils.errors import (
    ConflictError,
    DatabaseUnavailableError,
    ResourceNotFoundError,
    UnsupportedMediaError,
    UpstreamError,
)
from backend.utils.running_alongside import running_alongside

_BLOCK = 1 << 20


class WorkerReports:
    """`remote` reads what result_url names; `store_of` makes a store whose files come by hand."""

    def __init__(  # noqa: PLR0913 - what a result passes through
        self,
        jobs: JobRepository,
        galleries: GalleryManager,
        attempts: AttemptLife,
        *,
        recorder: AttemptRecorder,
        delivery: ResultDelivery,
        remote: ResultStore,
        store_of: Callable[[Downloads], ResultStore],
        media: MediaFiles,
        max_bytes: int,
        lease_seconds: float,
        clock: Clock,
    ) -> None:
        self._jobs = jobs
        self._galleries = galleries
        self._attempts = attempts
        self._recorder = recorder
        self._delivery = delivery
        self._remote = remote
        self._store_of = store_of
        self._media = media
        self._rule = UploadRule("A result", max_bytes, lambda head: None)
        self._lease = timedelta(seconds=lease_seconds)
        self._clock = clock

    async def complete(self, job_id: str, dto: CompleteJobDTO) -> Job:
        """Take a worker's report; ConflictError when the job is not in that worker's hands.

        What `result_url` names becomes a take: something under /uploads/, or an
        http(s) URL on the open internet or on a registered server. Takes that were handed in
        before count as well.
        """
        job = await self._jobs.get(job_id)
        if not self._is_held(job, dto.server_id):
            late = _late_attempt(job, dto.server_id) if dto.success and dto.result_url else None
            await self._turn_away(job, late, dto.result_url, self._remote)
        if not dto.success:
            words = dto.error or "The worker reports a failure without a reason."
            await self._attempts.fail(job, Failure(Outcome.FAILED, words, "WORKER_FAILED"))
            return await self._jobs.get(job_id)
        if dto.result_url is None:
            return await self._finish(job, await self._handed_in(job))
        async with self._held(job):
            taken = await self._delivery.adopt(job, dto.result_url, self._remote)
        return await self._finish(job, taken)

    async def hand_in(
        self,
        job_id: str,
        chunks: AsyncIterator[bytes],
        *,
        server_id: str | None,
        complete: bool,
    ) -> Job:
        """Take a result as a file, and complete the job with it unless more is to come.

        Raises ConflictError as `complete` does, once the file is there: it is kept. A file that
        comes twice is one take.
        """
        job = await self._jobs.get(job_id)
        held = self._is_held(job, server_id)
        late = None if held else _late_attempt(job, server_id)
        if not held and late is None:
            await self._turn_away(job, None, None, self._remote)
        async with self._media.workspace() as work, self._held(job if held else None):
            path = work / "result"
            await write_upload(chunks, path, self._rule, media=self._media)
            name = await asyncio.to_thread(_digest, path)
            store = self._store_of(_Brought(path))
            if late is not None:
                await self._turn_away(job, late, name, store)
            taken = await self._adopted(job, name, store)
        if complete or isinstance(taken, Failure):
            return await self._finish(job, taken)
        return await self._jobs.get(job_id)

    async def _handed_in(self, job: Job) -> GeneratedContent | None:
        """The first take that this attempt brought already, of the kind that was asked for."""
        takes: Sequence[GeneratedContent] = ()
        with suppress(ResourceNotFoundError):
            takes = await self._galleries.takes(job)
        since = job.started_at or job.created_at
        brought = [
            take
            for take in takes
            if (take.job_id, take.server_id) == (job.id, job.server_id) and take.created_at >= since
        ]
        wanted = (take for take in brought if take.content_type == job.generation_type)
        return next(wanted, brought[0] if brought else None)

    async def _adopted(self, job: Job, name: str, store: ResultStore) -> GeneratedContent | Failure:
        try:
            return await self._delivery.adopt(job, name, store)
        except UpstreamError as error:
            raise UnsupportedMediaError(error.message, code=error.code) from error

    async def _finish(self, job: Job, taken: GeneratedContent | Failure | None) -> Job:
        if isinstance(taken, Failure):
            await self._attempts.fail(job, taken)
            return await self._jobs.get(job.id)
        await self._recorder.complete(job, taken)
        ended = await self._jobs.get(job.id)
        if not _same_attempt(ended, job) or ended.status is not JobStatus.COMPLETED:
            raise _not_leased(ended, taken)
        return ended

    async def _turn_away(
        self, job: Job, late: Attempt | None, name: str | None, store: ResultStore
    ) -> NoReturn:
        """Refuse a late report, and keep what it brought."""
        if late is None or name is None:
            raise _not_leased(job, None)
        as_it_was = job.model_copy(
            update={
                "attempts": (late,),
                "server_id": late.server_id,
                "server_name": late.server_name,
            }
        )
        taken = await self._adopted(as_it_was, name, store)
        raise _not_leased(job, None if isinstance(taken, Failure) else taken)

    def _is_held(self, job: Job, server_id: str | None) -> bool:
        """Whether a worker, and if it gave its name that worker, still has the job."""
        lease = job.lease_expires_at
        running = job.status is JobStatus.PROCESSING and lease is not None
        in_time = lease is not None and lease >= self._clock()
        return running and in_time and server_id in {None, job.server_id}

    @asynccontextmanager
    async def _held(self, job: Job | None) -> AsyncIterator[None]:
        """Renew a job's lease as long as this takes."""
        if job is None:
            yield
            return
        async with running_alongside(self._keep(job)):
            yield

    async def _keep(self, job: Job) -> None:
        while True:
            with suppress(DatabaseUnavailableError):
                until = self._clock() + self._lease
                if not await self._jobs.note(job, lease_expires_at=until):
                    return
            await asyncio.sleep(self._lease.total_seconds() / 3)


class _Brought:
    """A file that is here already, in the shape that the result store fetches from."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def download(
        self, server: ComfyUIServer, file: OutputFile, target: Path, *, max_bytes: int
    ) -> int:
        return await asyncio.to_thread(_moved, self._path, target)


def _late_attempt(job: Job, server_id: str | None) -> Attempt | None:
    """The newest attempt that a worker lost to its silence; with its name, that worker's."""
    for attempt in reversed(job.attempts):
        # Only what workers hold has no client id: nothing listens to them.
        lost = attempt.outcome is Outcome.LOST and not attempt.client_id
        if lost and server_id in {None, attempt.server_id}:
            return attempt
    return None


def _same_attempt(one: Job, other: Job) -> bool:
    return one.attempt == other.attempt and one.server_id == other.server_id


def _not_leased(job: Job, kept: GeneratedContent | None) -> ConflictError:
    words = "No worker holds this job: it is not running, or its lease ran out."
    if job.status is JobStatus.PROCESSING:
        words = "This job is in other hands: its lease ran out, or it never was this worker's."
    details: dict[str, str] = {"status": job.status}
    if kept is not None:
        words = f"{words} The result was kept as an extra take."
        details |= {"content_id": kept.id, "result_url": kept.url}
    return ConflictError(words, code="JOB_NOT_LEASED", **details)


def _moved(source: Path, target: Path) -> int:
    return source.replace(target).stat().st_size


def _digest(path: Path) -> str:
    """A name for a file by its content, so that the same one again is the same take."""
    found = hashlib.sha256()
    with path.open("rb") as handle:
        while block := handle.read(_BLOCK):
            found.update(block)
    return found.hexdigest()
