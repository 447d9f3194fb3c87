"""Saved workflows: create, read, change and delete; checked before anything is stored."""

from dataclasses import asdict
from typing import Any

import orjson

from backend.dtos.workflow_dto import WorkflowCreateDTO, WorkflowUpdateDTO
from backend.models.content import ContentType
from backend.models.render import RenderRequest
from backend.models.saved_workflow import SavedWorkflow
from backend.repositories.project_repository import ProjectRepository
from backend.repositories.workflow_repository import WorkflowRepository
from backend.services.workflows import custom
from backend.services.workflows.bindings import bindings_of, unknown_names
from backend.services.workflows.graph import UPLOADS
from backend.services.workflows.graph_text import as_object, as_text
from backend.utils.clock import Clock
from backend.utils.errors import ResourceNotFoundError, WorkflowError
from backend.utils.ids import new_id
from backend.utils.json_depth import deeper_than

#: Bytes of a graph as JSON: ten times what large ones have.
_LONGEST = 1_000_000
#: Deeper than any graph in API format, and shallow enough for every reader.
_DEEPEST = 32


class WorkflowService:
    """Gives each as a dict: its fields, and what `graph_facts` tells of its graph."""

    def __init__(
        self, workflows: WorkflowRepository, projects: ProjectRepository, *, clock: Clock
    ) -> None:
        self._workflows = workflows
        self._projects = projects
        self._clock = clock

    async def create(self, dto: WorkflowCreateDTO) -> dict[str, Any]:
        """WorkflowError for a graph that no server could ever run; nothing is stored then."""
        await self._projects.get(dto.project_id)
        now = self._clock()
        fields = {**dto.changes(), "workflow_json": checked_text(dto.workflow_json)}
        workflow = SavedWorkflow(id=new_id(), created_at=now, updated_at=now, **fields)
        await self._workflows.add(workflow)
        if await self._projects.find_by_id(dto.project_id) is None:
            await self._workflows.delete(workflow.id)  # its project was deleted meanwhile
            raise ResourceNotFoundError.of("project", dto.project_id)
        return shown(workflow)

    async def get(self, workflow_id: str) -> dict[str, Any]:
        return shown(await self._workflows.get(workflow_id))

    async def page(
        self, project_id: str | None, *, skip: int, limit: int
    ) -> tuple[list[dict[str, Any]], int]:
        found, total = await self._workflows.page(project_id, skip=skip, limit=limit)
        return [shown(workflow) for workflow in found], total

    async def update(self, workflow_id: str, dto: WorkflowUpdateDTO) -> dict[str, Any]:
        """Jobs that are queued already keep the graph that they were queued with."""
        changes = dto.changes()
        if "workflow_json" in changes:
            changes["workflow_json"] = checked_text(dto.workflow_json)
        changes["updated_at"] = self._clock()
        if not await self._workflows.update(workflow_id, changes):
            raise ResourceNotFoundError.of("workflow", workflow_id)
        return await self.get(workflow_id)

    async def delete(self, workflow_id: str) -> int:
        if not await self._workflows.delete(workflow_id):
            raise ResourceNotFoundError.of("workflow", workflow_id)
        return 1


def checked_text(workflow: dict[str, Any] | str) -> str:
    """Give the bare graph as JSON text. Raises WorkflowError as rendering it would."""
    graph = as_object(workflow)
    if deeper_than(graph, _DEEPEST):
        raise WorkflowError("workflow_json is nested too deeply.", errors=[])
    request = RenderRequest(
        kind=ContentType.IMAGE, seed=0, init_image=f"{UPLOADS}any.png", workflow_json=graph
    )
    custom.prepare(request)
    text = as_text(dict(custom.unwrapped(graph)))
    if len(text.encode()) > _LONGEST:
        raise WorkflowError(f"A graph has {_LONGEST} bytes as JSON at most.", errors=[])
    return text


def shown(workflow: SavedWorkflow) -> dict[str, Any]:
    graph = orjson.loads(workflow.workflow_json)
    return {**dict(workflow), "workflow_json": graph, **graph_facts(graph)}


def graph_facts(graph: dict[str, Any]) -> dict[str, Any]:
    """What a checked graph takes from a request, and what a server must have for it."""
    files = {need.names[0]: need.folder for need in custom.file_needs(graph)}
    return {
        "bindings": [asdict(binding) for binding in bindings_of(graph)],
        "unknown_placeholders": unknown_names(graph),
        "node_classes": sorted({node["class_type"] for node in graph.values()}),
        "files": [{"folder": folder, "name": name} for name, folder in sorted(files.items())],
    }
