"""Very many jobs waiting for many servers: server, embedded database and simulators over HTTP.

    .venv/bin/python -m scripts.bench.queue_scale [--jobs 100000] [--servers 200] [--seconds 120]

The jobs wait when the server starts, as after a night; each takes 60 s on its simulator. Prints how
long the start takes, then, for some time of work: what GET /queue/status takes, asked twice a
second, the longest that the server's event loop was busy without a pause, its memory, and how much
of what the servers could do was done.
"""

import argparse
import asyncio
import statistics
import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from typing import Any, NamedTuple

from rich.console import Console
from rich.table import Table

from backend.comfyui_simulator.options import SimulatorOptions
from backend.comfyui_simulator.simulator import Simulator
from scripts.bench._bench import cpu_seconds, peak_megabytes
from scripts.bench._stack import Order, Place, Stack, place, stack

#: Pictures that cost little to draw: the machine is the server's.
SMALL = {"width": 256, "height": 144, "steps": 20}
JOB_SECONDS, LOAD_SECONDS = 60.0, 20.0
MODELS = tuple(f"model-{number}_sd15.safetensors" for number in range(10))
PROJECTS = 50
_START_SECONDS = 300
_ASK_SECONDS = 0.5


def orders_of(jobs: int) -> list[Order]:
    """Each project wants all models, in turns."""
    return [
        Order(MODELS[number // PROJECTS % len(MODELS)], SMALL, f"project-{number % PROJECTS}")
        for number in range(jobs)
    ]


def simulated() -> SimulatorOptions:
    return SimulatorOptions(
        seconds_per_step=JOB_SECONDS / SMALL["steps"],
        model_swap_seconds=LOAD_SECONDS,
        models={"checkpoints": MODELS},
    )


class Watched(NamedTuple):
    """Of a stretch of time: milliseconds that each status took, and the loop's longest work."""

    took: Sequence[float]
    busy: float

    def add_to(self, table: Table, name: str) -> None:
        median, worst = statistics.median(self.took), max(self.took)
        table.add_row(f"GET /queue/status {name}", f"{median:.0f} ms, at most {worst:.0f} ms")
        table.add_row(f"event loop busy without a pause {name}", f"{self.busy:.0f} ms")


async def watch(ours: Stack, enough: Callable[[dict[str, Any]], bool], seconds: float) -> Watched:
    took = []
    async with asyncio.timeout(seconds):
        while True:
            began = time.perf_counter()
            status = await ours.status()
            took.append((time.perf_counter() - began) * 1000)
            if enough(status):
                break
            await asyncio.sleep(_ASK_SECONDS)
    return Watched(took, await ours.longest_busy())


async def measure(here: Place, simulators: Sequence[Simulator], seconds: float) -> Table:
    table = Table("", "", title=f"{len(simulators)} servers")
    began = time.monotonic()
    async with stack(here) as ours:
        start = await watch(
            ours, lambda now: now["processing_jobs"] >= len(simulators), _START_SECONDS
        )
        table.add_row("from the start until all work", f"{time.monotonic() - began:.1f} s")
        start.add_to(table, "until then")
        first, spent, began = rendered(simulators), cpu_seconds(ours.pid), time.monotonic()
        work = await watch(ours, lambda _: time.monotonic() - began > seconds, seconds + 30)
        lasted = time.monotonic() - began
        done = rendered(simulators) - first
        work.add_to(table, "after")
        table.add_row("processor time", f"{(cpu_seconds(ours.pid) - spent) / lasted:.0%}")
        table.add_row(f"jobs done in {lasted:.0f} s", f"{done}")
        share = done * JOB_SECONDS / (lasted * len(simulators))
        table.add_row("of what the servers can do, without loads", f"{share:.0%}")
        table.add_row("peak memory", f"{peak_megabytes(ours.pid):.0f} MB")
    return table


def rendered(simulators: Sequence[Simulator]) -> int:
    return sum(sum(each.stats["rendered"].values()) for each in simulators)


async def scale(jobs: int, servers: int, seconds: float) -> Table:
    async with AsyncExitStack() as opened:
        simulators = [
            await opened.enter_async_context(Simulator(simulated())) for _ in range(servers)
        ]
        here = opened.enter_context(place())
        await here.fill(orders_of(jobs), simulators)
        return await measure(here, simulators, seconds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=100_000)
    parser.add_argument("--servers", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=120)
    given = parser.parse_args()
    Console().print(asyncio.run(scale(given.jobs, given.servers, given.seconds)))


if __name__ == "__main__":
    main()
