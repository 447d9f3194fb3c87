"""The queue."""

from typing import Annotated, NamedTuple

from fastapi import APIRouter, Depends, Query, Response

from backend.api.dependencies import (
    GenerationServiceDep,
    Id,
    IdempotencyKey,
    PageDep,
    QueueManagerDep,
    QueueViewDep,
)
from backend.api.strict_json import StrictJsonRoute
from backend.dtos.queue_dto import JobCreatedDTO, JobCreateDTO, JobResponseDTO, QueueStatusDTO
from backend.models.job import JobStatus
from backend.services.queue_view import parse_statuses

router = APIRouter(prefix="/queue", tags=["Queue"], route_class=StrictJsonRoute)

FilterId = Annotated[str | None, Query(min_length=1, max_length=100)]
Statuses = Annotated[
    str,
    Query(
        max_length=200,
        description="One status, a comma list, or 'all'.",
        examples=["processing,pending"],
    ),
]


class JobQuery(NamedTuple):
    statuses: list[JobStatus]
    project_id: str | None
    clip_id: str | None
    batch_id: str | None


def _job_query(
    status: Statuses = "all",
    project_id: FilterId = None,
    clip_id: FilterId = None,
    batch_id: FilterId = None,
) -> JobQuery:
    return JobQuery(parse_statuses(status), project_id, clip_id, batch_id)


JobQueryDep = Annotated[JobQuery, Depends(_job_query)]


@router.post("/jobs", response_model=JobCreatedDTO, status_code=201, summary="Queue a job")
async def create_job(
    body: JobCreateDTO,
    generation: GenerationServiceDep,
    queue: QueueManagerDep,
    idempotency_key: IdempotencyKey = None,
) -> dict[str, object]:
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
    jobs, total = await view.page(skip=page.skip, limit=page.limit, **wanted._asdict())
    response.headers["X-Total-Count"] = str(total)
    return jobs


@router.get("/status", response_model=QueueStatusDTO, summary="Totals, and what each server does")
async def read_status(view: QueueViewDep) -> dict[str, object]:
    return await view.status()


@router.get("/jobs/{job_id}", response_model=JobResponseDTO, summary="Read a job")
async def read_job(job_id: Id, view: QueueViewDep) -> dict[str, object]:
    return await view.job(job_id)
