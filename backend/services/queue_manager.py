"""The queue as the rest of the system sees it: add, look, cancel, wait."""

import asyncio
import contextlib
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from backend.models.job import Job, JobStatus, Outcome
from backend.repositories.comfyui_repository import ComfyUIRepository
from backend.repositories.jobs.repository import JobRepository, job_filter
from backend.services.queue.admission import QueueLimits
from backend.services.queue.dispatcher import Dispatcher
from backend.services.queue.runners.recorder import AttemptRecorder
from backend.services.queue.runners.router import RunnerRouter
from backend.utils.clock import Clock
from backend.utils.errors import ConflictError, InvalidRequestError, ResourceNotFoundError
from backend.utils.ids import derived_id

#: Another process may finish a job, so a waiter looks for itself this often, in seconds.
_LOOK_INTERVAL = 1.0
#: Who cancels a job waits so long for its server to let go of it.
_WITHDRAW_SECONDS = 2.0

#: What a job that is queued again by hand starts with.
_AS_NEW: dict[str, Any] = {
    "retry_count": 0,
    "excluded_server_ids": [],
    "not_before": None,
    "progress": 0.0,
    "error": None,
    "error_code": None,
    "error_details": None,
    "completed_at": None,
    "lease_expires_at": None,
}


class QueueManager:
    def __init__(  # noqa: PLR0913 - it joins jobs, servers and who carries them out
        self,
        jobs: JobRepository,
        servers: ComfyUIRepository,
        runners: RunnerRouter,
        *,
        recorder: AttemptRecorder,
        dispatcher: Dispatcher,
        limits: QueueLimits,
        clock: Clock,
    ) -> None:
        self._jobs = jobs
        self._servers = servers
        self._runners = runners
        self._recorder = recorder
        self._dispatcher = dispatcher
        self._limits = limits
        self._clock = clock
        #: Asked about an id that no job has: stores the job of a batch that is still being queued,
        #: and tells whether it did.
        self.on_unknown: Callable[[str], Awaitable[bool]] = _is_nobodys
        #: Told, with the statuses, before every job of them is removed.
        self.on_clear: Callable[[Sequence[JobStatus]], Awaitable[None]] = _nothing_else
        self._waiters: defaultdict[str, set[asyncio.Event]] = defaultdict(set)
        self._closing = asyncio.Event()
        self._withdrawals: set[asyncio.Task[None]] = set()

    async def add_job(self, job: Job, *, idempotency_key: str | None = None) -> Job:
        """Queue a job; a known idempotency key gives the job that came with it first.

        The job's id is derived from the key, so the database itself lets only one in.
        """
        if idempotency_key is None:
            return (await self.add_jobs([job]))[0]
        job = job.model_copy(update={"id": derived_id("job", idempotency_key)})
        known = await self._jobs.find_by_id(job.id)
        if known is not None:
            return known
        try:
            return (await self.add_jobs([job]))[0]
        except ConflictError:
            return await self._jobs.get(job.id)

    async def add_jobs(self, jobs: Sequence[Job]) -> list[Job]:
        """Queue all of them or none: QueueFullError when more would wait than may."""
        async with self._limits.admitted(Counter(job.project_id for job in jobs)):
            return await self.store(jobs)

    async def store(self, jobs: Sequence[Job]) -> list[Job]:
        """Queue jobs that were let in already."""
        queued = await self._jobs.enqueue(jobs)
        self._dispatcher.wake()
        return queued

    async def get(self, job_id: str) -> Job:
        """ResourceNotFoundError for an id that no job has, or will have."""
        known = await self._jobs.find_by_id(job_id)
        if known is None and await self.on_unknown(job_id):
            known = await self._jobs.find_by_id(job_id)
        if known is None:
            raise ResourceNotFoundError.of("job", job_id)
        return known

    async def page(self, *, skip: int, limit: int, **wanted: Any) -> tuple[list[Job], int]:
        """Newest first; `wanted` as `job_filter` takes it."""
        where = job_filter(**wanted)
        jobs, total = await asyncio.gather(
            self._jobs.newest(where, skip=skip, limit=limit), self._jobs.count(where)
        )
        return jobs, total

    async def position(self, job: Job) -> int | None:
        """1 for the job that is next; None for one that is not waiting."""
        return (await self.positions([job])).get(job.id)

    async def positions(self, jobs: Sequence[Job]) -> dict[str, int]:
        """The places of those that wait, by id; the line is read once for all of them."""
        waiting = [job for job in jobs if job.status is JobStatus.PENDING]
        return await self._jobs.positions(waiting) if waiting else {}

    async def totals(self) -> dict[JobStatus, int]:
        return await self._jobs.totals.by_status()

    async def cancel_for(self, field: str, value: str, *, project_id: str) -> int:
        """Cancel every unfinished job of a project, or of its scene, clip or character."""
        jobs = await self._jobs.active_for(field, value, project_id=project_id)
        results = await asyncio.gather(*(self.cancel(job) for job in jobs))
        return sum(results)

    async def cancel(self, job: Job) -> bool:
        """Cancel a job wherever it stands; False when it had finished by itself."""
        current: Job | None = job
        while current is not None and not current.is_finished:
            if await self._recorder.cancel(current) is not None:
                await self._take_back(current)
                self.settle(job.id)
                return True
            current = await self._jobs.find_by_id(job.id)
        return False

    async def cancel_by_id(self, job_id: str) -> Job:
        """Cancel a job; once more changes nothing. ConflictError for one that ran to its end."""
        job = await self.get(job_id)
        if job.status is not JobStatus.CANCELLED and not await self.cancel(job):
            job = await self._jobs.get(job_id)
            if job.status is not JobStatus.CANCELLED:
                raise _wrong_state(job, "cancelled")
        return await self._jobs.get(job_id)

    async def retry(self, job_id: str) -> Job:
        """Queue a failed or cancelled job again, with all its retries; else ConflictError."""
        job = await self.get(job_id)
        if job.status not in {JobStatus.FAILED, JobStatus.CANCELLED}:
            raise _wrong_state(job, "retried")
        async with self._limits.admitted({job.project_id: 1}):
            moved = await self._jobs.move(job, JobStatus.PENDING, **_AS_NEW)
        if moved is None:
            raise _wrong_state(await self._jobs.get(job_id), "retried")
        self._dispatcher.wake()
        return moved

    async def delete(self, job_id: str) -> None:
        """Remove a job's record; ConflictError while it runs."""
        job = await self.get(job_id)
        if job.status is JobStatus.PROCESSING or not await self._jobs.remove(job):
            raise _wrong_state(await self._jobs.get(job_id), "deleted")

    async def clear(self, statuses: Sequence[JobStatus]) -> int:
        """Remove every job of these statuses; InvalidRequestError for running ones."""
        if JobStatus.PROCESSING in statuses:
            raise InvalidRequestError("Running jobs cannot be cleared: cancel them first.")
        await self.on_clear(statuses)
        return sum([await self._jobs.remove_all(status) for status in statuses])

    async def held(self) -> Counter[str]:
        """How many running jobs each server and each external worker has."""
        rows = await self._jobs.running_rows()
        return Counter(row.server_id for row in rows if row.server_id)

    async def project_totals(self, project_id: str) -> dict[JobStatus, int]:
        return await self._jobs.project_totals(project_id)

    async def release_server(self, server_id: str) -> int:
        """Send a server's running jobs back to the queue; gives how many.

        Jobs that asked for this server may then run anywhere: it will not come for them. What it
        has rendered already is still brought home, as long as it answers.
        """
        await self._jobs.unpin(server_id)
        held = [job for job in await self._jobs.processing() if job.server_id == server_id]
        for job in held:
            if self._dispatcher.is_bringing_home(job.id):
                await self._jobs.note(job, pinned_server_id=None)
                continue
            words = "The server was removed."
            await self._recorder.give_back(job, Outcome.LOST, words, pinned_server_id=None)
            await self._take_back(job)
        self._dispatcher.wake()
        return len(held)

    async def wait_for(self, job_id: str, seconds: float) -> Job:
        """Give the job as soon as it is finished, or as it stands after `seconds`."""
        event = asyncio.Event()
        self._waiters[job_id].add(event)
        deadline = asyncio.get_running_loop().time() + seconds
        try:
            while True:
                job = await self._jobs.get(job_id)
                left = deadline - asyncio.get_running_loop().time()
                if job.is_finished or left <= 0 or self._closing.is_set():
                    return job
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(min(left, _LOOK_INTERVAL)):
                        await event.wait()
                event.clear()
        finally:
            self._waiters[job_id].discard(event)
            if not self._waiters[job_id]:
                del self._waiters[job_id]

    def stop_waiting(self) -> None:
        """Let everybody who waits for a job go: the server is about to end."""
        self._closing.set()
        for events in self._waiters.values():
            for event in events:
                event.set()
        for withdrawing in self._withdrawals:
            withdrawing.cancel()  # the connections to the servers end next

    def settle(self, job_id: str) -> None:
        for event in self._waiters.get(job_id, ()):
            event.set()

    async def _take_back(self, job: Job) -> None:
        """Clear the prompt from its server: dequeue it, and interrupt it if it runs."""
        attempt = job.current_attempt
        if job.status is not JobStatus.PROCESSING or attempt is None:
            return
        server = await self._servers.find_by_id(attempt.server_id)
        if server is not None:
            withdrawing = asyncio.create_task(
                self._runners.withdraw(server, attempt.prompt_id), name=f"withdraw {job.id}"
            )
            self._withdrawals.add(withdrawing)
            withdrawing.add_done_callback(self._withdrawals.discard)
            # The job has moved: nobody need wait for a server that does not answer.
            await asyncio.wait({withdrawing}, timeout=_WITHDRAW_SECONDS)


async def _is_nobodys(_job_id: str) -> bool:
    return False


async def _nothing_else(_statuses: Sequence[JobStatus]) -> None:
    """Only jobs are cleared."""


def _wrong_state(job: Job, wish: str) -> ConflictError:
    return ConflictError(
        f"A {job.status} job cannot be {wish}.", code="JOB_WRONG_STATE", status=job.status
    )
