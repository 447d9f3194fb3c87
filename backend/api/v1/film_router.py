"""The film across its parts: reads that go one level down, and alternates beside the originals."""

from fastapi import Response

from backend.api.http.versioned_router import versioned_router
from backend.api.streams.film_json import timeline_json
from backend.api.streams.long_json import streamed
from backend.api.v1.dependencies import (
    AlternatesServiceDep,
    ClipServiceDep,
    Id,
    PageDep,
    SceneServiceDep,
    StoryReaderDep,
)
from backend.dtos.clip_dto import ClipResponseDTO
from backend.dtos.project_timeline_dto import ProjectTimelineDTO
from backend.dtos.scene_dto import SceneResponseDTO
from backend.models.clip import Clip
from backend.models.scene import Scene

router = versioned_router()


@router.get(
    "/projects/{project_id}/scenes",
    response_model=list[SceneResponseDTO],
    tags=["Scenes"],
    summary="List a project's scenes in order, as GET /scenes/project/{project_id} does",
    responses={404: {"description": "No such project."}},
)
async def list_scenes_of_project(
    project_id: Id, scenes: SceneServiceDep, page: PageDep, response: Response
) -> list[Scene]:
    """Alternates are among them; `is_alternate` tells them."""
    found, total = await scenes.page_for_project(project_id, skip=page.skip, limit=page.limit)
    response.headers["X-Total-Count"] = str(total)
    return found


@router.get(
    "/projects/{project_id}/timeline",
    response_model=ProjectTimelineDTO,
    tags=["Projects"],
    summary="Read a project with all its scenes and clips, in story order",
    responses={404: {"description": "No such project."}},
)
async def read_project_timeline(project_id: Id, story: StoryReaderDep) -> Response:
    """Everything that a timeline shows, in one answer."""
    return await streamed(timeline_json(*await story.film(project_id)))


@router.get(
    "/scenes/{scene_id}/clips",
    response_model=list[ClipResponseDTO],
    tags=["Clips"],
    summary="List a scene's clips along its timeline, as GET /clips/scene/{scene_id} does",
    responses={404: {"description": "No such scene."}},
)
async def list_clips_of_scene(
    scene_id: Id, clips: ClipServiceDep, page: PageDep, response: Response
) -> list[Clip]:
    """Alternates stand among the clips; `is_alternate` tells them."""
    found, total = await clips.page_for_scene(scene_id, skip=page.skip, limit=page.limit)
    response.headers["X-Total-Count"] = str(total)
    return found


@router.post(
    "/clips/{clip_id}/create-alternate",
    response_model=ClipResponseDTO,
    status_code=201,
    tags=["Clips"],
    summary="Copy a clip with its takes as a numbered alternate, outside the timeline",
    responses={404: {"description": "No such clip."}},
)
async def create_clip_alternate(clip_id: Id, alternates: AlternatesServiceDep) -> Clip:
    """Number within the original and copy; an alternate of an alternate belongs to the original.

    The alternate has files of its own, and stays when the original is deleted.
    """
    return await alternates.of_clip(clip_id)


@router.post(
    "/scenes/{scene_id}/create-alternate",
    response_model=SceneResponseDTO,
    status_code=201,
    tags=["Scenes"],
    summary="Copy a scene with its clips and takes as a numbered alternate, outside the film",
    responses={404: {"description": "No such scene."}},
)
async def create_scene_alternate(scene_id: Id, alternates: AlternatesServiceDep) -> Scene:
    """Number within the original and copy; an alternate of an alternate belongs to the original.

    Its clips are ordinary clips of its own timeline, which count in no total of the project.
    It stays when the original is deleted.
    """
    return await alternates.of_scene(scene_id)
