"""The queue as a whole: server, embedded database, and simulators over HTTP, in real time.

    .venv/bin/python -m scripts.bench.queue [--only overhead,balance,churn] [--jobs 200]

Each figure stands beside a reference of the same run: ComfyUI's own queue for the overhead, the
pure planner in simulated time (scripts/bench/queue_plan.py) for the balance, the same jobs without
falling servers for the churn.
"""

import argparse
import asyncio
import random
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

import aiohttp
from rich.console import Console
from rich.table import Table

from backend.comfyui_simulator.options import SimulatorOptions
from backend.comfyui_simulator.simulator import Simulator
from backend.embedded_database import EmbeddedDatabase
from scripts.bench._bench import free_port, peak_megabytes, process, ready
from scripts.bench._plan_rules import Ours
from scripts.bench._plan_world import Task, World, simulate

FIGURES = ("overhead", "balance", "churn")
SIZE = {"width": 64, "height": 64}
STEPS = 5
MODELS = tuple(f"model_{number}_sd15.safetensors" for number in range(5))
#: Seconds of a job at speed 1, and of a load, in the balance: as quick as one machine can serve.
JOB_SECONDS, LOAD_SECONDS = 8.0, 32.0
#: Jobs whose takes go into one gallery.
A_CLIP = 10
SERVERS = 16
#: A server falls this often, for so long, in seconds.
FALL_EVERY, FALL_SECONDS = 4.0, 6.0


class Stack:
    """A running StoryCanvas with an empty database."""

    def __init__(self, client: aiohttp.ClientSession, url: str, pid: int) -> None:
        self._client = client
        self._url = f"{url}/api/v1"
        self.pid = pid

    async def post(self, path: str, body: dict[str, Any]) -> Any:
        async with self._client.post(self._url + path, json=body) as response:
            response.raise_for_status()
            return await response.json()

    async def get(self, path: str) -> Any:
        async with self._client.get(self._url + path) as response:
            response.raise_for_status()
            return await response.json()

    async def clips(self, jobs: int) -> list[str]:
        """A clip for each job; some share one, as people try again what they do not like."""
        project = await self.post("/projects", {"name": "Bench"})
        scene = await self.post("/scenes", {"project_id": project["id"], "name": "Scene"})
        clip = {"scene_id": scene["id"], "name": "Clip", "auto_generate": False}
        made = [(await self.post("/clips", clip))["id"] for _ in range(-(-jobs // A_CLIP))]
        return [made[number // A_CLIP] for number in range(jobs)]

    async def register(self, number: int, simulator: Simulator) -> None:
        await self.post("/comfyui/servers", {"name": f"Server {number}", "url": simulator.url})

    async def queue(self, clip: str, model: str, steps: int) -> None:
        params = {**SIZE, "steps": steps}
        body = {"clip_id": clip, "prompt": "a car", "model": model, "params": params}
        await self.post("/queue/jobs", body)

    async def until_done(self, count: int, seconds: float) -> dict[str, int]:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            status: dict[str, int] = await self.get("/queue/status")
            if status["completed_jobs"] + status["failed_jobs"] >= count:
                return status
            await asyncio.sleep(0.25)
        raise TimeoutError(f"not done in {seconds:.0f} s: {status}")


@asynccontextmanager
async def stack(**settings: str) -> AsyncIterator[Stack]:
    with tempfile.TemporaryDirectory() as folder:
        database = EmbeddedDatabase(Path(folder) / "db")
        database.start()
        port = free_port()
        place = {"MONGO_URL": database.url, "DB_NAME": "bench", "UPLOAD_DIR": f"{folder}/uploads"}
        try:
            with process(
                ["-m", "backend.server"], **place, BACKEND_PORT=str(port), **settings
            ) as pid:
                async with aiohttp.ClientSession() as client:
                    url = f"http://127.0.0.1:{port}"
                    await ready(client, f"{url}/api/v1/health")
                    yield Stack(client, url, pid)
        finally:
            database.stop()


# -- overhead ------------------------------------------------------------------------------------


async def overhead(jobs: int) -> Table:
    """As many jobs of half a second on one server, and the same prompts posted straight to one."""
    options = SimulatorOptions(seconds_per_step=0.1, models={"checkpoints": MODELS[:1]})
    async with Simulator(options) as one, Simulator(options) as other:
        async with stack() as ours:
            for clip in await ours.clips(jobs):
                await ours.queue(clip, MODELS[0], STEPS)
            await ours.register(0, one)
            await ours.until_done(jobs, 10 * jobs)
        mine = await runs_at(one)
        await straight(other, await graph_of(one), jobs)
        reference = await runs_at(other)
    table = Table("", "seconds", "gap median ms", title=f"{jobs} jobs of {STEPS * 0.1:g} s")
    for name, runs in (("StoryCanvas", mine), ("ComfyUI's own queue", reference)):
        table.add_row(name, f"{makespan(runs):.2f}", f"{1000 * gap(runs):.1f}")
    table.add_row("ratio", f"{makespan(mine) / makespan(reference):.3f}", "")
    return table


async def straight(simulator: Simulator, graph: dict[str, Any], jobs: int) -> None:
    async with aiohttp.ClientSession() as client:
        for number in range(jobs):
            prompt = _reseeded(graph, number)
            async with client.post(f"{simulator.url}/prompt", json={"prompt": prompt}) as response:
                response.raise_for_status()
    while sum(simulator.stats["rendered"].values()) < jobs:  # noqa: ASYNC110 - it is another loop
        await asyncio.sleep(0.1)
    await asyncio.sleep(0.2)


def _reseeded(graph: dict[str, Any], seed: int) -> dict[str, Any]:
    return {
        name: {**node, "inputs": {**node["inputs"], **_seeds(node["inputs"], seed)}}
        for name, node in graph.items()
    }


def _seeds(inputs: dict[str, Any], seed: int) -> dict[str, int]:
    return {name: seed for name in inputs if name in {"seed", "noise_seed"}}


async def history(simulator: Simulator) -> dict[str, Any]:
    async with aiohttp.ClientSession() as client, client.get(f"{simulator.url}/history") as answer:
        found: dict[str, Any] = await answer.json()
        return found


async def graph_of(simulator: Simulator) -> dict[str, Any]:
    entry = next(iter((await history(simulator)).values()))
    graph: dict[str, Any] = entry["prompt"][2]
    return graph


async def runs_at(simulator: Simulator) -> list[tuple[float, float]]:
    """When each prompt began and ended, in seconds, by the server's own clock."""
    runs = []
    for entry in (await history(simulator)).values():
        stamps = [data["timestamp"] / 1000 for _, data in entry["status"]["messages"]]
        runs.append((min(stamps), max(stamps)))
    return sorted(runs)


def makespan(runs: Sequence[tuple[float, float]]) -> float:
    return max(end for _, end in runs) - runs[0][0]


def gap(runs: Sequence[tuple[float, float]]) -> float:
    return statistics.median(after[0] - before[1] for before, after in pairwise(runs))


# -- balance and churn ---------------------------------------------------------------------------


def world_of(jobs: int, seed: int) -> World:
    """16 servers of speeds 1 to 8, five models, loads of four job lengths, jobs in random order."""
    rng = random.Random(seed)  # noqa: S311 - it must be the same each time
    speeds = [1 + 7 * index / (SERVERS - 1) for index in range(SERVERS)]
    rng.shuffle(speeds)
    tasks = tuple(
        Task(f"job-{number}", rng.randrange(len(MODELS)), JOB_SECONDS) for number in range(jobs)
    )
    swaps = tuple((LOAD_SECONDS,) * len(MODELS) for _ in speeds)
    return World(tuple(speeds), swaps, tasks, noise=0.0)


async def through_the_stack(world: World, *, churn: bool = False) -> tuple[float, float, int]:
    """Seconds until all was done, the server's peak memory, and renders beyond one a job."""
    async with AsyncExitStack() as opened:
        simulators = [
            await opened.enter_async_context(
                Simulator(
                    SimulatorOptions(
                        seconds_per_step=JOB_SECONDS / STEPS / speed,
                        model_swap_seconds=LOAD_SECONDS,
                        models={"checkpoints": MODELS},
                    )
                )
            )
            for speed in world.speeds
        ]
        ours = await opened.enter_async_context(
            stack(SERVER_LOST_SECONDS="2", SERVER_CHECK_SECONDS="1")
        )
        clips = await ours.clips(len(world.tasks))
        for clip, task in zip(clips, world.tasks, strict=True):
            await ours.queue(clip, MODELS[task.model], STEPS)
        began = time.monotonic()
        await asyncio.gather(*(ours.register(*each) for each in enumerate(simulators)))
        falling = asyncio.create_task(fall(simulators)) if churn else None
        status = await ours.until_done(len(world.tasks), 1200)
        took = time.monotonic() - began
        if falling is not None:
            falling.cancel()
            with suppress(asyncio.CancelledError):
                await falling
        if status["completed_jobs"] != len(world.tasks):
            raise RuntimeError(f"jobs failed: {status}")
        rendered = sum(sum(each.stats["rendered"].values()) for each in simulators)
        return took, peak_megabytes(ours.pid), rendered - len(world.tasks)


async def fall(simulators: Sequence[Simulator]) -> None:
    rng = random.Random(1)  # noqa: S311 - it must be the same each time
    while True:
        await asyncio.sleep(FALL_EVERY)
        simulator = rng.choice(simulators)
        await simulator.die()
        await asyncio.sleep(FALL_SECONDS)
        await simulator.restart()


async def balance(jobs: int) -> Table:
    world = world_of(jobs, seed=1)
    planned = simulate(world, Ours(world), seed=1).makespan
    took, memory, again = await through_the_stack(world)
    table = Table("", "seconds", "of the bound", title=f"{jobs} jobs, {SERVERS} servers, 5 models")
    table.add_row("lower bound", f"{world.bound():.1f}", "1.00")
    table.add_row("planner alone", f"{planned:.1f}", f"{planned / world.bound():.2f}")
    table.add_row("through the stack", f"{took:.1f}", f"{took / world.bound():.2f}")
    table.add_row("stack / planner", f"{took / planned:.2f}", "")
    table.add_row("peak memory MB", f"{memory:.0f}", "")
    table.add_row("rendered twice", f"{again}", "")
    return table


async def churn(jobs: int) -> Table:
    world = world_of(jobs, seed=1)
    calm, _, _ = await through_the_stack(world)
    stormy, memory, again = await through_the_stack(world, churn=True)
    share = 1 - FALL_SECONDS / (FALL_EVERY + FALL_SECONDS) / SERVERS
    table = Table("", "seconds", title=f"a server falls every {FALL_EVERY + FALL_SECONDS:g} s")
    table.add_row("no churn", f"{calm:.1f}")
    table.add_row("no churn, on the capacity that was left", f"{calm / share:.1f}")
    table.add_row("churn", f"{stormy:.1f}")
    table.add_row("ratio", f"{stormy / (calm / share):.2f}")
    table.add_row("rendered again, their server having died", f"{again}")
    table.add_row("peak memory MB", f"{memory:.0f}")
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default=",".join(FIGURES))
    parser.add_argument("--jobs", type=int, default=200, help="of the overhead")
    parser.add_argument("--balanced", type=int, default=400, help="of balance and churn")
    given = parser.parse_args()
    console = Console()
    for figure in given.only.split(","):
        if figure == "overhead":
            console.print(asyncio.run(overhead(given.jobs)))
        else:
            measure = {"balance": balance, "churn": churn}[figure]
            console.print(asyncio.run(measure(given.balanced)))


if __name__ == "__main__":
    main()
