"""A film's clips in story order: scene by scene, along each timeline, a piece at a time.

No query sorts or skips on the database: that costs what the filter matches, not what it gives.
A piece is a scene, or a stretch of a long one between two positions. Each is one query: the
embedded database answers several short ones sooner than one that names several scenes.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Iterable, Iterator, Sequence
from itertools import islice
from typing import Final, NamedTuple

from backend.models.clip import Clip
from backend.models.project import Project
from backend.models.scene import Scene
from backend.repositories.clip_repository import ClipRepository
from backend.repositories.project_repository import ProjectRepository
from backend.repositories.scene_repository import SceneRepository, SceneState
from backend.utils.revision_cache import RevisionCache

#: Clips that are read and written at a time: what this takes of the event loop is not felt.
PIECE_CLIPS: Final = 200


class ScenePosition(NamedTuple):
    """`before` clips of the scene lie before `position` (seconds)."""

    before: int
    position: float


class SceneLayout(NamedTuple):
    """How many clips a scene holds, alternates too, and where it can be cut."""

    size: int
    marks: tuple[ScenePosition, ...] = ()


class SceneRange(NamedTuple):
    """A part of a scene: what lies from `low` to before `high`, less `drop` clips, at most `take`.

    None is no bound. Without bounds of any kind it is the whole scene.
    """

    scene_id: str
    low: float | None = None
    high: float | None = None
    drop: int = 0
    take: int | None = None


def layout_of(positions: Sequence[float]) -> SceneLayout:
    """Positions are seconds, in order. Clips at one position are never cut apart."""
    marks: list[ScenePosition] = []
    due = PIECE_CLIPS
    for index in range(1, len(positions)):
        if index >= due and positions[index] != positions[index - 1]:
            marks.append(ScenePosition(index, positions[index]))
            due = index + PIECE_CLIPS
    return SceneLayout(len(positions), tuple(marks))


def pieces_of(scenes: Iterable[tuple[str, SceneLayout]]) -> Iterator[SceneRange]:
    """Cut whole scenes, in this order."""
    for scene_id, layout in scenes:
        for piece, _, _ in _stretches(scene_id, layout):
            yield piece


def pieces_of_page(
    scenes: Iterable[tuple[str, SceneLayout]], *, skip: int, limit: int
) -> Iterator[SceneRange]:
    """Cut what a page shows of these scenes."""
    before, end = 0, skip + limit
    for scene_id, layout in scenes:
        for piece, index, size in _stretches(scene_id, layout):
            start = before + index
            drop, stop = max(0, skip - start), min(size, end - start)
            if drop < stop:
                yield piece._replace(drop=drop, take=stop - drop)
        before += layout.size


def _stretches(scene_id: str, layout: SceneLayout) -> Iterator[tuple[SceneRange, int, int]]:
    """Give the parts of a scene, each with the index of its first clip and its size.

    The first and the last are open, so that together they hold every clip, marks or no marks.
    """
    edges = (ScenePosition(0, 0.0), *layout.marks)
    for number, edge in enumerate(edges):
        following = edges[number + 1] if number + 1 < len(edges) else None
        low = edge.position if number else None
        high = following.position if following else None
        end = following.before if following else layout.size
        yield SceneRange(scene_id, low, high), edge.before, end - edge.before


#: Marks of layouts that are kept, and one more for each scene: some megabytes.
_KEPT_MARKS = 50_000
#: Clips and scenes that are laid out at once.
_BATCH_CLIPS = 1_000
_BATCH_SCENES = 10
#: Pieces that are being read while one is written.
_AHEAD = 3


class ScenePart(NamedTuple):
    """Clips of one scene that follow each other; a long scene comes in several parts."""

    scene_id: str
    clips: list[Clip]


Parts = AsyncGenerator[ScenePart, None]


class StoryReader:
    def __init__(
        self,
        projects: ProjectRepository,
        scenes: SceneRepository,
        clips: ClipRepository,
        *,
        cache: RevisionCache[SceneLayout] | None = None,
    ) -> None:
        self._projects = projects
        self._scenes = scenes
        self._clips = clips
        self._cache = cache or RevisionCache(_KEPT_MARKS)
        # One reading at a time: whoever waits may find done what it came for.
        self._reading = asyncio.Lock()

    async def page(self, project_id: str, *, skip: int, limit: int) -> tuple[Parts, int]:
        """Give a page of a project's clips, and how many there are in all.

        ResourceNotFoundError without the project.
        """
        states = await self._scenes.states_of_project(project_id)
        if not states:
            await self._projects.get(project_id)
        layouts = await self._layouts(states)
        laid_out = [(state.id, layouts[state.id]) for state in states]
        total = sum(layout.size for layout in layouts.values())
        return self._read(pieces_of_page(laid_out, skip=skip, limit=limit)), total

    async def film(self, project_id: str) -> tuple[Project, list[Scene], Parts]:
        """Give a project, its scenes in order, and all its clips. ResourceNotFoundError."""
        project = await self._projects.get(project_id)
        scenes = await self._scenes.list_for_project(project_id)
        # Only a long scene is worth the reading of where to cut it.
        long = [_state(scene) for scene in scenes if scene.clip_count > PIECE_CLIPS]
        layouts = await self._layouts(long)
        laid_out = [
            (each.id, layouts.get(each.id, SceneLayout(each.clip_count))) for each in scenes
        ]
        return project, scenes, self._read(pieces_of(laid_out))

    async def _layouts(self, states: Sequence[SceneState]) -> dict[str, SceneLayout]:
        """Lay out scenes from what was kept of them; those that changed are read."""
        layouts = self._kept(states)
        if len(layouts) == len(states):
            return layouts
        async with self._reading:
            layouts |= self._kept([state for state in states if state.id not in layouts])
            for batch in _batches(state for state in states if state.id not in layouts):
                read = await asyncio.gather(*(self._read_layout(state) for state in batch))
                layouts |= {state.id: layout for state, layout in zip(batch, read, strict=True)}
        return layouts

    def _kept(self, states: Sequence[SceneState]) -> dict[str, SceneLayout]:
        kept = {state.id: self._cache.get(state.id, state.revision) for state in states}
        return {scene_id: layout for scene_id, layout in kept.items() if layout is not None}

    async def _read_layout(self, state: SceneState) -> SceneLayout:
        found = await self._clips.positions(state.id)
        layout = layout_of(found.all)
        # New clips are counted before they are stored: then the scene is ahead of them.
        if found.on_timeline == state.clip_count:
            self._cache.put(state.id, state.revision, layout, size=1 + len(layout.marks))
        return layout

    async def _read(self, pieces: Iterator[SceneRange]) -> Parts:
        """Read ahead: the database works while what came before is written."""
        coming: deque[asyncio.Task[ScenePart]] = deque()
        coming.extend(self._begin(piece) for piece in islice(pieces, _AHEAD))
        try:
            while coming:
                part = await coming[0]
                del coming[0]
                coming.extend(self._begin(piece) for piece in islice(pieces, 1))
                yield part
        finally:
            for reading in coming:
                reading.cancel()
            await asyncio.gather(*coming, return_exceptions=True)

    def _begin(self, piece: SceneRange) -> asyncio.Task[ScenePart]:
        return asyncio.create_task(self._part(piece))

    async def _part(self, piece: SceneRange) -> ScenePart:
        clips = await self._clips.along(piece.scene_id, low=piece.low, high=piece.high)
        end = None if piece.take is None else piece.drop + piece.take
        return ScenePart(piece.scene_id, clips[piece.drop : end])


def _batches(states: Iterable[SceneState]) -> Iterator[list[SceneState]]:
    batch: list[SceneState] = []
    for state in states:
        clips = sum(each.clip_count for each in batch) + state.clip_count
        if batch and (clips > _BATCH_CLIPS or len(batch) == _BATCH_SCENES):
            yield batch
            batch = []
        batch.append(state)
    if batch:
        yield batch


def _state(scene: Scene) -> SceneState:
    return SceneState(scene.id, scene.timeline_revision, scene.clip_count)
