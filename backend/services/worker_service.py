"""External workers that pull: register, take a job under a lease, report how it went."""

from datetime import timedelta
from typing import Any

from backend.dtos.queue_dto import CompleteJobDTO, RegisterServerDTO
from backend.models.job import Attempt, Job, JobStatus, Outcome
from backend.models.worker import Worker
from backend.repositories.comfyui_repository import ComfyUIRepository
from backend.repositories.job_repository import JobRepository
from backend.repositories.worker_repository import WorkerRepository
from backend.services.attempt_runner import AttemptRunner
from backend.services.delivery import Delivery
from backend.services.fleet import Fleet
from backend.services.result_store import ResultStore
from backend.services.retry_policy import Failure
from backend.utils.clock import Clock
from backend.utils.errors import ConflictError
from backend.utils.ids import new_id

#: How many of the jobs whose turn comes first are looked through for one a worker may take.
_WINDOW = 200


class WorkerService:
    """`lease_seconds`: a worker that is not heard of for so long loses its jobs."""

    def __init__(  # noqa: PLR0913 - what a job passes through
        self,
        workers: WorkerRepository,
        servers: ComfyUIRepository,
        jobs: JobRepository,
        *,
        fleet: Fleet,
        runner: AttemptRunner,
        delivery: Delivery,
        remote: ResultStore,
        lease_seconds: float,
        clock: Clock,
    ) -> None:
        self._workers = workers
        self._servers = servers
        self._jobs = jobs
        self._fleet = fleet
        self._runner = runner
        self._delivery = delivery
        self._remote = remote
        self._lease = timedelta(seconds=lease_seconds)
        self._clock = clock

    async def register(self, server_id: str, dto: RegisterServerDTO) -> dict[str, Any]:
        """Set a ComfyUI server's capacity and dispatch, or hear from an external worker.

        A worker's register is its heartbeat: it renews the leases of the jobs it holds.
        """
        server = await self._servers.find_by_id(server_id)
        if server is None:
            worker = await self._heartbeat(server_id, dto)
            return _registered("pull", worker.id, worker.name, worker.is_online, worker)
        changes = {
            "is_active": dto.is_online,
            "max_concurrent": dto.max_concurrent,
            "updated_at": self._clock(),
        }
        await self._servers.update(server_id, changes)
        state = await self._fleet.check(server.model_copy(update=changes))
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
        if not worker.is_online or await self._is_full(worker):
            return None
        for job in await self._jobs.pending(skip=0, limit=_WINDOW):
            if self._may_take(job, worker):
                leased = await self._lease_to(worker, job)
                if leased is not None:
                    return leased
        return None

    async def complete(self, job_id: str, dto: CompleteJobDTO) -> Job:
        """Take a worker's report; ConflictError when the job is not in a worker's hands.

        What `result_url` names becomes a take of the clip: something under /uploads/, or an
        http(s) URL on the open internet or on a registered server.
        """
        job = await self._jobs.get(job_id)
        lease = job.lease_expires_at
        if job.status is not JobStatus.PROCESSING or lease is None or lease < self._clock():
            raise ConflictError(
                "No worker holds this job: it is not running, or its lease ran out.",
                code="JOB_NOT_LEASED",
                status=job.status,
            )
        if dto.success:
            await self._succeed(job, dto.result_url)
        else:
            words = dto.error or "The worker reports a failure without a reason."
            await self._runner.fail(job, Failure(Outcome.FAILED, words, "WORKER_FAILED"))
        return await self._jobs.get(job_id)

    async def _succeed(self, job: Job, result_url: str | None) -> None:
        if result_url is None:
            await self._runner.complete(job, None)
            return
        taken = await self._delivery.adopt(job, result_url, self._remote)
        if isinstance(taken, Failure):
            await self._runner.fail(job, taken)
        else:
            await self._runner.complete(job, taken)

    async def list_all(self) -> list[Worker]:
        return await self._workers.list_all()

    async def _heartbeat(self, worker_id: str, dto: RegisterServerDTO) -> Worker:
        now = self._clock()
        changes = {
            "name": dto.server_name or worker_id,
            "is_online": dto.is_online,
            "max_concurrent": dto.max_concurrent,
            "last_heartbeat": now,
        }
        worker = await self._workers.register(worker_id, changes, now=now)
        for job in await self._jobs.leased_by(worker_id):
            await self._jobs.note(job, lease_expires_at=now + self._lease)
        return worker

    async def _is_full(self, worker: Worker) -> bool:
        return len(await self._jobs.leased_by(worker.id)) >= worker.max_concurrent

    def _may_take(self, job: Job, worker: Worker) -> bool:
        due = job.not_before is None or job.not_before <= self._clock()
        return due and job.pinned_server_id in {None, worker.id} and job.provider is None

    async def _lease_to(self, worker: Worker, job: Job) -> Job | None:
        now = self._clock()
        attempt = Attempt(
            number=job.attempt + 1,
            server_id=worker.id,
            server_name=worker.name,
            prompt_id=new_id(),
            client_id="",
            started_at=now,
        )
        return await self._jobs.move(
            job,
            JobStatus.PROCESSING,
            attempt=attempt.number,
            attempts=[entry.model_dump() for entry in (*job.attempts, attempt)],
            server_id=worker.id,
            server_name=worker.name,
            assignment_reason=f"'{worker.name}' asked for work.",
            started_at=now,
            lease_expires_at=now + self._lease,
            error=None,
            error_code=None,
            error_details=None,
        )


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
