"""What those hear who wait for a take."""

from collections import Counter
from typing import Final

from fastapi import Response

from backend.api.http.versioned_router import Responses
from backend.dtos.generation_dto import GenerationQueuedDTO
from backend.models.content import ContentType
from backend.models.job import Job
from backend.services.generation.awaited_jobs import Generated

#: What both routes that wait for a take may answer beside it, said the same way.
WAITED: Final[Responses] = {
    202: {"model": GenerationQueuedDTO, "description": "It waits or runs; ask for the job."},
    429: {"description": "QUEUE_FULL: as many jobs wait as may."},
    507: {"description": "The disk is full."},
}


def generated(result: Job | Generated, response: Response) -> dict[str, object]:
    """The take, or 202 and the job that is to make it."""
    if isinstance(result, Generated):
        kinds = Counter(take.content_type for take in result.gallery)
        return {
            "message": f"One {result.content.content_type} generated.",
            "content": result.content,
            "total_images": kinds[ContentType.IMAGE],
            "total_videos": kinds[ContentType.VIDEO],
            "job_id": result.job.id,
        }
    response.status_code = 202
    message = "The job is in the queue; GET /queue/jobs/{id} tells how it goes."
    return {"job_id": result.id, "status": result.status, "message": message}
