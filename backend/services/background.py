"""What runs beside the requests: the fleet's watch, the dispatcher, and mending after a start."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from backend.services.batch_service import BatchService
from backend.services.clip_timeline import ClipTimeline
from backend.services.dispatcher import Dispatcher
from backend.services.events import EventHub
from backend.services.fleet import Fleet
from backend.services.queue_manager import QueueManager
from backend.services.result_store import ResultStore
from backend.services.webhook_courier import WebhookCourier
from backend.utils.errors import DatabaseUnavailableError

#: How far back before the last change totals are counted again at start, in seconds.
_MEND_SECONDS = 60
_DATABASE_PAUSE = 1.0


class Mender:
    """Clears what a crash may have left half done, and goes on with batches."""

    def __init__(self, results: ResultStore, timeline: ClipTimeline, batches: BatchService) -> None:
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


@asynccontextmanager
async def running(
    fleet: Fleet,
    dispatcher: Dispatcher,
    queue: QueueManager,
    *,
    events: EventHub,
    webhooks: WebhookCourier,
    mender: Mender,
) -> AsyncIterator[None]:
    """Run it all until the block ends; then let go of everyone who waits for a job."""
    tasks = [
        asyncio.create_task(fleet.run(), name="fleet"),
        asyncio.create_task(dispatcher.run(), name="dispatcher"),
        asyncio.create_task(mender.run(), name="mend"),
        asyncio.create_task(events.run(), name="events"),
        asyncio.create_task(webhooks.run(), name="webhooks"),
    ]
    try:
        yield
    finally:
        queue.stop_waiting()
        events.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
