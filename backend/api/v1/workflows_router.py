"""Saved workflows: graphs of the user's own that a project keeps."""

from typing import Annotated, Any

from fastapi import Query, Response

from backend.api.http.versioned_router import versioned_router
from backend.api.v1.dependencies import Id, PageDep, WorkflowServiceDep
from backend.dtos.shared.common_dto import DeletedDTO
from backend.dtos.workflow_dto import (
    WorkflowCreateDTO,
    WorkflowResponseDTO,
    WorkflowSummaryDTO,
    WorkflowUpdateDTO,
)

router = versioned_router("/workflows", tags=["Workflows"])


@router.post(
    "",
    response_model=WorkflowResponseDTO,
    status_code=201,
    summary="Save a workflow in a project",
    responses={404: {"description": "No such project."}},
)
async def create_workflow(body: WorkflowCreateDTO, workflows: WorkflowServiceDep) -> dict[str, Any]:
    """A generation request names it by `params.workflow_id`.

    422 WORKFLOW_REJECTED: it is in the editor's format and not in API format (the answer tells how
    to export it), it is no graph, or it reaches for files outside the server's folders.
    """
    return await workflows.create(body)


@router.get(
    "", response_model=list[WorkflowSummaryDTO], summary="List saved workflows, oldest first"
)
async def list_workflows(
    workflows: WorkflowServiceDep,
    page: PageDep,
    response: Response,
    project_id: Annotated[
        str, Query(max_length=100, description="Only those of this project; left out: all.")
    ] = "",
) -> list[dict[str, Any]]:
    """Without their graphs: reading one gives that."""
    found, total = await workflows.page(project_id or None, skip=page.skip, limit=page.limit)
    response.headers["X-Total-Count"] = str(total)
    return found


@router.get(
    "/{workflow_id}", response_model=WorkflowResponseDTO, summary="Read a workflow with its graph"
)
async def read_workflow(workflow_id: Id, workflows: WorkflowServiceDep) -> dict[str, Any]:
    """`bindings` tells which inputs a request fills in, and with what."""
    return await workflows.get(workflow_id)


@router.put("/{workflow_id}", response_model=WorkflowResponseDTO, summary="Change a workflow")
async def update_workflow(
    workflow_id: Id, body: WorkflowUpdateDTO, workflows: WorkflowServiceDep
) -> dict[str, Any]:
    """Jobs that are queued already keep the graph that they were queued with."""
    return await workflows.update(workflow_id, body)


@router.delete("/{workflow_id}", response_model=DeletedDTO, summary="Delete a workflow")
async def delete_workflow(workflow_id: Id, workflows: WorkflowServiceDep) -> dict[str, object]:
    """Jobs and takes that came of it stay as they are."""
    deleted = await workflows.delete(workflow_id)
    return {"message": "Workflow deleted.", "deleted": deleted}
