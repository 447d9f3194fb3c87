"""Clips (8)."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from backend.api.dependencies import ClipServiceDep, GenerationServiceDep, Id, PageDep
from backend.api.strict_json import StrictJsonRoute
from backend.dtos.clip_dto import (
    ClipCreatedDTO,
    ClipCreateDTO,
    ClipMovedDTO,
    ClipResponseDTO,
    ClipUpdateDTO,
    GalleryDTO,
    PromptsDTO,
    TimelinePositionDTO,
)
from backend.dtos.common_dto import DeletedDTO, Prompt
from backend.models.clip import Clip
from backend.services.timeline_analysis import summary_of

router = APIRouter(prefix="/clips", tags=["Clips"], route_class=StrictJsonRoute)


@router.post(
    "",
    response_model=ClipCreatedDTO,
    status_code=201,
    summary="Create a clip and queue a job for its prompt",
)
async def create_clip(body: ClipCreateDTO, generation: GenerationServiceDep) -> dict[str, object]:
    clip, job_ids = await generation.create_clip(body)
    return {**dict(clip), "queued_job_ids": job_ids}


@router.get(
    "/scene/{scene_id}",
    response_model=list[ClipResponseDTO],
    summary="List a scene's clips along its timeline",
)
async def list_scene_clips(
    scene_id: Id, clips: ClipServiceDep, page: PageDep, response: Response
) -> list[Clip]:
    found, total = await clips.page_for_scene(scene_id, skip=page.skip, limit=page.limit)
    response.headers["X-Total-Count"] = str(total)
    return found


@router.get("/{clip_id}", response_model=ClipResponseDTO, summary="Read a clip")
async def read_clip(clip_id: Id, clips: ClipServiceDep) -> Clip:
    return await clips.get(clip_id)


@router.get("/{clip_id}/gallery", response_model=GalleryDTO, summary="Read a clip's takes")
async def read_gallery(clip_id: Id, clips: ClipServiceDep) -> dict[str, object]:
    clip = await clips.get(clip_id)
    return {
        "images": clip.generated_images,
        "videos": clip.generated_videos,
        "selected_image_id": clip.selected_image_id,
        "selected_video_id": clip.selected_video_id,
    }


@router.put("/{clip_id}", response_model=ClipResponseDTO, summary="Change a clip")
async def update_clip(clip_id: Id, body: ClipUpdateDTO, clips: ClipServiceDep) -> Clip:
    return await clips.update(clip_id, body)


@router.put(
    "/{clip_id}/timeline-position",
    response_model=ClipMovedDTO,
    summary="Move a clip along its scene's timeline",
    responses={409: {"description": "It would overlap; `suggested_position` fits."}},
)
async def move_clip(
    clip_id: Id,
    body: TimelinePositionDTO,
    clips: ClipServiceDep,
    check_overlap: Annotated[bool, Query(description="Refuse a place that is taken.")] = True,
) -> dict[str, object]:
    report = await clips.move(clip_id, body.position, check_overlap=check_overlap)
    return {
        "message": "Clip moved.",
        "clip_id": clip_id,
        "new_position": body.position,
        "timeline_summary": summary_of(report),
    }


@router.put(
    "/{clip_id}/prompts",
    response_model=ClipResponseDTO,
    summary="Change a clip's prompts, by query or by body",
)
async def update_prompts(
    clip_id: Id,
    clips: ClipServiceDep,
    body: PromptsDTO | None = None,
    image_prompt: Annotated[Prompt | None, Query()] = None,
    video_prompt: Annotated[Prompt | None, Query()] = None,
) -> Clip:
    by_query = {"image_prompt": image_prompt, "video_prompt": video_prompt}
    given = {name: prompt for name, prompt in by_query.items() if prompt is not None}
    changes = {**(body.changes() if body else {}), **given}
    return await clips.set_prompts(clip_id, PromptsDTO(**changes))


@router.delete("/{clip_id}", response_model=DeletedDTO, summary="Delete a clip with its takes")
async def delete_clip(clip_id: Id, clips: ClipServiceDep) -> dict[str, object]:
    deleted = await clips.delete(clip_id)
    return {"message": "Clip deleted.", "deleted": deleted}
