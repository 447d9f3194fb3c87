"""The queue: follow, cancel and retry jobs; lend them to workers."""

from typing import Annotated, Any, NamedTuple

from fastapi import Depends, Query, Response
from fastapi.exceptions import RequestValidationError

from backend.api.http.versioned_router import versioned_router
from backend.api.v1.dependencies import (
    GenerationServiceDep,
    Id,
    IdempotencyKey,
    PageDep,
    QueueManagerDep,
    QueueViewDep,
    Reporter,
    WorkerId,
    WorkerReportsDep,
    WorkerServiceDep,
)
from backend.dtos.queue_dto import (
    CompleteJobDTO,
    JobCreatedDTO,
    JobCreateDTO,
    JobMessageDTO,
    JobResponseDTO,
    JobsClearedDTO,
    LeasedJobDTO,
    ProjectJobsDTO,
    QueueStatusDTO,
    RegisterServerDTO,
    ServerRegisteredDTO,
)
from backend.dtos.shared.common_dto import DeletedDTO
from backend.models.job import Job, JobStatus
from backend.services.monitoring.queue_view import parse_statuses

router = versioned_router("/queue", tags=["Queue"])

FilterId = Annotated[
    str | None, Query(min_length=1, max_length=100, description="Only those of this id.")
]
Statuses = Annotated[
    str,
    Query(
        max_length=200,
        description="One status, a comma list, or 'all'.",
        examples=["processing,pending"],
    ),
]


#: What is cleared unless other statuses are named.
_FINISHED = "completed,failed,cancelled"


class JobQuery(NamedTuple):
    statuses: list[JobStatus]
    project_id: str | None
    clip_id: str | None
    character_id: str | None
    batch_id: str | None


async def _job_query(
    status: Statuses = "all",
    project_id: FilterId = None,
    clip_id: FilterId = None,
    character_id: FilterId = None,
    batch_id: FilterId = None,
) -> JobQuery:
    return JobQuery(parse_statuses(status), project_id, clip_id, character_id, batch_id)


JobQueryDep = Annotated[JobQuery, Depends(_job_query)]


async def _complete_report(
    body: CompleteJobDTO | None = None,
    success: Annotated[bool | None, Query(description="Whether it worked.")] = None,
    result_url: Annotated[
        str | None, Query(min_length=1, max_length=2000, description="Where the result is.")
    ] = None,
    error: Annotated[str | None, Query(max_length=2000, description="What went wrong.")] = None,
    server_id: Reporter = None,
) -> CompleteJobDTO:
    """Take the report from the query, or from the body where the query says nothing."""
    given = {
        "success": success,
        "result_url": result_url,
        "error": error,
        "server_id": server_id,
    }
    by_query = {name: value for name, value in given.items() if value is not None}
    if body is None and success is None:
        fault = {"loc": ("query", "success"), "msg": "Field required", "type": "missing"}
        raise RequestValidationError([fault])
    return CompleteJobDTO(**{**(body.changes() if body else {}), **by_query})


CompleteReportDep = Annotated[CompleteJobDTO, Depends(_complete_report)]


@router.post(
    "/jobs",
    response_model=JobCreatedDTO,
    status_code=201,
    summary="Queue a job",
    responses={
        400: {"description": "The clip belongs to another project."},
        404: {"description": "No such clip, server, template or workflow."},
        429: {"description": "QUEUE_FULL: as many jobs wait as may."},
    },
)
async def create_job(
    body: JobCreateDTO,
    generation: GenerationServiceDep,
    queue: QueueManagerDep,
    idempotency_key: IdempotencyKey = None,
) -> dict[str, object]:
    """It waits for a server that has what it needs.

    A repeat with the same `Idempotency-Key` answers the first job.
    """
    job = await generation.add_job(body, idempotency_key=idempotency_key)
    return {
        "job_id": job.id,
        "status": job.status,
        "message": "The job is in the queue.",
        "queue_position": await queue.position(job),
    }


@router.get("/jobs", response_model=list[JobResponseDTO], summary="List jobs, newest first")
async def list_jobs(
    view: QueueViewDep, page: PageDep, wanted: JobQueryDep, response: Response
) -> list[dict[str, object]]:
    """All filters together give what fits them all."""
    jobs, total = await view.page(skip=page.skip, limit=page.limit, **wanted._asdict())
    response.headers["X-Total-Count"] = str(total)
    return jobs


@router.get("/status", response_model=QueueStatusDTO, summary="Totals, and what each server does")
async def read_status(view: QueueViewDep) -> dict[str, object]:
    """Totals are kept, so that this is quick with any number of jobs."""
    return await view.status()


@router.get("/jobs/{job_id}", response_model=JobResponseDTO, summary="Read a job")
async def read_job(job_id: Id, view: QueueViewDep) -> dict[str, object]:
    """With every attempt, and why it waits or runs where it does."""
    return await view.job(job_id)


@router.get(
    "/projects/{project_id}/jobs",
    response_model=ProjectJobsDTO,
    summary="List a project's jobs, newest first, with their totals",
)
async def list_project_jobs(
    project_id: Id, view: QueueViewDep, page: PageDep, response: Response
) -> dict[str, object]:
    """`by_status` counts all of them, beyond this page."""
    shown = await view.project(project_id, skip=page.skip, limit=page.limit)
    response.headers["X-Total-Count"] = str(shown["total_jobs"])
    return shown


@router.post(
    "/servers/{server_id}/register",
    response_model=ServerRegisteredDTO,
    tags=["Workers"],
    summary="Set a ComfyUI server's capacity, or register an external worker",
    description="With the id of a registered ComfyUI server it sets its capacity and switches "
    "dispatch on or off. Any other id is an external worker that asks for jobs; repeating the "
    "call is its heartbeat and renews the leases of the jobs it holds.",
)
async def register_server(
    server_id: WorkerId, workers: WorkerServiceDep, body: RegisterServerDTO | None = None
) -> dict[str, object]:
    return await workers.register(server_id, body or RegisterServerDTO())


@router.get(
    "/servers/{server_id}/next",
    response_model=LeasedJobDTO,
    tags=["Workers"],
    summary="Lease the next job to an external worker",
    responses={
        404: {"description": "This worker never registered."},
        409: {"description": "SERVER_IS_PUSHED: StoryCanvas sends a ComfyUI server its jobs."},
        204: {"description": "There is no job for it now."},
    },
)
async def lease_next_job(server_id: WorkerId, workers: WorkerServiceDep, view: QueueViewDep) -> Any:
    """For workers that are no ComfyUI server; they register first.

    It gets the first job in turn that it can make, as it said when it registered. The lease ends
    by itself when no heartbeat comes, and the job goes to someone else.
    """
    job = await workers.next_job(server_id)
    return Response(status_code=204) if job is None else view.shown(job)


@router.post(
    "/jobs/{job_id}/complete",
    response_model=JobMessageDTO,
    tags=["Workers"],
    summary="Report how a leased job went, by query or by body",
    responses={409: {"description": "No worker holds the job: its lease ran out, say."}},
)
async def complete_job(
    job_id: Id, reports: WorkerReportsDep, report: CompleteReportDep
) -> dict[str, object]:
    """What `result_url` names becomes a take; so did what was handed in as files.

    What is in the query wins over the body. A late report changes nothing, but its result is kept
    as an extra take.
    """
    job = await reports.complete(job_id, report)
    return _said("The report was taken.", job)


@router.post(
    "/jobs/{job_id}/retry",
    response_model=JobMessageDTO,
    summary="Queue a failed or cancelled job again",
    responses={
        409: {"description": "It neither failed nor was cancelled."},
        429: {"description": "QUEUE_FULL: as many jobs wait as may."},
    },
)
async def retry_job(job_id: Id, queue: QueueManagerDep) -> dict[str, object]:
    """Its tries are counted anew."""
    return _said("The job is in the queue again.", await queue.retry(job_id))


@router.post(
    "/jobs/{job_id}/cancel",
    response_model=JobMessageDTO,
    summary="Cancel a job, and interrupt it where it runs",
    responses={409: {"description": "It has completed or failed already."}},
)
async def cancel_job(job_id: Id, queue: QueueManagerDep) -> dict[str, object]:
    """At its server it is interrupted by its own id, so that no other job there is hurt."""
    return _said("The job was cancelled.", await queue.cancel_by_id(job_id))


@router.delete(
    "/jobs/{job_id}",
    response_model=DeletedDTO,
    summary="Delete a job's record",
    responses={409: {"description": "It runs: cancel it first."}},
)
async def delete_job(job_id: Id, queue: QueueManagerDep) -> dict[str, object]:
    """Takes that it made stay."""
    await queue.delete(job_id)
    return {"message": "Job deleted.", "deleted": 1}


@router.delete(
    "/clear",
    response_model=JobsClearedDTO,
    summary="Delete every job of some statuses",
    responses={400: {"description": "Running jobs cannot be cleared: cancel them first."}},
)
async def clear_jobs(queue: QueueManagerDep, status: Statuses = _FINISHED) -> dict[str, object]:
    """Takes that they made stay. Jobs that run are left alone by 'all', and refused by name.

    No status named: those that are finished, as by default.
    """
    named = status if status.strip(" ,") else _FINISHED
    statuses = parse_statuses(named) or [s for s in JobStatus if s is not JobStatus.PROCESSING]
    cleared = await queue.clear(statuses)
    return {
        "message": f"{cleared} jobs were cleared.",
        "deleted_count": cleared,
        "status_filter": statuses,
    }


def _said(message: str, job: Job) -> dict[str, object]:
    return {"message": message, "job_id": job.id, "status": job.status}
