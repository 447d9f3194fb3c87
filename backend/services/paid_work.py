"""What every paid sending needs: nothing that was said about money may get lost on the way.

A provider's answer to an order is known nowhere else, so it is written down however long the
database takes, and a stop waits for it a little.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeVar

from backend.models.job import Job
from backend.repositories.job_repository import JobRepository
from backend.utils.errors import DatabaseUnavailableError, StoryCanvasError

logger = logging.getLogger(__name__)

T = TypeVar("T")

_DATABASE_PAUSE = 0.5
#: A stop waits so long, in seconds, for the answer to an order that is on its way.
_GRACE = 5.0
_GROWTH = 1.25
#: The longest pause, in multiples of the first one: while all is well, and while it is not.
_CALM, _TROUBLED = 4.0, 12.0


@dataclass
class Pace:
    """How long to wait before the next look."""

    first: float
    looks: int = 0
    #: Troubles in a row, and those among them that a wait will hardly mend.
    troubles: int = 0
    strange: int = 0
    asked: float = 0.0

    def next(self) -> float:
        if self.troubles:
            return max(self.first * min(2.0**self.troubles, _TROUBLED), self.asked)
        self.looks += 1
        return self.first * min(_GROWTH**self.looks, _CALM)

    def well(self) -> None:
        self.troubles = self.strange = 0
        self.asked = 0.0

    def trouble(self, *, passing: bool, asked: float = 0.0) -> None:
        self.troubles = min(self.troubles + 1, 10)
        self.strange = 0 if passing else self.strange + 1
        self.asked = asked


async def save_receipt(jobs: JobRepository, job: Job, receipt: str) -> Job | None:
    """Write the provider's id into the attempt, wherever the job has gone meanwhile.

    None: the job is nobody's to follow any more, it was cancelled or deleted, say.
    """
    current = await jobs.find_by_id(job.id)
    while current is not None:
        attempts = [
            entry.model_copy(update={"prompt_id": receipt})
            if entry.number == job.attempt
            else entry
            for entry in current.attempts
        ]
        stored = [entry.model_dump() for entry in attempts]
        if await jobs.note(current, attempts=stored):
            ours = current.status == job.status and current.attempt == job.attempt
            return current.model_copy(update={"attempts": tuple(attempts)}) if ours else None
        current = await jobs.find_by_id(job.id)
    logger.warning("Job %s was deleted; what was ordered for it is %s.", job.id, receipt)
    return None


async def until_saved(save: Callable[[], Awaitable[T]]) -> T:
    """Try until the database takes it: what the provider said is known nowhere else."""
    while True:
        try:
            return await save()
        except DatabaseUnavailableError:
            await asyncio.sleep(_DATABASE_PAUSE)


async def whatever_stops(work: Awaitable[T]) -> T:
    """Await something that a cancellation lets finish first, for a few seconds."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait({task}, timeout=_GRACE)
        task.cancel()
        with suppress(asyncio.CancelledError, StoryCanvasError):
            await task
        raise
