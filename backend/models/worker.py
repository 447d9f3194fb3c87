"""An external worker: it asks for jobs, where ComfyUI servers are given them."""

from datetime import datetime

from backend.models.base import FrozenModel


class Worker(FrozenModel):
    """`last_heartbeat` is its last register; it may hold `max_concurrent` jobs at once."""

    id: str
    name: str
    is_online: bool = True
    max_concurrent: int = 1
    last_heartbeat: datetime
    created_at: datetime
