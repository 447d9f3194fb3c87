"""Renders animatics, one at a time in each process, whoever was asked for them.

What stands in the database decides: a document that is gone was cancelled, and one whose process
was not heard of for a while is anybody's. So a restart, a crash and a cancel at another process
all come out right.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from backend.models.event import EventKind
from backend.models.exports.animatic import AnimaticRender, AnimaticStatus
from backend.repositories.animatic_repository import AnimaticRepository
from backend.services.events.hub import EventHub
from backend.services.exports.animatic_plan import AnimaticPlan, AnimaticPlanner
from backend.services.exports.media_preparation import MediaPreparer
from backend.services.exports.render_cache import RenderCache
from backend.services.exports.rendering.process import BrokenSourceError, RenderProcess
from backend.utils.clock import Clock
from backend.utils.errors import (
    ConflictError,
    DatabaseUnavailableError,
    ResourceNotFoundError,
    StorageFullError,
)
from backend.utils.ids import random_id

logger = logging.getLogger(__name__)

#: A process notes how far it is every half second; after so long it is taken for dead.
ABANDONED: Final = timedelta(seconds=20)
#: So long a failure is remembered when nobody asks again.
_FORGOTTEN: Final = timedelta(days=1)
_NOTE_SECONDS: Final = 0.5
#: How often is looked for what other processes left, in seconds.
_LOOK_SECONDS: Final = 10.0
_DATABASE_PAUSE: Final = 1.0


class AnimaticRunner:
    def __init__(
        self,
        renders: AnimaticRepository,
        planner: AnimaticPlanner,
        cache: RenderCache,
        *,
        process: RenderProcess,
        events: EventHub,
        clock: Clock,
    ) -> None:
        self._renders = renders
        self._planner = planner
        self._cache = cache
        self._process = process
        self._events = events
        self._clock = clock
        self._owner = random_id()
        self._woken = asyncio.Event()
        self._looked_at = asyncio.Event()

    def wake(self) -> None:
        """Look now: something waits, or was cancelled."""
        self._woken.set()
        self._looked_at.set()

    def tell_cancelled(self, render: AnimaticRender) -> None:
        self._tell(EventKind.EXPORT_CANCELLED, render)

    async def run(self) -> None:
        """Render what waits until cancelled."""
        try:
            while True:
                self._woken.clear()
                try:
                    if await self._step():
                        continue
                except DatabaseUnavailableError:
                    await asyncio.sleep(_DATABASE_PAUSE)
                    continue
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_LOOK_SECONDS):
                        await self._woken.wait()
        finally:
            await self._process.close()

    async def _step(self) -> bool:
        """Render one; False when there is nothing to do."""
        render = await self._claimed()
        if render is None:
            return False
        is_over = False
        try:
            await self._render(render)
            is_over = True
        finally:
            if not is_over:
                with contextlib.suppress(DatabaseUnavailableError):
                    await self._renders.give_back(render.id, self._owner, self._clock())
        return True

    async def _claimed(self) -> AnimaticRender | None:
        for render in await self._open():
            now = self._clock()
            if await self._renders.claim(render, self._owner, now):
                return render.model_copy(update={"owner": self._owner})
        return None

    async def _open(self) -> list[AnimaticRender]:
        now = self._clock()
        for failed in await self._renders.list_in(AnimaticStatus.FAILED):
            if failed.updated_at < now - _FORGOTTEN:
                await self._renders.delete(failed.id)
        running = await self._renders.list_in(AnimaticStatus.PROCESSING)
        left = [render for render in running if render.updated_at < now - ABANDONED]
        return [*left, *await self._renders.list_in(AnimaticStatus.PENDING)]

    async def _render(self, render: AnimaticRender) -> None:
        try:
            plan = await self._planner.plan(render.project_id, render.options)
        except (ResourceNotFoundError, ConflictError) as error:
            await self._forget(render, error.message)
            return
        if plan.id != render.id:
            await self._forget(render, "The film has changed.")
            return
        self._tell(EventKind.EXPORT_STARTED, render)
        try:
            is_ours = await self._made(render, plan)
        except (BrokenSourceError, StorageFullError) as error:
            why = error.message if isinstance(error, StorageFullError) else str(error)
            logger.warning("The animatic of project %s failed: %s", render.project_id, why)
            await self._renders.fail(render.id, self._owner, why, self._clock())
            self._tell(EventKind.EXPORT_FAILED, render, error=why)
            return
        if is_ours:
            await self._renders.delete(render.id)
            self._tell(EventKind.EXPORT_COMPLETED, render, progress=1.0)

    async def _forget(self, render: AnimaticRender, why: str) -> None:
        await self._renders.delete(render.id)
        self._tell(EventKind.EXPORT_CANCELLED, render, error=why)

    async def _made(self, render: AnimaticRender, plan: AnimaticPlan) -> bool:
        """Write the file and put it in place; False when it was cancelled meanwhile."""
        if await asyncio.to_thread(self._cache.find, plan.file):
            return True
        target = await asyncio.to_thread(self._cache.begin, ".mp4")
        try:
            if not await self._written(render, plan, target):
                return False
            await asyncio.to_thread(self._cache.keep, target, plan.file)
            return True
        finally:
            await asyncio.to_thread(self._cache.drop, target)

    async def _written(self, render: AnimaticRender, plan: AnimaticPlan, target: Path) -> bool:
        done = 0.0

        def on_progress(part: float) -> None:
            nonlocal done
            done = part

        work = asyncio.create_task(self._process.do(plan.aimed_at(target), on_progress))
        try:
            while not work.done():
                self._looked_at.clear()
                await _first_of(work, self._looked_at, _NOTE_SECONDS)
                if not work.done() and not await self._noted(render, lambda: done):
                    return False
            await work
            return True
        finally:
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)

    async def _noted(self, render: AnimaticRender, done: Callable[[], float]) -> bool:
        """Whether it is still wanted from us; without database it goes on."""
        self._tell(EventKind.EXPORT_PROGRESS, render, progress=done())
        try:
            return await self._renders.note(render.id, self._owner, done(), self._clock())
        except DatabaseUnavailableError:
            return True

    def _tell(self, kind: EventKind, render: AnimaticRender, **data: object) -> None:
        facts = {"format": "animatic.mp4", **data}
        self._events.publish(kind, project_id=render.project_id, job_id=render.id, data=facts)


async def _first_of(work: asyncio.Task[Any], woken: asyncio.Event, seconds: float) -> None:
    waiting = asyncio.create_task(woken.wait())
    await asyncio.wait({work, waiting}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()


@contextlib.asynccontextmanager
async def at_work(runner: AnimaticRunner, media_preparer: MediaPreparer) -> AsyncIterator[None]:
    """Render until the block ends; then end every process that renders."""
    task = asyncio.create_task(runner.run(), name="animatics")
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await media_preparer.close()
