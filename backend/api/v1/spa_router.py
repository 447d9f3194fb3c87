"""Reads that the web client makes (5), beyond the 65."""

from fastapi import Response

from backend.api.http.versioned_router import versioned_router
from backend.api.streams.server_json import detail_json
from backend.api.streams.story_stream import film_chunks, project_json, streamed
from backend.api.v1.dependencies import (
    ClipServiceDep,
    ComfyUIServiceDep,
    Id,
    PageDep,
    SceneServiceDep,
    StoryReaderDep,
)
from backend.dtos.clip_dto import ClipResponseDTO
from backend.dtos.comfyui_dto import ServerDetailDTO
from backend.dtos.scene_dto import SceneResponseDTO
from backend.dtos.spa_dto import ProjectTimelineDTO, ServerWorkflowsDTO
from backend.models.clip import Clip
from backend.models.scene import Scene

router = versioned_router(tags=["Web client"])


@router.get(
    "/projects/{project_id}/scenes",
    response_model=list[SceneResponseDTO],
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
    summary="Read a project with all its scenes and clips, in story order",
    responses={404: {"description": "No such project."}},
)
async def read_project_timeline(project_id: Id, story: StoryReaderDep) -> Response:
    """Everything that a timeline shows, in one answer."""
    project, scenes, parts = await story.film(project_id)
    head = b'{"project":' + project_json(project) + b',"scenes":['
    return await streamed(film_chunks(head, scenes, parts))


@router.get(
    "/scenes/{scene_id}/clips",
    response_model=list[ClipResponseDTO],
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


@router.get(
    "/comfyui/servers/{server_id}",
    response_model=ServerDetailDTO,
    summary="Read a server with its models and LoRAs, all as last seen",
    responses={404: {"description": "No such server."}},
)
async def read_server(server_id: Id, servers: ComfyUIServiceDep) -> Response:
    """Nobody is asked; `GET /comfyui/servers/{server_id}/info` does that."""
    return await detail_json(await servers.detail(server_id))


@router.get(
    "/comfyui/servers/{server_id}/workflows",
    response_model=ServerWorkflowsDTO,
    summary="Ask a server what it can render, and what it lacks for the rest",
    responses={404: {"description": "No such server."}},
)
async def read_server_workflows(server_id: Id, servers: ComfyUIServiceDep) -> dict[str, object]:
    """A model family is available when the server has its nodes and files."""
    return await servers.workflows(server_id)
