"""Generation (4)."""

from fastapi import APIRouter, Response

from backend.api.dependencies import (
    BatchServiceDep,
    GenerationServiceDep,
    Id,
    IdempotencyKey,
    PageDep,
    Prefer,
)
from backend.api.strict_json import StrictJsonRoute
from backend.dtos.batch_dto import BatchCreateDTO, BatchListDTO, BatchResponseDTO
from backend.dtos.generation_dto import GeneratedDTO, GenerateDTO, GenerationQueuedDTO
from backend.services.generation_service import Generated

router = APIRouter(prefix="/generate", tags=["Generation"], route_class=StrictJsonRoute)


@router.post(
    "",
    response_model=GeneratedDTO | GenerationQueuedDTO,
    summary="Generate an image or video for a clip and wait for it",
    responses={
        202: {"model": GenerationQueuedDTO, "description": "It waits or runs; ask for the job."},
        502: {"description": "The ComfyUI server could not render it."},
    },
)
async def generate(
    body: GenerateDTO,
    generation: GenerationServiceDep,
    response: Response,
    prefer: Prefer = None,
) -> dict[str, object]:
    result = await generation.generate(body, wait="respond-async" not in (prefer or ""))
    if isinstance(result, Generated):
        return {
            "message": f"One {result.content.content_type} generated.",
            "content": result.content,
            "total_images": len(result.clip.generated_images),
            "total_videos": len(result.clip.generated_videos),
            "job_id": result.job.id,
        }
    response.status_code = 202
    message = "The job is in the queue; GET /queue/jobs/{id} tells how it goes."
    return {"job_id": result.id, "status": result.status, "message": message}


@router.post(
    "/batch",
    response_model=BatchResponseDTO,
    status_code=201,
    summary="Queue a job for each of up to 10,000 clips",
)
async def generate_batch(
    body: BatchCreateDTO, batches: BatchServiceDep, idempotency_key: IdempotencyKey = None
) -> dict[str, object]:
    return await batches.create(body, idempotency_key=idempotency_key)


@router.get(
    "/batch/{batch_id}",
    response_model=BatchResponseDTO,
    summary="Read a batch, from its jobs as they stand",
)
async def read_batch(batch_id: Id, batches: BatchServiceDep) -> dict[str, object]:
    return await batches.get(batch_id)


@router.get("/batches", response_model=BatchListDTO, summary="List batches, newest first")
async def list_batches(
    batches: BatchServiceDep, page: PageDep, response: Response
) -> dict[str, object]:
    found, total = await batches.newest(skip=page.skip, limit=page.limit)
    response.headers["X-Total-Count"] = str(total)
    return {"batches": found, "total": total}
