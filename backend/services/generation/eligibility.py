"""Finds who could make a job: servers by what they have, workers by what they say."""

from backend.models.comfyui_server import ComfyUIServer
from backend.models.job import Job
from backend.models.worker import Worker
from backend.repositories.comfyui_repository import ComfyUIRepository
from backend.repositories.worker_repository import WorkerRepository
from backend.services.queue.render_request import render_request
from backend.services.servers.capability import check_capability
from backend.services.servers.fleet import Fleet
from backend.services.workers.matching import why_not
from backend.services.workflows import requirements
from backend.utils.clock import Clock
from backend.utils.errors import ModelUnavailableError


class EligibilityChecker:
    def __init__(
        self,
        servers: ComfyUIRepository,
        workers: WorkerRepository,
        *,
        fleet: Fleet,
        clock: Clock,
    ) -> None:
        self._servers = servers
        self._workers = workers
        self._fleet = fleet
        self._clock = clock

    async def any_registered(self) -> bool:
        """Whether somebody is there at all."""
        return bool(await self._servers.list_all(limit=1) or await self._workers.list_all())

    async def check_pin(self, job: Job) -> None:
        """ResourceNotFoundError where the job is for a server that is not registered."""
        if job.pinned_server_id is not None:
            await self._named(job.pinned_server_id)

    async def check(self, job: Job) -> None:
        """Refuse a job that nobody could ever make; being away for now is no reason.

        Raises ResourceNotFoundError where the job is for a server that is not registered,
        WorkflowError for a graph that is broken anywhere, ModelUnavailableError with what each
        server and worker lacks.
        """
        if job.pinned_server_id is not None:
            await self._check_pinned(job, job.pinned_server_id)
            return
        try:
            self._check_servers(job)
        except ModelUnavailableError as error:
            lacking = {
                worker.name: self._why_not(job, worker) for worker in await self._workers.list_all()
            }
            if None in lacking.values():
                return
            servers = error.details["servers"] | {name: [why] for name, why in lacking.items()}
            raise ModelUnavailableError(error.message, servers=servers) from None

    async def _check_pinned(self, job: Job, maker_id: str) -> None:
        maker = await self._named(maker_id)
        if not isinstance(maker, Worker):
            maker.require_key()
            self._check_servers(job)
        elif why := self._why_not(job, maker):
            raise ModelUnavailableError(
                f"'{maker.name}' cannot make this: {why}", servers={maker.name: [why]}
            )

    def _check_servers(self, job: Job) -> None:
        pinned = job.pinned_server_id
        states = [state for state in self._fleet.states if pinned in {None, state.server.id}]
        check_capability(requirements(render_request(job, 1)), states)

    async def _named(self, maker_id: str) -> Worker | ComfyUIServer:
        return await self._workers.find_by_id(maker_id) or await self._servers.get(maker_id)

    def _why_not(self, job: Job, worker: Worker) -> str | None:
        return why_not(job, worker, self._clock())
