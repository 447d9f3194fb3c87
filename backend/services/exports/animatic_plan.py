"""What an animatic shows, as a task for the rendering process, and the name of its file.

`AnimaticPlanner` makes the plan of a project as it stands now.
"""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final, NamedTuple

from backend.models.exports.animatic import AnimaticOptions
from backend.models.exports.timeline import Gap, Item, MediaKind, Timeline
from backend.models.project import Project
from backend.services.exports.export_files import safe_title
from backend.services.exports.film import ExportOptions
from backend.services.exports.film_timelines import FilmTimelines
from backend.services.exports.fingerprints import FileFingerprint
from backend.services.exports.formats.names import slug
from backend.services.exports.rendering.tasks import Animatic, Shot, to_line

Locate = Callable[[str], Path | None]

#: Raise it when the same film gives other pictures.
_VERSION: Final = 1
#: What players decode without trouble: UHD.
_LONGEST_SIDE: Final = 3840


class AnimaticPlan(NamedTuple):
    """`id` is 32 hex digits of all that the pictures and sounds are made of.

    `filename` is ASCII, `title` what people would call it.
    """

    id: str
    task: Animatic
    filename: str
    title: str

    @property
    def file(self) -> str:
        """Its name in the cache."""
        return f"animatic_{self.id}.mp4"

    def aimed_at(self, target: Path) -> Animatic:
        return replace(self.task, target=str(target))


def plan_animatic(
    project: Project, timeline: Timeline, options: AnimaticOptions, *, locate: Locate
) -> AnimaticPlan:
    """Pure but for a look at which files there are. A film of nothing is one black frame."""
    shots = tuple(_shot(item, locate) for item in timeline.items) or (Shot(kind="gap", frames=1),)
    task = Animatic(
        rate=(timeline.rate.numerator, timeline.rate.denominator),
        size=frame_size(timeline, options.height),
        shots=shots,
        burn_in=options.burn_in,
        drop_frame=timeline.drop_frame,
    )
    music = timeline.music
    source = locate(music.media.path) if music and music.media.path else None
    if music and source:
        task = replace(task, music=str(source), music_at=music.offset, music_frames=music.duration)
    stem = slug(project.name, fallback="project", limit=60)
    title = safe_title(project.name)
    return AnimaticPlan(_id(project.id, task), task, f"{stem}_animatic.mp4", f"{title}.mp4")


def frame_size(timeline: Timeline, height: int) -> tuple[int, int]:
    """The project's shape at a height, in even numbers; very wide ones get less of it."""
    width = _even(height * timeline.width / timeline.height)
    if width <= _LONGEST_SIDE:
        return width, height
    return _LONGEST_SIDE, _even(_LONGEST_SIDE * timeline.height / timeline.width)


def _shot(item: Item, locate: Locate) -> Shot:
    if isinstance(item, Gap):
        return Shot(kind="gap", frames=item.duration, name=item.name)
    source = locate(item.media.path) if item.media.path else None
    if source is None:
        return Shot(kind="card", frames=item.duration, name=item.name)
    return Shot(
        kind="video" if item.media.kind is MediaKind.VIDEO else "still",
        frames=item.duration,
        name=item.name,
        source=str(source),
        source_in=item.source_in,
    )


def _id(project_id: str, task: Animatic) -> str:
    digest = hashlib.sha256(f"{_VERSION}\0{project_id}\0".encode())
    digest.update(to_line(task))
    for source in _sources(task):
        digest.update(repr(_print(source)).encode("utf-8", "surrogatepass"))
    return digest.hexdigest()[:32]


def _sources(task: Animatic) -> Iterator[Path]:
    named = (shot.source for shot in task.shots)
    yield from (Path(source) for source in dict.fromkeys((*named, task.music)) if source)


def _print(source: Path) -> FileFingerprint | None:
    try:
        return FileFingerprint.of(source)
    except OSError:
        return None


def _even(side: float) -> int:
    return max(2, round(side / 2) * 2)


class AnimaticPlanner:
    def __init__(self, timelines: FilmTimelines) -> None:
        self._timelines = timelines

    async def plan(self, project_id: str, options: AnimaticOptions) -> AnimaticPlan:
        """ResourceNotFoundError; ConflictError for a film that no timeline can carry."""
        wanted = ExportOptions(
            include_alternates=options.include_alternates, media_mode=options.media_mode
        )
        film, timeline = await self._timelines.film_and_timeline(
            project_id, wanted, short_video=options.short_video
        )
        return await self._timelines.in_turn(
            lambda: plan_animatic(film.project, timeline, options, locate=self._timelines.locate)
        )

    async def check(self, project_id: str) -> None:
        """ResourceNotFoundError without the project."""
        await self._timelines.check(project_id)
