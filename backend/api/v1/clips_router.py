"""Clips: stretches of a scene's timeline, with their prompts and galleries."""

from typing import Annotated

from fastapi import Query, Response

from backend.api.http.versioned_router import versioned_router
from backend.api.streams.gallery_json import WithGraphs, gallery_json
from backend.api.v1.dependencies import (
    ClipServiceDep,
    GalleryManagerDep,
    GenerationServiceDep,
    Id,
    PageDep,
)
from backend.dtos.clip_dto import (
    ClipCreatedDTO,
    ClipCreateDTO,
    ClipMovedDTO,
    ClipResponseDTO,
    ClipUpdateDTO,
    GalleryDTO,
    GalleryWithGraphsDTO,
    PromptsDTO,
    TimelinePositionDTO,
)
from backend.dtos.shared.common_dto import DeletedDTO, OverlapErrorDTO, Prompt
from backend.models.clip import Clip
from backend.services.film.timeline_analysis import summary_of

router = versioned_router("/clips", tags=["Clips"])


@router.post(
    "",
    response_model=ClipCreatedDTO,
    status_code=201,
    summary="Create a clip and queue a job for its prompt",
    responses={
        404: {"description": "No such scene."},
        409: {
            "description": "TIMELINE_FULL: no clip may start so late; name a `timeline_position`."
        },
    },
)
async def create_clip(body: ClipCreateDTO, generation: GenerationServiceDep) -> dict[str, object]:
    """Without `timeline_position` it comes after the last clip.

    An `image_prompt`, or else a `video_prompt`, queues one job of that kind, unless
    `auto_generate` is false. When the queue is full there is a clip, but no job: `queued_job_ids`
    is empty.
    """
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
    """Alternates stand among the clips; `is_alternate` tells them."""
    found, total = await clips.page_for_scene(scene_id, skip=page.skip, limit=page.limit)
    response.headers["X-Total-Count"] = str(total)
    return found


@router.get("/{clip_id}", response_model=ClipResponseDTO, summary="Read a clip")
async def read_clip(clip_id: Id, clips: ClipServiceDep) -> Clip:
    """With all its takes."""
    return await clips.get(clip_id)


@router.get(
    "/{clip_id}/gallery",
    response_model=GalleryDTO | GalleryWithGraphsDTO,
    tags=["Takes"],
    summary="Read a clip's takes",
)
async def read_gallery(
    clip_id: Id,
    clips: ClipServiceDep,
    galleries: GalleryManagerDep,
    include: WithGraphs = None,
) -> dict[str, object] | Response:
    """The first take of a kind is selected by itself."""
    clip = await clips.get(clip_id)
    gallery: dict[str, object] = {
        "images": clip.generated_images,
        "videos": clip.generated_videos,
        "selected_image_id": clip.selected_image_id,
        "selected_video_id": clip.selected_video_id,
    }
    if include is None:
        return gallery
    graphs = await galleries.graphs_of(clip.project_id, clip.takes)
    return await gallery_json(GalleryDTO.model_validate(gallery), graphs)


@router.put(
    "/{clip_id}",
    response_model=ClipResponseDTO,
    summary="Change a clip",
    responses={
        400: {"description": "TAKE_NOT_FOUND: a selection names no take in this clip's gallery."},
        409: {"description": "CLIP_BUSY: too many changes at once; try again."},
    },
)
async def update_clip(clip_id: Id, body: ClipUpdateDTO, clips: ClipServiceDep) -> Clip:
    """Only what is sent changes. Overlaps are allowed here."""
    return await clips.update(clip_id, body)


@router.put(
    "/{clip_id}/timeline-position",
    response_model=ClipMovedDTO,
    summary="Move a clip along its scene's timeline",
    responses={
        409: {
            "model": OverlapErrorDTO,
            "description": "It would overlap; `suggested_position` fits. SCENE_BUSY: too many "
            "changes at once; try again.",
        }
    },
)
async def move_clip(
    clip_id: Id,
    body: TimelinePositionDTO,
    clips: ClipServiceDep,
    check_overlap: Annotated[bool, Query(description="Refuse a place that is taken.")] = True,
) -> dict[str, object]:
    """With `check_overlap=false` it goes where it is told to, whatever is there."""
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
    image_prompt: Annotated[Prompt | None, Query(description="What its images show.")] = None,
    video_prompt: Annotated[Prompt | None, Query(description="What its videos show.")] = None,
) -> Clip:
    """What is in the query wins over the body. No job is queued.

    Long prompts belong into the body: addresses of over 64 KiB are refused.
    """
    by_query = {"image_prompt": image_prompt, "video_prompt": video_prompt}
    given = {name: prompt for name, prompt in by_query.items() if prompt is not None}
    changes = {**(body.changes() if body else {}), **given}
    return await clips.set_prompts(clip_id, PromptsDTO(**changes))


@router.delete("/{clip_id}", response_model=DeletedDTO, summary="Delete a clip with its takes")
async def delete_clip(clip_id: Id, clips: ClipServiceDep) -> dict[str, object]:
    """Its jobs are cancelled. There is no way back."""
    deleted = await clips.delete(clip_id)
    return {"message": "Clip deleted.", "deleted": deleted}
