"""What the rendering process is asked to do, and how that travels: one line of JSON a task.

Paths are absolute. Rates are (numerator, denominator). Whoever asks names a new file as target
and moves it into place once it is done.
"""

import json
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Literal

BurnIn = Literal["timecode", "name"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckStill:
    """Decode a picture to its end."""

    kind: ClassVar[str] = "check_still"
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckSound:
    """Decode a sound file to its end."""

    kind: ClassVar[str] = "check_sound"
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawCard:
    """A placeholder's PNG."""

    kind: ClassVar[str] = "draw_card"
    label: str
    size: tuple[int, int]
    target: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Conform:
    """A video as H.264 of exactly `frames` frames at `rate`, its last picture held if need be."""

    kind: ClassVar[str] = "conform"
    source: str
    rate: tuple[int, int]
    frames: int
    target: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeVideo:
    """Tell size and sound of a conformed video."""

    kind: ClassVar[str] = "look"
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Shot:
    """A stretch of an animatic. A card has no source, a gap has neither source nor name."""

    kind: Literal["gap", "card", "still", "video"]
    frames: int
    name: str = ""
    source: str = ""
    source_in: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Animatic:
    """A film to watch. `music_frames` of the music are heard, from its beginning."""

    kind: ClassVar[str] = "animatic"
    rate: tuple[int, int]
    size: tuple[int, int]
    shots: tuple[Shot, ...]
    music: str = ""
    music_at: int = 0
    music_frames: int = 0
    burn_in: tuple[BurnIn, ...] = ()
    drop_frame: bool = False
    target: str = ""

    @property
    def frames(self) -> int:
        return sum(shot.frames for shot in self.shots)


Task = CheckStill | CheckSound | DrawCard | Conform | ProbeVideo | Animatic
_KINDS: dict[str, type[Task]] = {
    kind.kind: kind for kind in (CheckStill, CheckSound, DrawCard, Conform, ProbeVideo, Animatic)
}


def to_line(task: Task) -> bytes:
    return json.dumps({"kind": task.kind, **asdict(task)}).encode() + b"\n"


def from_line(line: bytes) -> Task:
    fields: dict[str, Any] = json.loads(line)
    kind = _KINDS[fields.pop("kind")]
    if kind is Animatic:
        fields["shots"] = tuple(Shot(**shot) for shot in fields["shots"])
    tuples = {name: tuple(value) for name, value in fields.items() if isinstance(value, list)}
    return kind(**fields | tuples)
