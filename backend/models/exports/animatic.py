"""The rendering of an animatic: it exists while it waits, runs, or has failed."""

from datetime import datetime
from enum import StrEnum
from typing import Literal

from backend.models.base import FrozenModel

BurnIn = Literal["timecode", "name"]
Height = Literal[480, 720, 1080]


class AnimaticStatus(StrEnum):
    PENDING = "pending"
    PROCESSING = "processing"
    FAILED = "failed"


class AnimaticOptions(FrozenModel):
    """How a film becomes an animatic."""

    height: Height = 720
    burn_in: tuple[BurnIn, ...] = ()
    include_alternates: bool = False
    media_mode: Literal["selected", "placeholder"] = "selected"
    short_video: Literal["gap", "hold"] = "gap"


class AnimaticRender(FrozenModel):
    """`id` is made of the timeline and the options, so a changed film is another rendering.

    `owner` is the process that works on it; one that was not heard of for a while (`updated_at`)
    has died, and anybody may take over. A finished one is no more than its file.
    """

    id: str
    project_id: str
    options: AnimaticOptions
    status: AnimaticStatus = AnimaticStatus.PENDING
    progress: float = 0.0
    owner: str | None = None
    error: str | None = None
    created_at: datetime
    updated_at: datetime
