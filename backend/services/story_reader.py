"""A film's clips in story order: scene by scene, along each timeline, a window at a time."""

import asyncio
from collections.abc import AsyncGenerator, Iterable, Iterator, Sequence
from typing import NamedTuple

from backend.models.clip import Clip
from backend.models.project import Project
from backend.models.scene import Scene
from backend.repositories.clip_repository import ClipRepository
from backend.repositories.project_repository import ProjectRepository
from backend.repositories.scene_repository import SceneRepository, SceneState
from backend.services.story_windows import (
    WINDOW_CLIPS,
    Layout,
    Piece,
    Window,
    layout_of,
    windows_of,
    windows_of_page,
)
from backend.utils.revision_shelf import RevisionShelf

#: Marks of layouts that are kept, and one more for each scene: some megabytes.
_KEPT_MARKS = 50_000
#: Clips and scenes that one query lays out.
_BATCH_CLIPS = 1_000
_BATCH_SCENES = 10


class ScenePart(NamedTuple):
    """Clips of one scene that follow each other; a long scene comes in several parts."""

    scene_id: str
    clips: list[Clip]


Parts = AsyncGenerator[list[ScenePart], None]


class StoryReader:
    def __init__(
        self,
        projects: ProjectRepository,
        scenes: SceneRepository,
        clips: ClipRepository,
        *,
        shelf: RevisionShelf[Layout] | None = None,
    ) -> None:
        self._projects = projects
        self._scenes = scenes
        self._clips = clips
        self._shelf = shelf or RevisionShelf(_KEPT_MARKS)
        # One reading at a time: whoever waits may find done what it came for.
        self._reading = asyncio.Lock()

    async def page(self, project_id: str, *, skip: int, limit: int) -> tuple[Parts, int]:
        """Give a page of a project's clips, and how many there are in all.

        ResourceNotFoundError without the project.
        """
        await self._projects.get(project_id)
        states = await self._scenes.states_of_project(project_id)
        layouts = await self._layouts(states)
        laid_out = [(state.id, layouts[state.id]) for state in states]
        total = sum(layout.size for layout in layouts.values())
        return self._read(windows_of_page(laid_out, skip=skip, limit=limit)), total

    async def film(self, project_id: str) -> tuple[Project, list[Scene], Parts]:
        """Give a project, its scenes in order, and all its clips. ResourceNotFoundError."""
        project = await self._projects.get(project_id)
        scenes = await self._scenes.list_for_project(project_id)
        # Only a long scene is worth the reading of where to cut it.
        long = [_state(scene) for scene in scenes if scene.clip_count > WINDOW_CLIPS]
        layouts = await self._layouts(long)
        laid_out = [(each.id, layouts.get(each.id, Layout(each.clip_count))) for each in scenes]
        return project, scenes, self._read(windows_of(laid_out))

    async def _layouts(self, states: Sequence[SceneState]) -> dict[str, Layout]:
        """Lay out scenes from what was kept of them; those that changed are read."""
        layouts = self._kept(states)
        if len(layouts) == len(states):
            return layouts
        async with self._reading:
            layouts |= self._kept([state for state in states if state.id not in layouts])
            for batch in _batches(state for state in states if state.id not in layouts):
                layouts |= await self._read_layouts(batch)
        return layouts

    def _kept(self, states: Sequence[SceneState]) -> dict[str, Layout]:
        kept = {state.id: self._shelf.get(state.id, state.revision) for state in states}
        return {scene_id: layout for scene_id, layout in kept.items() if layout is not None}

    async def _read_layouts(self, states: Sequence[SceneState]) -> dict[str, Layout]:
        found = await self._clips.positions([state.id for state in states])
        layouts = {state.id: layout_of(found[state.id].all) for state in states}
        for state in states:
            # New clips are counted before they are stored: then the scene is ahead of them.
            if found[state.id].on_timeline == state.clip_count:
                layout = layouts[state.id]
                self._shelf.put(state.id, state.revision, layout, size=1 + len(layout.marks))
        return layouts

    async def _read(self, windows: Iterator[Window]) -> Parts:
        """Read one window ahead: the database works while the one before is written."""
        coming = self._begin(windows)
        try:
            while coming is not None:
                parts = await coming
                coming = self._begin(windows)
                yield parts
        finally:
            if coming is not None:
                coming.cancel()
                await asyncio.gather(coming, return_exceptions=True)

    def _begin(self, windows: Iterator[Window]) -> asyncio.Task[list[ScenePart]] | None:
        window = next(windows, None)
        return asyncio.create_task(self._parts(window)) if window else None

    async def _parts(self, window: Window) -> list[ScenePart]:
        first = window[0]
        ids = [piece.scene_id for piece in window]
        clips = await self._clips.along(ids, low=first.low, high=first.high)
        return [ScenePart(piece.scene_id, _cut(piece, clips[piece.scene_id])) for piece in window]


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


def _cut(piece: Piece, clips: list[Clip]) -> list[Clip]:
    end = None if piece.take is None else piece.drop + piece.take
    return clips[piece.drop : end]


def _state(scene: Scene) -> SceneState:
    return SceneState(scene.id, scene.timeline_revision, scene.clip_count)
