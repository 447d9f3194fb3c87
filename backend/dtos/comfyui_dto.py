"""Registered ComfyUI servers."""

from typing import Annotated, Any

from pydantic import Field, StringConstraints

from backend.dtos.common_dto import OMITTED, Name, RequestDTO, ResponseDTO, Timestamp
from backend.models.comfyui_server import ServerType

Url = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2000)]
Concurrency = Annotated[int, Field(ge=1, le=64)]
#: It travels in a header: visible ASCII, so that nothing can end the line. "" is no key.
Secret = Annotated[
    str, StringConstraints(strip_whitespace=True, max_length=4000, pattern=r"^[!-~]*$")
]
#: It becomes part of a path.
EndpointId = Annotated[
    str, StringConstraints(strip_whitespace=True, max_length=200, pattern=r"^[A-Za-z0-9._-]*$")
]


class ServerCreateDTO(RequestDTO):
    name: Name = Field(examples=["Studio 4090"])
    url: Url = Field(
        description="http or https, without credentials.", examples=["http://127.0.0.1:8188"]
    )
    server_type: ServerType = ServerType.STANDARD
    api_key: Secret | None = Field(default=None, description="Write-only: never answered.")
    endpoint_id: EndpointId | None = None
    is_active: bool = True
    max_concurrent: Concurrency = Field(
        default=1, description="How many prompts of ours it may hold at once."
    )


class ServerUpdateDTO(RequestDTO):
    """Fields left out stay as they are; null clears the key and the endpoint."""

    name: Name = OMITTED
    url: Url = OMITTED
    server_type: ServerType = OMITTED
    api_key: Secret | None = None
    endpoint_id: EndpointId | None = None
    is_active: bool = Field(default=OMITTED, description="false: takes no new work.")
    max_concurrent: Concurrency = OMITTED


class ServerResponseDTO(ResponseDTO):
    id: str
    name: str
    url: str
    server_type: ServerType
    has_api_key: bool
    endpoint_id: str | None
    is_active: bool
    max_concurrent: int
    is_online: bool
    created_at: Timestamp
    updated_at: Timestamp


class ServerModelDTO(ResponseDTO):
    name: str = Field(examples=["sd_xl_base_1.0.safetensors"])
    type: str = Field(description="Its family, or 'unknown'.", examples=["sdxl"])


class ServerInfoDTO(ResponseDTO):
    """What a server has; offline it is empty and `is_online` false."""

    server: ServerResponseDTO
    is_online: bool
    models: list[ServerModelDTO]
    loras: list[str]
    vaes: list[str]
    samplers: list[str]
    schedulers: list[str]
    version: str | None
    devices: list[dict[str, Any]]
    queue_running: int
    queue_pending: int
    latency_ms: float | None
    supported_model_types: list[str]
