"""ComfyUI servers: register, change and ask them."""

from fastapi import Response

from backend.api.http.versioned_router import versioned_router
from backend.api.streams.server_json import info_json
from backend.api.v1.dependencies import ComfyUIServiceDep, Id, PageDep
from backend.dtos.comfyui_dto import (
    ServerCreateDTO,
    ServerInfoDTO,
    ServerResponseDTO,
    ServerUpdateDTO,
)
from backend.dtos.shared.common_dto import DeletedDTO
from backend.models.comfyui_server import ComfyUIServer

router = versioned_router("/comfyui/servers", tags=["ComfyUI servers"])


@router.post(
    "",
    response_model=ServerResponseDTO,
    status_code=201,
    summary="Register a server",
    responses={
        400: {
            "description": "INVALID_SERVER_URL: the address can't be used; the sentence says why."
        },
        409: {"description": "SERVER_URL_EXISTS: a server with that address is registered."},
    },
)
async def create_server(body: ServerCreateDTO, servers: ComfyUIServiceDep) -> ComfyUIServer:
    """It is asked at once; one that does not answer is registered all the same."""
    return await servers.create(body)


@router.get("", response_model=list[ServerResponseDTO], summary="List the servers")
async def list_servers(
    servers: ComfyUIServiceDep, page: PageDep, response: Response
) -> list[ComfyUIServer]:
    """`is_online` as of the last look, at most a few seconds ago."""
    found, total = await servers.list_all(skip=page.skip, limit=page.limit)
    response.headers["X-Total-Count"] = str(total)
    return found


@router.get(
    "/{server_id}/info",
    response_model=ServerInfoDTO,
    summary="Ask a server what it has; offline is an answer too",
)
async def read_server_info(server_id: Id, servers: ComfyUIServiceDep) -> Response:
    """In at most 5 seconds."""
    return await info_json(await servers.info(server_id))


@router.put(
    "/{server_id}",
    response_model=ServerResponseDTO,
    summary="Change a server",
    responses={
        400: {
            "description": "INVALID_SERVER_URL: the address can't be used; the sentence says why."
        },
        409: {"description": "SERVER_URL_EXISTS: a server with that address is registered."},
    },
)
async def update_server(
    server_id: Id, body: ServerUpdateDTO, servers: ComfyUIServiceDep
) -> ComfyUIServer:
    """Only what is sent changes. It is asked at once."""
    return await servers.update(server_id, body)


@router.delete(
    "/{server_id}",
    response_model=DeletedDTO,
    summary="Remove a server; its running jobs go back to the queue",
)
async def delete_server(server_id: Id, servers: ComfyUIServiceDep) -> dict[str, object]:
    """Takes that it made stay: they are stored here."""
    deleted = await servers.delete(server_id)
    return {"message": "Server removed.", "deleted": deleted}
