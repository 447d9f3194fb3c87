"""Selecting a take (1), beyond the 65."""

from typing import Annotated

from fastapi import Query

from backend.api.http.versioned_router import versioned_router
from backend.api.v1.dependencies import ClipServiceDep, Id
from backend.dtos.clip_dto import ClipResponseDTO
from backend.models.clip import Clip
from backend.models.content import ContentType

router = versioned_router("/clips", tags=["Selection"])


@router.put(
    "/{clip_id}/select-content",
    response_model=ClipResponseDTO,
    summary="Choose the image or video that a clip shows; gives the clip",
    responses={
        400: {"description": "The take is of the other kind."},
        404: {"description": "No such clip, or no such take in its gallery."},
    },
)
async def select_content(
    clip_id: Id,
    clips: ClipServiceDep,
    content_id: Annotated[str, Query(min_length=1, max_length=100, description="The take's id.")],
    content_type: Annotated[ContentType, Query(description="Which gallery it is in.")],
) -> Clip:
    """Exports and the pool use what is selected."""
    return await clips.select(clip_id, content_id, content_type)
