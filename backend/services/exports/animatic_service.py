"""Animatics for those who ask: the file when there is one, else how far its rendering is."""

import asyncio
import time
from datetime import timedelta
from pathlib import Path
from typing import Final, NamedTuple

from backend.models.exports.animatic import AnimaticOptions, AnimaticRender, AnimaticStatus
from backend.repositories.animatic_repository import AnimaticRepository
from backend.services.exports.animatic_plan import AnimaticPlan, AnimaticPlanner
from backend.services.exports.animatic_runner import AnimaticRunner
from backend.services.exports.render_cache import RenderCache
from backend.utils.clock import Clock
from backend.utils.errors import ConflictError, ServiceUnavailableError

_LOOK_SECONDS: Final = 0.2
#: A failed rendering is told for so long before somebody's wish begins it anew.
_TOLD: Final = timedelta(seconds=30)


class AnimaticFile(NamedTuple):
    """`filename` is ASCII, `title` what people would call it; `etag` tells what it shows."""

    path: Path
    filename: str
    title: str
    etag: str


class AnimaticService:
    """`wait_seconds` is how long somebody may wait for a file."""

    def __init__(
        self,
        renders: AnimaticRepository,
        planner: AnimaticPlanner,
        cache: RenderCache,
        *,
        runner: AnimaticRunner,
        wait_seconds: float,
        clock: Clock,
    ) -> None:
        self._renders = renders
        self._planner = planner
        self._cache = cache
        self._runner = runner
        self._wait_seconds = wait_seconds
        self._clock = clock
        self._is_closing = False

    async def get(
        self, project_id: str, options: AnimaticOptions, *, wait: bool = False
    ) -> AnimaticFile | AnimaticRender:
        """The file, or its rendering, which begins with this call if none is under way.

        ResourceNotFoundError, ConflictError (a film that no timeline can carry, or somebody
        cancelled the rendering that was waited for), ServiceUnavailableError when it failed.
        """
        plan = await self._planner.plan(project_id, options)
        file = await self._file(plan)
        if file:
            return file
        render = await self._asked(project_id, options, plan)
        return await self._awaited(plan, render) if wait else render

    async def cancel(self, project_id: str) -> int:
        """End all renderings of a project; gives their number."""
        await self._planner.check(project_id)
        return await self._drop(await self._renders.list_for_project(project_id))

    def let_go(self) -> None:
        """Answer those who wait: the server is about to end."""
        self._is_closing = True

    async def _file(self, plan: AnimaticPlan) -> AnimaticFile | None:
        path = await asyncio.to_thread(self._cache.find, plan.file)
        return AnimaticFile(path, plan.filename, plan.title, f'"{plan.id}"') if path else None

    async def _asked(
        self, project_id: str, options: AnimaticOptions, plan: AnimaticPlan
    ) -> AnimaticRender:
        """Its rendering; those of the same wish for a film that has changed since are ended."""
        known = await self._renders.list_for_project(project_id)
        await self._drop([old for old in known if old.options == options and old.id != plan.id])
        now = self._clock()
        render = await self._renders.ask(
            AnimaticRender(
                id=plan.id,
                project_id=project_id,
                options=options,
                created_at=now,
                updated_at=now,
            )
        )
        if render.status is AnimaticStatus.FAILED:
            render = await self._once_more(render)
        self._runner.wake()
        return render

    async def _once_more(self, render: AnimaticRender) -> AnimaticRender:
        if render.updated_at > self._clock() - _TOLD:
            raise _failed(render)
        await self._renders.try_again(render, self._clock())
        return await self._renders.find_by_id(render.id) or render

    async def _awaited(
        self, plan: AnimaticPlan, render: AnimaticRender
    ) -> AnimaticFile | AnimaticRender:
        deadline = time.monotonic() + self._wait_seconds
        while time.monotonic() < deadline and not self._is_closing:
            await asyncio.sleep(_LOOK_SECONDS)
            now = await self._renders.find_by_id(render.id)
            file = await self._file(plan)
            if file:
                return file
            if now is None:
                raise ConflictError(
                    "The rendering was cancelled, or the film has changed. Ask again.",
                    code="ANIMATIC_CANCELLED",
                )
            if now.status is AnimaticStatus.FAILED:
                raise _failed(now)
            render = now
        return render

    async def _drop(self, renders: list[AnimaticRender]) -> int:
        dropped = [render for render in renders if await self._renders.delete(render.id)]
        for render in dropped:
            self._runner.tell_cancelled(render)
        self._runner.wake()
        return len(dropped)


def _failed(render: AnimaticRender) -> ServiceUnavailableError:
    return ServiceUnavailableError(
        f"The animatic could not be rendered: {render.error}", code="ANIMATIC_FAILED"
    )
