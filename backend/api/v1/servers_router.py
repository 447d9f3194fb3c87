"""What is known of one server, beyond the list: its files as last seen, and what it can render."""

from fastapi import Response

from backend.api.http.versioned_router import versioned_router
from backend.api.streams.server_json import detail_json
from backend.api.v1.dependencies import ComfyUIServiceDep, Id
from backend.dtos.comfyui_dto import ServerDetailDTO
from backend.dtos.server_workflows_dto import ServerWorkflowsDTO

router = versioned_router("/comfyui/servers", tags=["ComfyUI servers"])


@router.get(
    "/{server_id}",
    response_model=ServerDetailDTO,
    summary="Read a server with its models and LoRAs, all as last seen",
    responses={404: {"description": "No such server."}},
)
async def read_server(server_id: Id, servers: ComfyUIServiceDep) -> Response:
    """Nobody is asked; `GET /comfyui/servers/{server_id}/info` does that."""
    return await detail_json(await servers.detail(server_id))


@router.get(
    "/{server_id}/workflows",
    response_model=ServerWorkflowsDTO,
    summary="Ask a server what it can render, and what it lacks for the rest",
    responses={404: {"description": "No such server."}},
)
async def read_server_workflows(server_id: Id, servers: ComfyUIServiceDep) -> dict[str, object]:
    """A model family is available when the server has its nodes and files."""
    return await servers.workflows(server_id)
