"""External workers that pull: register, be heard of, take a job under a lease."""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from backend.dtos.queue_dto import RegisterServerDTO
from backend.models.job import Job, JobStatus
from backend.models.worker import Worker
from backend.repositories.comfyui_repository import ComfyUIRepository
from backend.repositories.jobs.repository import JobRepository
from backend.repositories.worker_repository import WorkerRepository
from backend.services.queue.backlog_sync import BacklogSync
from backend.services.queue.runners.openai_request import PROVIDER_ID
from backend.services.queue.runners.recorder import AttemptRecorder, Claim
from backend.services.servers.fleet import Fleet
from backend.services.workers.matching import facts_for_worker, why_not
from backend.utils.clock import Clock
from backend.utils.errors import ConflictError, InvalidRequestError
from backend.utils.ids import random_id

#: How many of the jobs whose turn comes first are looked through for one a worker may take.
_WINDOW = 200
#: What a `server_id` means that names no worker.
_TAKEN_NAMES = frozenset({"auto", PROVIDER_ID})
#: Fields of a register that stay as they were when a heartbeat leaves them out.
_KEPT = ("max_concurrent", "generation_types", "models", "custom_workflows")


class WorkerService:
    """`lease_seconds`: a worker that is not heard of for so long loses its jobs."""

    def __init__(  # noqa: PLR0913 - it joins workers, servers and the queue
        self,
        workers: WorkerRepository,
        servers: ComfyUIRepository,
        jobs: JobRepository,
        *,
        recorder: AttemptRecorder,
        fleet: Fleet,
        backlog_sync: BacklogSync,
        lease_seconds: float,
        clock: Clock,
    ) -> None:
        self._workers = workers
        self._servers = servers
        self._jobs = jobs
        self._recorder = recorder
        self._fleet = fleet
        self._backlog_sync = backlog_sync
        self._lease = timedelta(seconds=lease_seconds)
        self._clock = clock
        self._leasing: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def register(self, server_id: str, dto: RegisterServerDTO) -> dict[str, Any]:
        """Set a ComfyUI server's capacity and dispatch, or hear from an external worker.

        A worker's register is its heartbeat: it renews the leases of the jobs it holds.
        """
        server = await self._servers.find_by_id(server_id)
        if server is None:
            worker = await self._heartbeat(server_id, dto)
            return _registered("pull", worker.id, worker.name, worker.is_online, worker)
        changes = {"is_active": dto.is_online, "updated_at": self._clock()}
        if "max_concurrent" in dto.model_fields_set:
            changes["max_concurrent"] = dto.max_concurrent
        await self._servers.update(server_id, changes)
        state = await self._fleet.greet(server.model_copy(update=changes))
        self._fleet.on_change()
        return _registered("push", server.id, server.name, state.server.is_active, state.server)

    async def next_job(self, worker_id: str) -> Job | None:
        """Lease the job whose turn it is to a worker; None when there is none for it.

        Raises ResourceNotFoundError for a worker that never registered, ConflictError for a
        ComfyUI server, which is given its jobs.
        """
        if await self._servers.find_by_id(worker_id) is not None:
            raise ConflictError("StoryCanvas sends this server its jobs.", code="SERVER_IS_PUSHED")
        worker = await self._workers.get(worker_id)
        await self._hear_of(worker)
        # Two questions at once must not bring it more than it may hold.
        async with self._leasing[worker_id]:
            if not worker.is_online or await self._is_full(worker):
                return None
            for job in await self._candidates(worker):
                if leased := await self._lease_to(worker, job):
                    return leased
        return None

    async def _candidates(self, worker: Worker) -> list[Job]:
        """What it may take of the jobs whose turn is next, and of those asked for from it."""
        asked = await self._jobs.list_by_ids(self._backlog_sync.asked_of(worker.id, _WINDOW))
        turn = await self._jobs.pending(skip=0, limit=_WINDOW)
        waiting = {job.id: job for job in (*turn, *asked) if job.status is JobStatus.PENDING}
        now = self._clock()
        fitting = [job for job in waiting.values() if why_not(job, worker, now) is None]
        return sorted(fitting, key=lambda job: (-job.priority, job.number))

    async def list_all(self) -> list[Worker]:
        """The last heard of first; one that fell silent for a lease's time is not online."""
        silent_since = self._clock() - self._lease
        return [
            worker.model_copy(
                update={"is_online": worker.is_online and worker.last_heartbeat >= silent_since}
            )
            for worker in await self._workers.list_all()
        ]

    async def _heartbeat(self, worker_id: str, dto: RegisterServerDTO) -> Worker:
        if worker_id in _TAKEN_NAMES:
            raise InvalidRequestError(f"'{worker_id}' means something else; take another id.")
        now = self._clock()
        said = {name: getattr(dto, name) for name in _KEPT if name in dto.model_fields_set}
        if dto.server_name:
            said["name"] = dto.server_name
        elif await self._workers.find_by_id(worker_id) is None:
            said["name"] = worker_id
        changes = {"is_online": dto.is_online, "last_heartbeat": now, **said}
        worker = await self._workers.register(worker_id, changes, now=now)
        await self._renew(worker_id, dto.job_ids)
        return worker

    async def _renew(self, worker_id: str, job_ids: Sequence[str] | None) -> None:
        """Renew a worker's leases: all, or those of the jobs that it says it has.

        An answer to `next` may get lost on its way. The worker then holds a job that it does not
        know of; if it says what it has, that lease runs out and somebody else makes the job.
        """
        until = self._clock() + self._lease
        for job in await self._jobs.leased_by(worker_id):
            if job_ids is None or job.id in job_ids:
                await self._jobs.note(job, lease_expires_at=until)

    async def _hear_of(self, worker: Worker) -> None:
        """Note that it asked, now and then: a write for each question would be too many."""
        now = self._clock()
        if now - worker.last_heartbeat > self._lease / 3:
            await self._workers.update(worker.id, {"last_heartbeat": now})

    async def _is_full(self, worker: Worker) -> bool:
        return len(await self._jobs.leased_by(worker.id)) >= worker.max_concurrent

    async def _lease_to(self, worker: Worker, job: Job) -> Job | None:
        claim = Claim(
            server_id=worker.id,
            server_name=worker.name,
            reason=f"'{worker.name}' asked for work.",
            render=facts_for_worker(job),
            prompt_id=random_id(),
            client_id="",
        )
        return await self._recorder.lend(job, claim, until=self._clock() + self._lease)


def _registered(
    mode: str, server_id: str, name: str, is_online: bool, holder: Any
) -> dict[str, Any]:
    words = "dispatch is on" if is_online else "dispatch is off"
    return {
        "message": f"'{name}' is registered; {words}.",
        "server_id": server_id,
        "server_name": name,
        "is_online": is_online,
        "max_concurrent": holder.max_concurrent,
        "mode": mode,
    }
