"""The video provider: what it holds of ours, by OpenAI's Videos API."""

from typing import Annotated, Any, Literal

from fastapi import Path, Query

from backend.api.http.versioned_router import versioned_router
from backend.api.v1.dependencies import OpenAIVideoServiceDep
from backend.dtos.openai_dto import VideoDeletedDTO, VideoDTO, VideoListDTO
from backend.dtos.shared.common_dto import ErrorDTO

_UPSTREAM: dict[int | str, dict[str, Any]] = {
    404: {"model": ErrorDTO, "description": "The provider does not know it."},
    502: {"model": ErrorDTO, "description": "The provider refused; its words are the message."},
    503: {
        "model": ErrorDTO,
        "description": "OPENAI_NOT_CONFIGURED: no key. PROVIDER_RETIRED: OPENAI_BASE_URL is "
        "OpenAI's own host, which was shut down. PROVIDER_UNREACHABLE: nobody answers there.",
    },
    504: {"model": ErrorDTO, "description": "The provider did not answer in time."},
}

router = versioned_router("/openai/videos", tags=["Video provider"], responses=_UPSTREAM)

VideoId = Annotated[
    str,
    Path(min_length=1, max_length=500, description="The provider's id.", examples=["video_68d7"]),
]


@router.get(
    "",
    response_model=VideoListDTO,
    response_model_exclude_unset=True,
    summary="List the videos at the provider",
)
async def list_openai_videos(
    videos: OpenAIVideoServiceDep,
    limit: Annotated[int, Query(ge=1, le=100, description="How many to give.")] = 20,
    after: Annotated[
        str | None, Query(max_length=500, description="Go on after this video's id.")
    ] = None,
    order: Annotated[
        Literal["asc", "desc"], Query(description="By age: asc gives the oldest first.")
    ] = "desc",
) -> dict[str, Any]:
    """Asked anew each time; nothing is kept here."""
    return await videos.list_videos(limit=limit, after=after, order=order)


@router.get(
    "/{video_id}",
    response_model=VideoDTO,
    response_model_exclude_unset=True,
    summary="Look at one video at the provider",
)
async def read_openai_video(video_id: VideoId, videos: OpenAIVideoServiceDep) -> dict[str, Any]:
    """Asked anew each time; nothing is kept here."""
    return await videos.get(video_id)


@router.delete(
    "/{video_id}",
    response_model=VideoDeletedDTO,
    summary="Delete a video at the provider; takes fetched from it stay",
)
async def delete_openai_video(video_id: VideoId, videos: OpenAIVideoServiceDep) -> dict[str, Any]:
    """There is no way back."""
    return await videos.delete(video_id)
