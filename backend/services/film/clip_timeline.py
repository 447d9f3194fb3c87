"""Scene timelines: kept totals, moves with overlap check, and the analysis.

A scene keeps how many clips it has and where the last one ends, a project the sums, so that
no list has to load clips for them. Alternates lie outside the timeline and count in neither.
"""

import asyncio
import contextlib
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import NamedTuple
from weakref import WeakValueDictionary

from backend.models.clip import Clip
from backend.models.scene import Scene
from backend.repositories.clip_repository import ClipRepository
from backend.repositories.project_repository import ProjectRepository
from backend.repositories.scene_repository import SceneRepository, Totals
from backend.services.film.scene_spans import SceneSpans, span_of, totals_of
from backend.utils.clock import Clock
from backend.utils.errors import ConflictError, TimelineOverlapError
from backend.utils.timeline_validator import (
    LATEST_START,
    Overlap,
    Span,
    SpanGap,
    find_gaps,
    find_overlaps,
    in_order,
    nearest_fit,
    overlaps_at,
    ripple,
    to_ms,
    to_seconds,
)

#: How many projects are looked at after a stop; more cannot have changed in its last seconds.
_MENDED_AT_MOST = 100
#: Each lost try means that another process changed the scene; nobody loses this often in earnest.
_TRIES = 50


class TimelineReport(NamedTuple):
    """Spans in milliseconds, in order; `moves` clear every overlap when all are applied.

    Moves beyond the latest start that a clip may have are left out: nobody could make them.
    """

    spans: list[Span]
    gaps: list[SpanGap]
    overlaps: list[Overlap]
    moves: list[tuple[Span, int]]

    @property
    def end(self) -> int:
        return max((span.end for span in self.spans), default=0)

    @property
    def filled(self) -> int:
        return sum(span.end - span.start for span in self.spans)


def report_on(spans: Iterable[Span]) -> TimelineReport:
    ordered = in_order(spans)
    # Last first: each one then moves into room that the one behind it has just left.
    moves = [(span, start) for span, start in reversed(ripple(ordered)) if start <= LATEST_START]
    return TimelineReport(ordered, find_gaps(ordered), find_overlaps(ordered), moves)


class ClipTimeline:
    def __init__(
        self,
        projects: ProjectRepository,
        scenes: SceneRepository,
        clips: ClipRepository,
        *,
        spans: SceneSpans,
        clock: Clock,
    ) -> None:
        self._projects = projects
        self._scenes = scenes
        self._clips = clips
        self._spans = spans
        self._clock = clock
        # Spares this process lost tries; across processes the scene's revision decides.
        # A lock lives as long as somebody holds it or waits for it.
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    def lock(self, scene_id: str) -> asyncio.Lock:
        lock = self._locks.get(scene_id) or asyncio.Lock()
        self._locks[scene_id] = lock
        return lock

    async def place(self, clip: Clip, position: float, *, check_overlap: bool) -> TimelineReport:
        """Move a clip along its scene.

        ResourceNotFoundError without the clip or scene; TimelineOverlapError carries a position
        that fits; ConflictError when others never stop changing the scene.
        """
        async with self.lock(clip.scene_id):
            for _ in range(_TRIES):
                # Read after the scene, so that whoever changes it from now on is noticed.
                scene = await self._scenes.get(clip.scene_id)
                current = await self._clips.get(clip.id)
                moved = await self._try_to_place(
                    scene, current, position, check_overlap=check_overlap
                )
                if moved is not None:
                    return moved
        raise ConflictError("The scene is being changed. Try again.", code="SCENE_BUSY")

    async def _try_to_place(
        self, scene: Scene, clip: Clip, position: float, *, check_overlap: bool
    ) -> TimelineReport | None:
        """Move the clip as it was read; None, and nothing moved, when somebody was faster.

        Moved first and counted then, under the revision that was read: of two processes that
        move clips into one place, the second finds that it lost, and looks again.
        """
        spans = await self._spans.of(scene)
        others = in_order(span for span in spans if span.id != clip.id)
        start, length = to_ms(position), to_ms(clip.length)
        if check_overlap and not clip.is_alternate and overlaps_at(others, start, length):
            raise _overlap(clip, position, nearest_fit(others, start, length))
        if not await self._clips.move(clip, position, now=self._clock()):
            return None
        if not clip.is_alternate:
            others.append(Span(clip.id, clip.name, start, start + length))
        if not await self._replace(scene, totals_of(others)):
            there = clip.model_copy(update={"timeline_position": position})
            await self._clips.move(there, clip.timeline_position, now=self._clock())
            # Who read the clips meanwhile has seen it there.
            await self._scenes.raise_revision(scene.id)
            return None
        self._spans.changed(scene, others)
        return report_on(others)

    async def follow(self, scene_id: str, clip_id: str) -> None:
        """Set a scene's totals after one of its clips was changed or deleted."""
        scene = await self._scenes.find_by_id(scene_id)
        if scene is None:
            return
        spans = [span for span in await self._spans.of(scene) if span.id != clip_id]
        clip = await self._clips.find_by_id(clip_id)
        if clip is not None and not clip.is_alternate:
            spans.append(span_of(clip))
        await self._set(scene, spans)

    async def _set(self, scene: Scene, spans: Sequence[Span]) -> None:
        if await self._replace(scene, totals_of(spans)):
            self._spans.changed(scene, spans)
        else:
            await self.recount(scene.id)

    async def count_in(self, scene: Scene, clips: Sequence[Clip]) -> bool:
        """Count clips in that are about to be stored; False when the scene is not as just read.

        Counted first, clips of several processes never get the same place, and a crash before
        they are stored leaves a scene that says it changed, to be counted again.
        """
        end = max((clip.timeline_end for clip in clips), default=0.0)
        totals = Totals(scene.clip_count + len(clips), max(scene.duration, end))
        return await self._replace(scene, totals)

    def stored(self, scene: Scene, clips: Sequence[Clip]) -> None:
        """Say that clips which were counted in on `scene` are stored."""
        self._spans.added(scene, clips)

    async def touch(self, scene_id: str) -> None:
        """Say that an alternate was added, or anything else that no total shows."""
        await self._scenes.raise_revision(scene_id)

    async def renamed(self, scene_id: str, clip_id: str, name: str) -> None:
        """Say that a clip has another name now."""
        scene = await self._scenes.find_by_id(scene_id)
        if scene is not None and await self._scenes.raise_revision(scene_id):
            self._spans.renamed(scene, clip_id, name)

    async def recount(self, scene_id: str) -> None:
        """Set a scene's totals to what its clips say."""
        # Read before its clips are counted, so that a change in between is noticed.
        while (scene := await self._scenes.find_by_id(scene_id)) is not None:
            if await self._replace(scene, await self._counted(scene_id)):
                return

    async def _counted(self, scene_id: str) -> Totals:
        return totals_of(await self._clips.spans(scene_id))

    async def recount_recent(self, seconds: float) -> None:
        """Mend the totals of what changed last, after a stop between a write and its count."""
        newest, _ = await self._projects.list_newest(search="", skip=0, limit=_MENDED_AT_MOST)
        if not newest:
            return
        since = newest[0].updated_at - timedelta(seconds=seconds)
        project_ids = {project.id for project in newest if project.updated_at >= since}
        changed = {scene.id for scene in await self._scenes.changed_since(since)}
        for scene_id in sorted(changed | await self._clips.changed_since(since)):
            scene = await self._scenes.find_by_id(scene_id)
            if scene is not None:
                project_ids.add(scene.project_id)
                # What is right stays untouched, its time of change too.
                totals = await self._counted(scene_id)
                if totals != (scene.clip_count, scene.duration):
                    await self.recount(scene_id)
                else:
                    await self.touch(scene_id)
        for project_id in sorted(project_ids):
            await self._recount_project(project_id)

    async def _recount_project(self, project_id: str) -> None:
        async with contextlib.AsyncExitStack() as stack:
            # Nobody counts a scene or a clip in meanwhile, or it would be counted twice.
            await stack.enter_async_context(self.lock(project_id))
            scenes = await self._scenes.list_for_project(project_id)
            for scene in scenes:
                await stack.enter_async_context(self.lock(scene.id))
            await self._replace_project_totals(project_id)

    async def _replace_project_totals(self, project_id: str) -> None:
        project = await self._projects.find_by_id(project_id)
        scenes = await self._scenes.list_for_project(project_id)
        counted = [scene for scene in scenes if not scene.is_alternate]
        totals = {
            "scene_count": len(counted),
            "clip_count": sum(scene.clip_count for scene in counted),
            "duration": round(sum(scene.duration for scene in counted), 3),
        }
        if project is not None:
            await self._projects.replace_totals(project, totals)

    async def _replace(self, scene: Scene, totals: Totals) -> bool:
        now = self._clock()
        if not await self._scenes.replace_totals(scene, totals, now=now):
            return False
        if scene.is_alternate:
            return True
        amounts = {
            "clip_count": totals.clip_count - scene.clip_count,
            "duration": round(totals.duration - scene.duration, 3),
        }
        self._projects.adjust_soon(scene.project_id, amounts, now=now)
        return True


def _overlap(clip: Clip, requested: float, fit: int | None) -> TimelineOverlapError:
    suggested = None if fit is None else to_seconds(fit)
    advice = (
        "the scene has no room for it."
        if suggested is None
        else f"{suggested:.10g} s is the nearest free position."
    )
    return TimelineOverlapError(
        f"'{clip.name}' would overlap another clip at {requested:.10g} s; {advice}",
        suggested_position=suggested,
        clip_id=clip.id,
        requested_position=requested,
    )
