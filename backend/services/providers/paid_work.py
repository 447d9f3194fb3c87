"""Helps with all paid work: what a provider answered to an order must not get lost.

A provider's answer to an order is known nowhere else, so it is written down however long the
database takes, and a stop waits for it a little.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeVar

from backend.utils.backoff import Backoff
from backend.utils.errors import DatabaseUnavailableError, StoryCanvasError

T = TypeVar("T")

_DATABASE_PAUSE = 0.5
#: A stop waits so long, in seconds, for the answer to an order that is on its way.
_GRACE = 5.0
_GROWTH = 1.25
#: The longest pause, in multiples of the first one: while all is well, and while it is not.
_CALM, _TROUBLED = 4.0, 12.0


@dataclass
class PollSchedule:
    """Computes how long to wait before the next poll."""

    first: float
    looks: int = 0
    #: Troubles in a row, and those among them that a wait will hardly mend.
    troubles: int = 0
    strange: int = 0
    asked: float = 0.0

    def next(self) -> float:
        if self.troubles:
            troubled = Backoff(self.first, longest=_TROUBLED * self.first)
            return max(troubled.after(self.troubles), self.asked)
        self.looks += 1
        calm = Backoff(self.first, longest=_CALM * self.first, factor=_GROWTH)
        return calm.after(self.looks)

    def well(self) -> None:
        self.troubles = self.strange = 0
        self.asked = 0.0

    def trouble(self, *, passing: bool, asked: float = 0.0) -> None:
        self.troubles = min(self.troubles + 1, 10)
        self.strange = 0 if passing else self.strange + 1
        self.asked = asked


async def retry_until_saved(save: Callable[[], Awaitable[T]]) -> T:
    """Try until the database takes it: what the provider said is known nowhere else."""
    while True:
        try:
            return await save()
        except DatabaseUnavailableError:
            await asyncio.sleep(_DATABASE_PAUSE)


async def finish_despite_cancel(work: Awaitable[T]) -> T:
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
