"""Waiting for conditions, with a deadline: the only places where tests look again and again."""

import asyncio
import inspect
import threading
import time
from collections.abc import Callable
from typing import Any

#: Between two looks of a test that blocks, and of one that shares its event loop.
_BLOCKING_PAUSE, _PAUSE = 0.02, 0.005


def until(holds: Callable[[], Any], seconds: float = 30, *, otherwise: str = "") -> Any:
    """Block until `holds` gives something true, and give it; fail with `otherwise` at the end."""
    deadline = time.monotonic() + seconds
    pause = threading.Event()
    while not (found := holds()):
        assert time.monotonic() < deadline, otherwise or f"not so within {seconds} s"
        pause.wait(_BLOCKING_PAUSE)
    return found


async def eventually(holds: Callable[[], Any], seconds: float = 15) -> None:
    """Wait until `holds` gives, or its coroutine gives, something true."""
    async with asyncio.timeout(seconds):
        while not await _told(holds()):
            await asyncio.sleep(_PAUSE)


async def _told(found: Any) -> Any:
    return await found if inspect.isawaitable(found) else found
