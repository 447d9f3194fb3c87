"""The queue as clients read it: jobs with their place in line, totals, what each server does."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from backend.models.job import Job, JobStatus
from backend.models.worker import Worker
from backend.repositories.character_repository import CharacterRepository
from backend.repositories.clip_repository import ClipRepository
from backend.repositories.project_repository import ProjectRepository
from backend.repositories.server_stats_repository import ServerStats, ServerStatsRepository
from backend.services.monitoring.outlook import JobForecasts
from backend.services.queue_manager import QueueManager
from backend.services.servers.fleet import Fleet, ServerState
from backend.services.workers.service import WorkerService
from backend.utils.errors import UnprocessableError


class QueueView:
    def __init__(  # noqa: PLR0913 - it joins all that a job is shown with
        self,
        queue: QueueManager,
        stats: ServerStatsRepository,
        *,
        projects: ProjectRepository,
        clips: ClipRepository,
        characters: CharacterRepository,
        workers: WorkerService,
        fleet: Fleet,
        forecasts: JobForecasts,
    ) -> None:
        self._queue = queue
        self._stats = stats
        self._projects = projects
        self._clips = clips
        self._characters = characters
        self._workers = workers
        self._fleet = fleet
        self._forecasts = forecasts

    async def job(self, job_id: str) -> dict[str, object]:
        job = await self._queue.get(job_id)
        told = await self._without_gone([job])
        return self._shown(told, {job.id: await self._queue.position(job)})[0]

    async def page(
        self, *, skip: int, limit: int, **wanted: Any
    ) -> tuple[list[dict[str, object]], int]:
        jobs, total = await self._queue.page(skip=skip, limit=limit, **wanted)
        positions = await self._queue.positions(jobs)
        return self._shown(await self._without_gone(jobs), positions), total

    async def project(self, project_id: str, *, skip: int, limit: int) -> dict[str, object]:
        """A project's jobs with their totals; ResourceNotFoundError when there is none."""
        await self._projects.get(project_id)
        by_status = await self._queue.project_totals(project_id)
        jobs, _ = await self.page(skip=skip, limit=limit, project_id=project_id)
        return {
            "project_id": project_id,
            "total_jobs": sum(by_status.values()),
            "by_status": by_status,
            "jobs": jobs,
        }

    def shown(self, job: Job) -> dict[str, object]:
        """A job that does not wait, as clients read it."""
        return self._shown([job], {})[0]

    async def status(self) -> dict[str, object]:
        totals, workers = await asyncio.gather(self._queue.totals(), self._workers.list_all())
        held = await self._queue.held()
        states = self._fleet.states
        ids = [*(state.server.id for state in states), *(worker.id for worker in workers)]
        stats = await self._stats.by_server(ids)
        return {
            "pending_jobs": totals[JobStatus.PENDING],
            "queued_jobs": totals[JobStatus.PENDING],
            "processing_jobs": totals[JobStatus.PROCESSING],
            "completed_jobs": totals[JobStatus.COMPLETED],
            "failed_jobs": totals[JobStatus.FAILED],
            "cancelled_jobs": totals[JobStatus.CANCELLED],
            "total_jobs": sum(totals.values()),
            "active_servers": sum(state.online and state.server.is_active for state in states),
            "servers": {
                state.server.id: _load(
                    state, stats.get(state.server.id, ServerStats()), held[state.server.id]
                )
                for state in states
            }
            | {
                worker.id: _worker_load(
                    worker, stats.get(worker.id, ServerStats()), held[worker.id]
                )
                for worker in workers
            },
        }

    async def _without_gone(self, jobs: Sequence[Job]) -> list[Job]:
        """Tell no results of clips and characters that were deleted: their files went with them."""
        done = [job for job in jobs if job.result is not None]
        clip_ids = {job.clip_id for job in done if job.clip_id}
        character_ids = {job.character_id for job in done if job.character_id}
        there = await self._clips.existing(list(clip_ids)) if clip_ids else set[str]()
        if character_ids:
            there |= {each.id for each in await self._characters.list_by_ids(character_ids)}
        gone = {job.id for job in done if (job.clip_id or job.character_id) not in there}
        return [
            job.model_copy(update={"result_url": None}) if job.id in gone else job for job in jobs
        ]

    def _shown(
        self, jobs: Sequence[Job], positions: Mapping[str, int | None]
    ) -> list[dict[str, object]]:
        told = self._forecasts.of(jobs)
        return [
            {
                **dict(job),
                "project_id": job.project_id or None,
                "job_id": job.id,
                "job_type": job.generation_type,
                "params": {**job.params, "prompt": job.prompt},
                "result": job.result,
                "queue_position": positions.get(job.id),
                "eta_seconds": told[job.id].eta,
                "assignment_reason": told[job.id].reason,
            }
            for job in jobs
        ]


def _load(state: ServerState, stats: ServerStats, held: int) -> dict[str, object]:
    return {
        "server_name": state.server.name,
        "is_online": state.online,
        "mode": "push",
        "current_jobs": held,
        "max_concurrent": state.server.max_concurrent,
        "queue_length": state.queue_length,
        "average_job_time": stats.average_seconds,
        "total_completed": stats.completed,
        "total_failed": stats.failed,
        "last_heartbeat": state.last_seen,
        "loaded_model": stats.last_model,
        "circuit": state.circuit,
    }


def _worker_load(worker: Worker, stats: ServerStats, held: int) -> dict[str, object]:
    return {
        "server_name": worker.name,
        "is_online": worker.is_online,
        "mode": "pull",
        "current_jobs": held,
        "max_concurrent": worker.max_concurrent,
        "queue_length": held,
        "average_job_time": stats.average_seconds,
        "total_completed": stats.completed,
        "total_failed": stats.failed,
        "last_heartbeat": worker.last_heartbeat,
        "loaded_model": stats.last_model,
        "circuit": "closed",
    }


def parse_statuses(text: str) -> list[JobStatus]:
    """Read 'all', one status or a comma list; UnprocessableError names what is none."""
    names = [name.strip().lower() for name in text.split(",") if name.strip()]
    if not names or names == ["all"]:
        return []
    unknown = sorted(set(names) - set(JobStatus))
    if unknown:
        choices = ", ".join(JobStatus)
        raise UnprocessableError(
            f"status: '{unknown[0]}' is none of {choices}, all.",
            code="UNKNOWN_STATUS",
            errors=[{"loc": ["query", "status"], "msg": f"not one of {choices}", "type": "enum"}],
        )
    return [JobStatus(name) for name in dict.fromkeys(names)]
