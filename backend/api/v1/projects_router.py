"""Projects: a film each, with its scenes and clips."""

from typing import Annotated

from fastapi import Query, Response

from backend.api.http.versioned_router import versioned_router
from backend.api.streams.story_stream import JSON, clip_array, film_chunks, project_json, streamed
from backend.api.v1.dependencies import Id, PageDep, ProjectServiceDep, StoryReaderDep
from backend.dtos.clip_dto import ClipResponseDTO
from backend.dtos.project_dto import (
    ProjectCreateDTO,
    ProjectListDTO,
    ProjectResponseDTO,
    ProjectUpdateDTO,
    ProjectWithScenesDTO,
)
from backend.dtos.shared.common_dto import DeletedDTO
from backend.models.project import Project

router = versioned_router("/projects", tags=["Projects"])


@router.post("", response_model=ProjectResponseDTO, status_code=201, summary="Create a project")
async def create_project(body: ProjectCreateDTO, projects: ProjectServiceDep) -> Project:
    """It has no scenes yet; `POST /scenes` gives it some."""
    return await projects.create(body)


@router.get("", response_model=ProjectListDTO, summary="List projects, newest change first")
async def list_projects(
    projects: ProjectServiceDep,
    page: PageDep,
    response: Response,
    search: Annotated[str, Query(max_length=200, description="In name and description.")] = "",
) -> dict[str, object]:
    """A change of its scenes or clips counts as a change of a project."""
    found, total = await projects.list_newest(search, skip=page.skip, limit=page.limit)
    response.headers["X-Total-Count"] = str(total)
    return {"projects": found, "total": total}


@router.get("/{project_id}", response_model=ProjectResponseDTO, summary="Read a project")
async def read_project(project_id: Id, projects: ProjectServiceDep) -> Project:
    """With its totals; `/with-scenes` and `/timeline` give what is in it, too."""
    return await projects.get(project_id)


@router.get(
    "/{project_id}/with-scenes",
    response_model=ProjectWithScenesDTO,
    summary="Read a project with its scenes in order",
)
async def read_project_with_scenes(
    project_id: Id,
    projects: ProjectServiceDep,
    story: StoryReaderDep,
    include_clips: Annotated[bool, Query(description="Add `clips` to each scene.")] = False,
) -> object:
    """Alternates stand among the scenes; `is_alternate` tells them."""
    if not include_clips:
        return await projects.with_scenes(project_id)
    project, scenes, parts = await story.film(project_id)
    head = project_json(project)[:-1] + b',"scenes":['
    return await streamed(film_chunks(head, scenes, parts))


@router.put("/{project_id}", response_model=ProjectResponseDTO, summary="Change a project")
async def update_project(
    project_id: Id, body: ProjectUpdateDTO, projects: ProjectServiceDep
) -> Project:
    """Only what is sent changes. Seconds stay as they are when the frame rate changes."""
    return await projects.update(project_id, body)


@router.get(
    "/{project_id}/clips",
    response_model=list[ClipResponseDTO],
    summary="List a project's clips in story order",
)
async def list_project_clips(project_id: Id, story: StoryReaderDep, page: PageDep) -> Response:
    """By the order of their scenes, then by their place on the timeline."""
    parts, total = await story.page(project_id, skip=page.skip, limit=page.limit)
    headers = {"X-Total-Count": str(total)}
    return Response(await clip_array(parts), media_type=JSON, headers=headers)


@router.delete(
    "/{project_id}",
    response_model=DeletedDTO,
    summary="Delete a project with its scenes, clips, jobs and media",
)
async def delete_project(project_id: Id, projects: ProjectServiceDep) -> dict[str, object]:
    """Its characters and its pool go too. There is no way back.

    Jobs that wait are cancelled, jobs that run are interrupted at their server.
    """
    deleted = await projects.delete(project_id)
    return {"message": "Project deleted.", "deleted": deleted}
