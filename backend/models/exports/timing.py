"""What an edited cut changes in a film's timing."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TimingChange:
    """Positions and lengths in seconds, positions within the scene."""

    clip_id: str
    clip_name: str
    scene_id: str
    old_position: float
    new_position: float
    old_length: float
    new_length: float


@dataclass(frozen=True, slots=True)
class Remark:
    """What is said of a clip, or of something in the cut that is none.

    `code` is one of unknown, repeated, not_in_cut, speed, trimmed_beginning, conflict, differs.
    """

    code: str
    message: str
    clip_id: str | None


@dataclass(frozen=True, slots=True)
class TimingPlan:
    """`unchanged` counts clips of the cut that stay; with conflicts nothing may be written.

    `spans` are first frame and end of each clip in the cut.
    """

    format: str
    changes: tuple[TimingChange, ...]
    unchanged: int
    conflicts: tuple[Remark, ...]
    remarks: tuple[Remark, ...]
    spans: Mapping[str, tuple[int, int]]
