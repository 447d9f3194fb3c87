"""The pool: takes that a project keeps apart from its clips."""

from typing import Annotated

from fastapi import Query, Response

from backend.api.http.versioned_router import versioned_router
from backend.api.v1.dependencies import Id, PageDep, PoolServiceDep
from backend.dtos.clip_dto import ClipResponseDTO
from backend.dtos.pool_dto import PoolItemCreateDTO, PoolItemResponseDTO, PoolItemUpdateDTO
from backend.dtos.shared.common_dto import DeletedDTO
from backend.models.clip import Clip
from backend.models.content import ContentType
from backend.models.pool_item import PoolItem

router = versioned_router("/pool", tags=["Pool"])


@router.post(
    "",
    response_model=PoolItemResponseDTO,
    status_code=201,
    summary="Keep a take or an uploaded file in a project's pool",
    responses={
        400: {"description": "Of another project or kind, or no path under /uploads/."},
        404: {"description": "No such project, clip, take or file."},
        415: {"description": "The file is neither an image nor a video, or the body no JSON."},
        507: {"description": "The disk is full."},
    },
)
async def create_pool_item(body: PoolItemCreateDTO, pool: PoolServiceDep) -> PoolItem:
    """The pool copies the file, so that its source may go."""
    return await pool.create(body)


@router.get(
    "/{project_id}",
    response_model=list[PoolItemResponseDTO],
    summary="List a project's pool, newest first",
    responses={404: {"description": "No such project."}},
)
async def list_pool_items(
    project_id: Id,
    pool: PoolServiceDep,
    page: PageDep,
    response: Response,
    content_type: Annotated[
        ContentType | None, Query(description="Left out: images and videos.")
    ] = None,
) -> list[PoolItem]:
    """Without a `content_type`, images and videos are mixed."""
    items, total = await pool.page(project_id, content_type, skip=page.skip, limit=page.limit)
    response.headers["X-Total-Count"] = str(total)
    return items


@router.get(
    "/item/{item_id}",
    response_model=PoolItemResponseDTO,
    summary="Read a pool item",
    responses={404: {"description": "No such pool item."}},
)
async def read_pool_item(item_id: Id, pool: PoolServiceDep) -> PoolItem:
    """With how it was made, as far as that is known."""
    return await pool.get(item_id)


@router.put(
    "/item/{item_id}",
    response_model=PoolItemResponseDTO,
    summary="Change what is written about a pool item",
    responses={404: {"description": "No such pool item."}},
)
async def update_pool_item(item_id: Id, body: PoolItemUpdateDTO, pool: PoolServiceDep) -> PoolItem:
    """Only what is sent changes; the file stays."""
    return await pool.update(item_id, body)


@router.delete(
    "/item/{item_id}",
    response_model=DeletedDTO,
    summary="Delete a pool item with its file; clips keep what they got of it",
    responses={404: {"description": "No such pool item."}},
)
async def delete_pool_item(item_id: Id, pool: PoolServiceDep) -> dict[str, object]:
    """There is no way back."""
    deleted = await pool.delete(item_id)
    return {"message": "Pool item deleted.", "deleted": deleted}


@router.post(
    "/item/{item_id}/apply-to-clip/{clip_id}",
    response_model=ClipResponseDTO,
    summary="Put a pool item into a clip's gallery, once, and have the clip show it",
    responses={
        400: {"description": "The clip belongs to another project."},
        404: {"description": "No such pool item or clip, or the item's file is gone."},
    },
)
async def apply_pool_item(item_id: Id, clip_id: Id, pool: PoolServiceDep) -> Clip:
    """The clip gets a copy of the file. Doing it again adds nothing."""
    return await pool.apply(item_id, clip_id)
