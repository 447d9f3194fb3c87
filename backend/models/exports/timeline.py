"""The one timeline that every exporter writes: whole frames on a rational rate, no holes.

Plain slotted dataclasses, because a film of 10,000 clips is built in one go.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from backend.models.exports.frame_rate import FrameRate


class MediaKind(StrEnum):
    STILL = "still"
    VIDEO = "video"
    AUDIO = "audio"


@dataclass(frozen=True, slots=True)
class Audio:
    """A sound track of a file; `sample_rate` is Hz, None when nobody probed it."""

    channels: int = 2
    sample_rate: int | None = None


@dataclass(frozen=True, slots=True)
class Media:
    """One file that the timeline shows or plays.

    `path` is relative to UPLOAD_DIR; None is a placeholder card that is still to be drawn with
    `label`. `name` is the file's name in the export, ASCII and unique. `frames` is its length
    on the timeline's grid, 0 for stills.
    """

    id: str
    kind: MediaKind
    path: str | None
    name: str
    width: int = 0
    height: int = 0
    frames: int = 0
    audio: Audio | None = None
    label: str = ""


@dataclass(frozen=True, slots=True)
class Gap:
    """Nothing to see. `name` is that of the clip that has no media, "" for an ordinary hole."""

    offset: int
    duration: int
    name: str = ""
    note: str = ""
    clip_id: str | None = None

    @property
    def end(self) -> int:
        return self.offset + self.duration


@dataclass(frozen=True, slots=True)
class ClipItem:
    """A stretch of one medium: `duration` frames from `source_in`, shown at `offset`."""

    offset: int
    duration: int
    media: Media
    name: str
    clip_id: str
    scene_id: str
    source_in: int = 0
    note: str = ""

    @property
    def end(self) -> int:
        return self.offset + self.duration

    @property
    def source_out(self) -> int:
        """Exclusive."""
        return self.source_in + self.duration


Item = Gap | ClipItem


@dataclass(frozen=True, slots=True)
class Marker:
    frame: int
    name: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Music:
    """Plays `duration` frames of `media`, from its beginning, at frame `offset`."""

    media: Media
    offset: int
    duration: int


class ProblemCode(StrEnum):
    OVERLAP = "overlap"
    SHORT_VIDEO = "short_video"
    NO_MEDIA = "no_media"
    MISSING_FILE = "missing_file"
    EMPTY_FILE = "empty_file"
    DAMAGED_FILE = "damaged_file"
    UNKNOWN_LENGTH = "unknown_length"
    ORPHAN_CLIP = "orphan_clip"
    MUSIC_LEFT_OUT = "music_left_out"


@dataclass(frozen=True, slots=True)
class Problem:
    """What the export had to change or could not find; `message` is a sentence for people."""

    code: ProblemCode
    message: str
    clip_id: str | None = None


@dataclass(frozen=True, slots=True)
class Timeline:
    """Items butt: each starts where the one before ends, the first at 0. ValueError if not."""

    name: str
    rate: FrameRate
    width: int
    height: int
    drop_frame: bool = False
    items: tuple[Item, ...] = ()
    markers: tuple[Marker, ...] = ()
    music: Music | None = None
    problems: tuple[Problem, ...] = ()

    def __post_init__(self) -> None:
        end = 0
        for item in self.items:
            if item.offset != end or item.duration < 1:
                raise ValueError(f"item at frame {item.offset} must start at {end} and last")
            end = item.end
            if isinstance(item, ClipItem):
                _check_inside_its_media(item)

    @property
    def total_frames(self) -> int:
        return self.items[-1].end if self.items else 0

    @property
    def clips(self) -> Iterator[ClipItem]:
        return (item for item in self.items if isinstance(item, ClipItem))

    @property
    def media(self) -> tuple[Media, ...]:
        """Each file once, in the order of first use, the music last."""
        found = {clip.media.id: clip.media for clip in self.clips}
        if self.music:
            found[self.music.media.id] = self.music.media
        return tuple(found.values())


def _check_inside_its_media(clip: ClipItem) -> None:
    if clip.media.kind is MediaKind.VIDEO and clip.source_out > clip.media.frames:
        raise ValueError(f"clip {clip.clip_id} reads past the end of {clip.media.name}")
