"""Work that goes on beside a block, and no longer than it."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any


@asynccontextmanager
async def running_alongside(*works: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Run these until the block ends. What becomes of them has no say in how the block ends."""
    tasks = [asyncio.create_task(work) for work in works]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
