"""An external worker: it asks for jobs, where ComfyUI servers are given them."""

from datetime import datetime

from backend.models.base import FrozenModel
from backend.models.content import ContentType


class Worker(FrozenModel):
    """`last_heartbeat` is when it was heard of; it may hold `max_concurrent` jobs at once.

    What it can make is as it says: None means everything.
    """

    id: str
    name: str
    is_online: bool = True
    max_concurrent: int = 1
    generation_types: tuple[ContentType, ...] | None = None
    #: File names of models, or ids of families such as `sdxl`.
    models: tuple[str, ...] | None = None
    #: Whether it runs graphs that users bring.
    custom_workflows: bool = True
    last_heartbeat: datetime
    created_at: datetime
