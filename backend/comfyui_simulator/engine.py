"""One life of the simulated server: all that a restart loses, and where routes find it."""

import asyncio
import contextlib

from aiohttp import web

from backend.comfyui_simulator.prompt_queue import PromptQueue
from backend.comfyui_simulator.sockets import Hub
from backend.comfyui_simulator.worker import PromptWorker, World


class Engine:
    """Queue, history, sockets, cache, worker."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.hub = Hub(world.faults, lambda: len(self.queue))
        self.queue = PromptQueue(self.hub.status)
        self.worker = PromptWorker(world, self.queue, self.hub)
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        self._tasks = [
            asyncio.create_task(self.worker.work(), name="simulator worker"),
            asyncio.create_task(self.hub.publish(), name="simulator publisher"),
        ]

    async def stop(self) -> None:
        """Cancel both tasks. Raises what made one of them fail earlier, if anything did."""
        self.worker.stopping.set()
        for task in self._tasks:
            task.cancel()
        for task in self._tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task


ENGINE: web.AppKey[Engine] = web.AppKey("engine", Engine)


def engine_of(request: web.Request) -> Engine:
    return request.app[ENGINE]
