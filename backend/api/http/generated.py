"""What those hear who wait for a take."""

from collections import Counter
from typing import Final

from fastapi import Response

from backend.api.http.versioned_router import Responses
from backend.dtos.generation_dto import GenerationQueuedDTO
from backend.models.content import ContentType, GeneratedContent
from backend.models.job import Job
from backend.services.generation.awaited_jobs import Generated

#: What both routes that wait for a take may answer beside it, said the same way.
WAITED: Final[Responses] = {
    202: {"model": GenerationQueuedDTO, "description": "It waits or runs; ask for the job."},
    429: {"description": "QUEUE_FULL: as many jobs wait as may."},
    507: {"description": "The disk is full."},
}


def made_by(result: Generated) -> list[GeneratedContent]:
    """Every take that the job has in the gallery."""
    return [take for take in result.gallery if take.job_id == result.job.id]


def with_samples(result: Job | Generated, told: dict[str, object]) -> dict[str, object]:
    """Tell the pictures of a character in the shape in which web clients list them."""
    takes = made_by(result) if isinstance(result, Generated) else []
    samples = [
        {"url": take.url, "method": take.model_type or "", "prompt": take.prompt} for take in takes
    ]
    return {**told, "samples": samples, "total_generated": len(samples)}


def generated(result: Job | Generated, response: Response) -> dict[str, object]:
    """The take, or 202 and the job that is to make it."""
    if isinstance(result, Generated):
        kinds = Counter(take.content_type for take in result.gallery)
        made = len(made_by(result))
        kind = result.content.content_type
        return {
            "message": f"One {kind} generated." if made == 1 else f"{made} {kind}s generated.",
            "content": result.content,
            "total_images": kinds[ContentType.IMAGE],
            "total_videos": kinds[ContentType.VIDEO],
            "job_id": result.job.id,
        }
    response.status_code = 202
    message = "The job is in the queue; GET /queue/jobs/{id} tells how it goes."
    return {"job_id": result.id, "status": result.status, "message": message}
