"""Takes the timing of an edited cut back into a film: reads, plans, and writes what changed."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack
from dataclasses import replace

from backend.models.clip import Clip
from backend.models.exports.frame_rate import FrameRate
from backend.models.exports.timeline import Timeline
from backend.models.exports.timing import TimingChange, TimingPlan
from backend.repositories.clip_repository import ClipRepository
from backend.services.exports import preflight
from backend.services.exports.cuts.read_cut import read_cut
from backend.services.exports.film import ExportOptions, Film
from backend.services.exports.film_timelines import FilmTimelines
from backend.services.exports.timeline_media import MediaMode
from backend.services.exports.timing_names import NameIndex
from backend.services.exports.timing_plan import differences, plan_timing
from backend.services.film.clip_timeline import ClipTimeline
from backend.services.media.uploads import read_upload
from backend.utils.clock import Clock
from backend.utils.errors import ConflictError

#: An FCPXML of 10,000 clips has 5 MB.
MAX_CUT_BYTES = 32 * 1_048_576
#: Writes under way at once.
_WRITES = 8
#: Of what is told in an error; the dry run tells all.
_TOLD = 20


class TimingService:
    def __init__(
        self,
        films: FilmTimelines,
        clips: ClipRepository,
        *,
        timeline: ClipTimeline,
        clock: Clock,
    ) -> None:
        self._films = films
        self._clips = clips
        self._timeline = timeline
        self._clock = clock

    async def take_over(
        self, project_id: str, chunks: AsyncIterator[bytes], *, dry_run: bool
    ) -> TimingPlan:
        """Move clips as the cut has them; with `dry_run` only say how.

        ResourceNotFoundError; PayloadTooLargeError, UnsupportedMediaError and UnprocessableError
        for the file; ConflictError for a cut that the scenes can't carry. Nothing is written then.
        A repeat of the same cut changes nothing more, so one that was cut short may be repeated.
        """
        film = await self._films.load(project_id)
        body = await read_upload(chunks, MAX_CUT_BYTES, noun="A cut")
        if dry_run:
            return await asyncio.to_thread(self._plan, film, body)
        async with AsyncExitStack() as stack:
            # In one order, so that two of these never wait for each other.
            for scene_id in sorted(scene.id for scene in film.scenes):
                await stack.enter_async_context(self._timeline.lock(scene_id))
            film = await self._films.load(project_id)
            plan = await asyncio.to_thread(self._plan, film, body)
            _refuse_conflicts(plan)
            await self._write(plan)
        return plan

    def _plan(self, film: Film, body: bytes) -> TimingPlan:
        preflight.refuse_rate(film)
        cut = read_cut(body, FrameRate.of(film.project.fps))
        shown = self._build(film, "selected")
        book = NameIndex((shown, self._build(film, "placeholder")), film.clips)
        plan = plan_timing(shown, film.scenes, film.clips, cut, book)
        if plan.conflicts:
            return plan
        after = self._build(replace(film, clips=_moved(film.clips, plan)), "selected")
        return replace(plan, remarks=(*plan.remarks, *differences(plan, after)))

    def _build(self, film: Film, mode: MediaMode) -> Timeline:
        return self._films.build(replace(film, options=ExportOptions(media_mode=mode)))

    async def _write(self, plan: TimingPlan) -> None:
        for first in range(0, len(plan.changes), _WRITES):
            some = plan.changes[first : first + _WRITES]
            await asyncio.gather(*(self._move(change) for change in some))
        for scene_id in sorted({change.scene_id for change in plan.changes}):
            await self._timeline.recount(scene_id)

    async def _move(self, change: TimingChange) -> None:
        """A clip that was deleted meanwhile stays deleted."""
        await self._clips.update(
            change.clip_id,
            {
                "timeline_position": change.new_position,
                "length": change.new_length,
                "updated_at": self._clock(),
            },
        )


def _refuse_conflicts(plan: TimingPlan) -> None:
    if plan.conflicts:
        first = plan.conflicts[0]
        raise ConflictError(
            f"{first.message} Nothing was changed; dry_run=true shows everything.",
            code="TIMING_CONFLICT",
            conflicts=[
                {"clip_id": each.clip_id, "message": each.message}
                for each in plan.conflicts[:_TOLD]
            ],
            count=len(plan.conflicts),
        )


def _moved(clips: Iterable[Clip], plan: TimingPlan) -> list[Clip]:
    new = {
        change.clip_id: {"timeline_position": change.new_position, "length": change.new_length}
        for change in plan.changes
    }
    return [clip.model_copy(update=new.get(clip.id, {})) for clip in clips]
