"""A scene: an ordered part of a project with a timeline of its own, starting at zero."""

from datetime import datetime

from backend.models.base import FrozenModel


class Scene(FrozenModel):
    """`duration` is seconds: where its last clip ends. Alternates count in neither total."""

    id: str
    project_id: str
    name: str
    description: str = ""
    lyrics: str = ""
    order: int = 0
    parent_scene_id: str | None = None
    alternate_number: int = 0
    is_alternate: bool = False
    clip_count: int = 0
    duration: float = 0.0
    #: Raised by every write that adds, removes, moves, resizes or renames one of its clips.
    timeline_revision: int = 0
    created_at: datetime
    updated_at: datetime
