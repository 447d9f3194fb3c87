"""Work that is done once at a time."""

import asyncio
from collections.abc import Awaitable, Callable


class SingleFlight:
    """Who asks while it is done has it done once more; all who ask meanwhile share that."""

    def __init__(self, work: Callable[[], Awaitable[object]]) -> None:
        self._work = work
        self._lock = asyncio.Lock()
        self._is_asked = False

    async def __call__(self) -> None:
        """Return when it is done, or at once when somebody else waits to do it."""
        if self._is_asked:
            return
        self._is_asked = True
        try:
            await self._lock.acquire()
        finally:
            self._is_asked = False
        try:
            await self._work()
        finally:
            self._lock.release()
