"""A server that tells how long its event loop was busy without a pause.

    python -m scripts.bench._watched_server FILE

Runs until it is told to stop. In FILE stands the most processor time, in milliseconds, that the
loop's thread spent between two chances for others, since FILE was last removed. Processor time:
on a machine with other work, what the clock says would be that work's.
"""

import asyncio
import sys
import time
from pathlib import Path

import uvicorn

from backend.config import Settings
from backend.server import create_app
from backend.utils.collector import spare_collector

#: Also what a look costs the measured server: a thousandth of its time.
_LOOK_SECONDS = 0.002
_TELL_SECONDS = 0.2


async def watch(told: Path) -> None:
    longest, last, told_at = 0.0, time.thread_time(), 0.0
    while True:
        await asyncio.sleep(_LOOK_SECONDS)
        now = time.thread_time()
        longest, last = max(longest, now - last), now
        if time.monotonic() - told_at > _TELL_SECONDS:
            told_at = time.monotonic()
            if not told.exists():  # noqa: ASYNC240 - the file is the switch, and small
                longest = 0.0
            told.write_text(f"{longest * 1000:.1f}")  # noqa: ASYNC240


async def serve(config: uvicorn.Config, told: Path) -> None:
    spare_collector()
    watching = asyncio.create_task(watch(told))
    try:
        await uvicorn.Server(config).serve()
    finally:
        watching.cancel()


def main() -> None:
    settings = Settings()
    config = uvicorn.Config(create_app(settings), port=settings.backend_port, log_config=None)
    with asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
        runner.run(serve(config, Path(sys.argv[1])))


if __name__ == "__main__":
    main()
