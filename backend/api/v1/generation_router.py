"""Generation."""

from fastapi import APIRouter, Response

from backend.api.dependencies import GenerationServiceDep, Prefer
from backend.api.strict_json import StrictJsonRoute
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
