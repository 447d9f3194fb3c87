"""Generation: have one take made and wait for it, or one for each of many clips."""

from fastapi import Response

from backend.api.http.generated import WAITED, generated
from backend.api.http.versioned_router import versioned_router
from backend.api.streams.batch_json import batch_json
from backend.api.v1.dependencies import (
    BatchServiceDep,
    GenerationServiceDep,
    Id,
    IdempotencyKey,
    PageDep,
    Prefer,
)
from backend.dtos.batch_dto import BatchCreateDTO, BatchListDTO, BatchResponseDTO
from backend.dtos.generation_dto import GeneratedDTO, GenerateDTO, GenerationQueuedDTO

router = versioned_router("/generate", tags=["Generation"])


@router.post(
    "",
    response_model=GeneratedDTO | GenerationQueuedDTO,
    summary="Generate an image or video for a clip and wait for it",
    responses={
        **WAITED,
        404: {"description": "No such clip, server, template or workflow."},
        409: {"description": "The job was cancelled, or its take removed, meanwhile."},
        502: {"description": "The server, or the video provider, could not make it."},
        503: {"description": "The server, the video provider or the database is away."},
        504: {"description": "The server or the video provider took too long."},
    },
)
async def generate(
    body: GenerateDTO,
    generation: GenerationServiceDep,
    response: Response,
    prefer: Prefer = None,
) -> dict[str, object]:
    """The job goes ahead of batch work, and the answer waits for it up to GENERATE_WAIT_SECONDS.

    After that, and with `Prefer: respond-async`, the answer is 202 and the job goes on. Who hangs
    up cancels nothing.

    422 also tells what the job lacks: PROMPT_MISSING, MODEL_UNAVAILABLE with what each server has
    instead, WORKFLOW_REJECTED with ComfyUI's words.
    """
    result = await generation.generate(body, wait="respond-async" not in (prefer or ""))
    return generated(result, response)


@router.post(
    "/batch",
    response_model=BatchResponseDTO,
    status_code=201,
    summary="Queue a job for each of up to 10,000 clips",
    responses={
        404: {"description": "No such server, template or workflow."},
        429: {"description": "QUEUE_FULL: the queue has no room for all of it."},
    },
)
async def generate_batch(
    body: BatchCreateDTO, batches: BatchServiceDep, idempotency_key: IdempotencyKey = None
) -> Response:
    """A clip that cannot have a job fails alone, and is named in `results`.

    Of more than 500 clips the first jobs are stored when the answer comes, and the others within
    seconds, whatever becomes of the server meanwhile. All are named and wait already; whoever asks
    for one of them, or cancels it, finds it.
    """
    shown = await batches.create(body, idempotency_key=idempotency_key)
    return await batch_json(shown, status=201)


@router.get(
    "/batch/{batch_id}",
    response_model=BatchResponseDTO,
    summary="Read a batch, from its jobs as they stand",
)
async def read_batch(batch_id: Id, batches: BatchServiceDep) -> Response:
    """It outlives restarts."""
    return await batch_json(await batches.get(batch_id))


@router.get("/batches", response_model=BatchListDTO, summary="List batches, newest first")
async def list_batches(
    batches: BatchServiceDep, page: PageDep, response: Response
) -> dict[str, object]:
    """Without their rows: `GET /generate/batch/{batch_id}` gives those."""
    found, total = await batches.newest(skip=page.skip, limit=page.limit)
    response.headers["X-Total-Count"] = str(total)
    return {"batches": found, "total": total}
