"""A registered ComfyUI server and what is known of it right now."""

from datetime import datetime
from enum import StrEnum

from backend.models.base import FrozenModel
from backend.utils.errors import SecretKeyMismatchError


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
    #: A key is stored, but sealed under a SECRET_KEY that is not ours; known at reading only.
    key_locked: bool = False
    endpoint_id: str | None = None
    is_active: bool = True
    max_concurrent: int = 1
    #: Known by whoever watches the servers, not stored.
    is_online: bool = False
    created_at: datetime
    updated_at: datetime

    @property
    def has_api_key(self) -> bool:
        return bool(self.api_key) or self.key_locked

    def require_key(self) -> str | None:
        """Give the key to send, if it has one; SecretKeyMismatchError when it cannot be read."""
        if self.key_locked:
            raise SecretKeyMismatchError(
                f"The API key of ComfyUI server '{self.name}' was stored under another SECRET_KEY:"
                " set that one again, or give the server its key anew.",
                server_id=self.id,
            )
        return self.api_key
