"""What a storyboard shows, before anybody draws it. Pure: film and timeline in, panels out."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import PurePosixPath

from backend.models.clip import Clip
from backend.models.exports.frame_rate import FrameRate
from backend.models.exports.timeline import ClipItem, Item, MediaKind, ProblemCode, Timeline
from backend.models.project import Project
from backend.models.scene import Scene
from backend.services.exports.film import Film

#: Stands where timecode has no name: it ends at 24 hours.
BEYOND = "past 24 h"


@dataclass(frozen=True, slots=True)
class PanelPicture:
    """Files of the upload folder that show the clip, the best first; sides in pixels."""

    path: str
    thumbnail: str | None
    is_video: bool


@dataclass(frozen=True, slots=True)
class Panel:
    """One clip. `starts_scene` is the number of the scene that begins with it, else 0."""

    number: int
    scene_number: int
    scene: str
    clip: str
    timecode_in: str
    timecode_out: str
    length: str
    lyrics: str = ""
    prompt: str = ""
    motion: str = ""
    notes: str = ""
    starts_scene: bool = False
    picture: PanelPicture | None = None


@dataclass(frozen=True, slots=True)
class SceneRow:
    """A scene in the list at the beginning; times are "" for one without clips."""

    number: int
    name: str
    description: str
    timecode_in: str
    length: str
    shots: int


@dataclass(frozen=True, slots=True)
class Storyboard:
    """`date` is the day of the last change, so that the same film gives the same file."""

    title: str
    description: str
    date: str
    aspect: float
    facts: tuple[tuple[str, str], ...]
    scenes: tuple[SceneRow, ...]
    panels: tuple[Panel, ...]


def board_of(film: Film, timeline: Timeline) -> Storyboard:
    """Panels in the order of the timeline, which must have been built with `short_video="hold"`."""
    writer = _Writer(film, timeline)
    panels = tuple(writer.panels())
    scenes = tuple(writer.scene_lines(panels))
    project = film.project
    return Storyboard(
        title=project.name,
        description=project.description,
        date=_last_change(film),
        aspect=project.width / project.height,
        facts=tuple(_facts(project, timeline, scenes=len(scenes), shots=len(panels))),
        scenes=scenes,
        panels=panels,
    )


@dataclass(slots=True)
class _Span:
    """The frames of the film that a scene's clips cover."""

    start: int
    end: int
    shots: int = 0


class _Writer:
    def __init__(self, film: Film, timeline: Timeline) -> None:
        self._timeline = timeline
        self._times = TimecodeFormat(timeline)
        self._clips = {clip.id: clip for clip in film.clips}
        self._scenes = {scene.id: scene for scene in film.scenes}
        self._takes = {take.id: take for clip in film.clips for take in clip.takes}
        self._problems = _problems(timeline)
        self._numbers: dict[str, int] = {}
        self._spans: dict[str, _Span] = {}

    def panels(self) -> Iterator[Panel]:
        hole = 0
        number = 0
        for item in self._timeline.items:
            if item.clip_id is None:
                hole = item.duration
                continue
            number += 1
            yield self._panel(number, item, hole)
            hole = 0

    def scene_lines(self, panels: Sequence[Panel]) -> Iterator[SceneRow]:
        """Scenes with clips as they first appear."""
        for scene_id, number in self._numbers.items():
            scene, span = self._scenes[scene_id], self._spans[scene_id]
            yield SceneRow(
                number,
                scene.name,
                scene.description,
                self._times.timecode(span.start),
                self._times.seconds(span.end - span.start),
                span.shots,
            )

    def _panel(self, number: int, item: Item, hole: int) -> Panel:
        clip = self._clips[item.clip_id or ""]
        scene = self._scenes[clip.scene_id]
        starts_scene = scene.id not in self._numbers
        scene_number = self._numbers.setdefault(scene.id, len(self._numbers) + 1)
        self._count(scene.id, item)
        motion = "" if clip.video_prompt == clip.image_prompt else clip.video_prompt
        return Panel(
            number=number,
            scene_number=scene_number,
            scene=scene.name,
            clip=clip.name,
            timecode_in=self._times.timecode(item.offset),
            timecode_out=self._times.timecode(item.end),
            length=self._times.length(item.duration),
            lyrics=clip.lyrics,
            prompt=clip.image_prompt or motion,
            motion=motion if clip.image_prompt else "",
            notes=" ".join(self._notes(clip, scene if starts_scene else None, hole)),
            starts_scene=starts_scene,
            picture=self._picture(item),
        )

    def _count(self, scene_id: str, item: Item) -> None:
        span = self._spans.setdefault(scene_id, _Span(item.offset, item.end))
        span.end = max(span.end, item.end)
        span.shots += 1

    def _notes(self, clip: Clip, new_scene: Scene | None, hole: int) -> Iterator[str]:
        if clip.is_alternate:
            yield f"Alternate {clip.alternate_number}."
        if hole:
            yield f"Nothing is shown for {self._times.seconds(hole)} before it."
        yield from self._problems.get(clip.id, ())
        if new_scene and new_scene.description:
            yield new_scene.description

    def _picture(self, item: Item) -> PanelPicture | None:
        if not isinstance(item, ClipItem) or item.media.path is None:
            return None
        take = self._takes.get(item.media.id)
        thumbnail = take.thumbnail_path if take else None
        return PanelPicture(item.media.path, thumbnail, item.media.kind is MediaKind.VIDEO)


@dataclass(frozen=True, slots=True)
class TimecodeFormat:
    """How frames of one timeline are written; record time starts at 01:00:00:00 as in the EDL."""

    timeline: Timeline
    _hour: int = field(init=False)

    def __post_init__(self) -> None:
        hour = self.timeline.rate.hour(drop_frame=self.timeline.drop_frame)
        object.__setattr__(self, "_hour", hour)

    def timecode(self, frame: int) -> str:
        rate, drop = self.timeline.rate, self.timeline.drop_frame
        if not rate.has_timecode(self._hour + frame, drop_frame=drop):
            return BEYOND
        return rate.timecode(self._hour + frame, drop_frame=drop)

    def seconds(self, frames: int) -> str:
        return _seconds(frames * self.timeline.rate.frame_duration)

    def length(self, frames: int) -> str:
        return f"{self.seconds(frames)} · {frames:,} f"


def _seconds(seconds: Fraction) -> str:
    """`3.5 s`, `2:05.25` over a minute, `1:02:05` over an hour."""
    hundredths = round(seconds * 100)
    minutes, rest = divmod(hundredths, 6_000)
    if minutes >= 60:
        return f"{minutes // 60}:{minutes % 60:02d}:{rest // 100:02d}"
    whole, part = divmod(rest, 100)
    decimals = f".{part:02d}".rstrip("0").rstrip(".")
    return f"{minutes}:{whole:02d}{decimals} min" if minutes else f"{whole}{decimals} s"


def _problems(timeline: Timeline) -> Mapping[str, list[str]]:
    found: dict[str, list[str]] = {}
    for problem in timeline.problems:
        if problem.clip_id and problem.code is not ProblemCode.NO_MEDIA:  # its card says so
            found.setdefault(problem.clip_id, []).append(problem.message)
    return found


def _last_change(film: Film) -> str:
    changed = [film.project.updated_at]
    changed += [scene.updated_at for scene in film.scenes]
    changed += [clip.updated_at for clip in film.clips]
    return f"{max(changed):%Y-%m-%d}"


def _facts(
    project: Project, timeline: Timeline, *, scenes: int, shots: int
) -> Iterator[tuple[str, str]]:
    times = TimecodeFormat(timeline)
    yield "Scenes", f"{scenes:,}"
    yield "Shots", f"{shots:,}"
    yield "Length", times.length(timeline.total_frames)
    yield "Rate", _rate(timeline.rate, drop_frame=timeline.drop_frame)
    yield "Picture", f"{project.width} by {project.height}"
    yield "Begins at", times.timecode(0)
    yield "Music", _music(project, timeline)


def _rate(rate: FrameRate, *, drop_frame: bool) -> str:
    drop = ", drop frame" if drop_frame else ""
    return f"{round(rate.fps, 3):g} frames a second{drop}"


def _music(project: Project, timeline: Timeline) -> str:
    if not project.music_file_path:
        return "none"
    if timeline.music is None:
        return "left out: its file can't be used"
    length = timeline.music.media.frames * timeline.rate.frame_duration
    return f"{PurePosixPath(project.music_file_path).name}, {_seconds(length)}"
