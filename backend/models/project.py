"""A film: the root of scenes and clips, and the rate and size of its timeline."""

from datetime import datetime

from backend.models.base import FrozenModel


class Project(FrozenModel):
    """`fps` is one of the eight NLE rates; `duration` is seconds, the sum of its scenes."""

    id: str
    name: str
    description: str = ""
    music_file_path: str | None = None
    music_file_url: str | None = None
    music_duration: float | None = None
    fps: float = 24
    drop_frame: bool = False
    width: int = 1920
    height: int = 1080
    scene_count: int = 0
    clip_count: int = 0
    duration: float = 0.0
    created_at: datetime
    updated_at: datetime
