"""Health."""

from typing import Literal

from pydantic import Field

from backend.dtos.common_dto import ResponseDTO

Health = Literal["healthy", "degraded", "unhealthy"]


class ApiRootDTO(ResponseDTO):
    message: str = Field(examples=["StoryCanvas API"])
    status: str = Field(examples=["running"])
    version: str = Field(examples=["0.1.0"])


class DatabaseHealthDTO(ResponseDTO):
    status: Health
    kind: str = Field(description="mongodb, embedded or memory.", examples=["embedded"])
    latency_ms: float | None = Field(description="Milliseconds of one ping; null when down.")


class QueueHealthDTO(ResponseDTO):
    status: Health
    is_leader: bool = Field(description="Whether this process drives the ComfyUI servers.")
    pending: int
    processing: int


class ComfyUIHealthDTO(ResponseDTO):
    online: int
    total: int = Field(description="Active servers.")


class StorageHealthDTO(ResponseDTO):
    status: Health
    free_bytes: int


class ComponentsDTO(ResponseDTO):
    database: DatabaseHealthDTO
    queue: QueueHealthDTO
    comfyui: ComfyUIHealthDTO
    storage: StorageHealthDTO


class HealthDTO(ResponseDTO):
    """`unhealthy` (503): the database is down. `degraded`: work is possible, something is not."""

    status: Health
    version: str
    uptime_seconds: float
    components: ComponentsDTO
