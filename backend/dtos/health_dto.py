"""Health."""

from typing import Literal

from pydantic import Field

from backend.dtos.shared.common_dto import ResponseDTO

Health = Literal["healthy", "degraded", "unhealthy"]


class ApiRootDTO(ResponseDTO):
    message: str = Field(description="What this is.", examples=["StoryCanvas API"])
    status: str = Field(description="Always running.", examples=["running"])
    version: str = Field(description="Of StoryCanvas.", examples=["0.1.0"])


class DatabaseHealthDTO(ResponseDTO):
    status: Health = Field(description="unhealthy: it does not answer.", examples=["healthy"])
    kind: str = Field(description="mongodb, embedded or memory.", examples=["embedded"])
    latency_ms: float | None = Field(
        description="Milliseconds of one ping; null when down.", examples=[0.8]
    )


class QueueHealthDTO(ResponseDTO):
    status: Health = Field(description="Whether jobs go on.", examples=["healthy"])
    is_leader: bool = Field(
        description="Whether this process drives the ComfyUI servers.", examples=[True]
    )
    pending: int = Field(description="Jobs that wait.", examples=[0])
    processing: int = Field(description="Jobs that run.", examples=[0])


class ComfyUIHealthDTO(ResponseDTO):
    online: int = Field(description="Active servers that answer.", examples=[1])
    total: int = Field(description="Active servers.", examples=[1])


class StorageHealthDTO(ResponseDTO):
    status: Health = Field(description="degraded: less than 1 GiB is free.", examples=["healthy"])
    free_bytes: int = Field(
        description="What is free on the disk of UPLOAD_DIR.", examples=[250_000_000_000]
    )


class ComponentsDTO(ResponseDTO):
    database: DatabaseHealthDTO = Field(description="Where everything but media is kept.")
    queue: QueueHealthDTO = Field(description="The jobs.")
    comfyui: ComfyUIHealthDTO = Field(description="The servers that render.")
    storage: StorageHealthDTO = Field(description="Where media is kept.")


class HealthDTO(ResponseDTO):
    """`unhealthy` (503): the database is down. `degraded`: work is possible, something is not."""

    status: Health = Field(description="healthy, degraded or unhealthy.", examples=["healthy"])
    version: str = Field(description="Of StoryCanvas.", examples=["0.1.0"])
    uptime_seconds: float = Field(description="Since this process started.", examples=[86_400.5])
    components: ComponentsDTO = Field(description="How each part is.")
