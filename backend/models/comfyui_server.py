"""A registered ComfyUI server and what is known of it right now."""

from datetime import datetime
from enum import StrEnum

from backend.models.base import FrozenModel


class ServerType(StrEnum):
    STANDARD = "standard"
    RUNPOD = "runpod"


class ComfyUIServer(FrozenModel):
    """`url` has no trailing slash; `max_concurrent` prompts of ours may be there at once."""

    id: str
    name: str
    url: str
    server_type: ServerType = ServerType.STANDARD
    api_key: str | None = None
    endpoint_id: str | None = None
    is_active: bool = True
    max_concurrent: int = 1
    #: Known by whoever watches the servers, not stored.
    is_online: bool = False
    created_at: datetime
    updated_at: datetime

    @property
    def has_api_key(self) -> bool:
        return bool(self.api_key)
