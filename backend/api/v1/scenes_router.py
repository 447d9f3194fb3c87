"""Scenes: the ordered parts of a project, and what is wrong on their timelines."""

from fastapi import Response

from backend.api.http.versioned_router import versioned_router
from backend.api.v1.dependencies import Id, PageDep, SceneServiceDep, TimelineAnalystDep
from backend.dtos.scene_dto import (
    SceneCreateDTO,
    SceneResponseDTO,
    SceneUpdateDTO,
    TimelineAnalysisDTO,
)
from backend.dtos.shared.common_dto import DeletedDTO
from backend.models.scene import Scene

router = versioned_router("/scenes", tags=["Scenes"])


@router.post(
    "",
    response_model=SceneResponseDTO,
    status_code=201,
    summary="Create a scene",
    responses={
        400: {"description": "The parent scene belongs to another project."},
        404: {"description": "No such project or parent scene."},
    },
)
async def create_scene(body: SceneCreateDTO, scenes: SceneServiceDep) -> Scene:
    """Without `order` it comes last."""
    return await scenes.create(body)


@router.get(
    "/project/{project_id}",
    response_model=list[SceneResponseDTO],
    summary="List a project's scenes in order",
)
async def list_project_scenes(
    project_id: Id, scenes: SceneServiceDep, page: PageDep, response: Response
) -> list[Scene]:
    """Alternates are among them; `is_alternate` tells them."""
    found, total = await scenes.page_for_project(project_id, skip=page.skip, limit=page.limit)
    response.headers["X-Total-Count"] = str(total)
    return found


@router.get("/{scene_id}", response_model=SceneResponseDTO, summary="Read a scene")
async def read_scene(scene_id: Id, scenes: SceneServiceDep) -> Scene:
    """With its totals; `GET /clips/scene/{scene_id}` gives its clips."""
    return await scenes.get(scene_id)


@router.put(
    "/{scene_id}",
    response_model=SceneResponseDTO,
    summary="Change a scene",
    responses={
        400: {"description": "The parent belongs to another project, or descends from this scene."},
        404: {"description": "No such scene or parent scene."},
        409: {"description": "An alternate stays with its original."},
    },
)
async def update_scene(scene_id: Id, body: SceneUpdateDTO, scenes: SceneServiceDep) -> Scene:
    """Only what is sent changes. An alternate keeps its original."""
    return await scenes.update(scene_id, body)


@router.delete("/{scene_id}", response_model=DeletedDTO, summary="Delete a scene with its clips")
async def delete_scene(scene_id: Id, scenes: SceneServiceDep) -> dict[str, object]:
    """Their takes go too, and jobs of its clips are cancelled. There is no way back."""
    deleted = await scenes.delete(scene_id)
    return {"message": "Scene deleted.", "deleted": deleted}


@router.get(
    "/{scene_id}/timeline-analysis",
    response_model=TimelineAnalysisDTO,
    summary="Find gaps and overlaps on a scene's timeline",
)
async def analyse_timeline(scene_id: Id, analyst: TimelineAnalystDep) -> Response:
    """Gaps and overlaps under 1 ms do not count. Nothing is changed."""
    return Response(await analyst.answer(scene_id), media_type="application/json")
