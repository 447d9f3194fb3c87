"""What runs beside the requests: the fleet's watch, the dispatcher, and repair after a start."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from backend.services.batch_generator import BatchGenerator
from backend.services.events.hub import EventHub
from backend.services.events.webhook_dispatcher import WebhookDispatcher
from backend.services.film.clip_timeline import ClipTimeline
from backend.services.media.result_store import ResultStore
from backend.services.queue.dispatcher import Dispatcher
from backend.services.queue_manager import QueueManager
from backend.services.servers.fleet import Fleet
from backend.utils.errors import DatabaseUnavailableError

#: How far back before the last change totals are counted again at start, in seconds.
_MEND_SECONDS = 60
_DATABASE_PAUSE = 1.0
#: Before something that failed by our own fault begins anew, in seconds.
_FAULT_PAUSE = 1.0

logger = logging.getLogger(__name__)


class StartupRepair:
    """Clears what a crash may have left half done, and goes on with batches."""

    def __init__(
        self, results: ResultStore, timeline: ClipTimeline, batches: BatchGenerator
    ) -> None:
        self._results = results
        self._timeline = timeline
        self._batches = batches

    async def run(self) -> None:
        """Mend once, as soon as the database is there; look after batches until it is cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._batches.go_on(), name="batches")
            group.create_task(self._mend(), name="mend once")

    async def _mend(self) -> None:
        await self._results.sweep_incoming()
        while True:
            try:
                await self._timeline.recount_recent(_MEND_SECONDS)
            except DatabaseUnavailableError:
                await asyncio.sleep(_DATABASE_PAUSE)
            else:
                return


async def kept_up(
    run: Callable[[], Coroutine[Any, Any, None]], name: str, *, pause: float = _FAULT_PAUSE
) -> None:
    """Run it to its end. A fault of ours is told and stops it for a moment, never for good."""
    while True:
        task = asyncio.create_task(run(), name=name)
        try:
            await asyncio.wait({task})
        finally:
            task.cancel()  # when this is cancelled
            await asyncio.gather(task, return_exceptions=True)
        error = task.exception()
        if error is None:
            return
        logger.error("'%s' stopped for a reason of our own; it begins anew.", name, exc_info=error)
        await asyncio.sleep(pause)


@asynccontextmanager
async def running(
    fleet: Fleet,
    dispatcher: Dispatcher,
    queue: QueueManager,
    *,
    events: EventHub,
    webhooks: WebhookDispatcher,
    startup_repair: StartupRepair,
) -> AsyncIterator[None]:
    """Run it all until the block ends; then let go of everyone who waits for a job."""
    tasks = [
        asyncio.create_task(kept_up(part.run, name), name=name)
        for name, part in (
            ("fleet", fleet),
            ("dispatcher", dispatcher),
            ("mend", startup_repair),
            ("events", events),
            ("webhooks", webhooks),
        )
    ]
    try:
        yield
    finally:
        queue.stop_waiting()
        events.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
