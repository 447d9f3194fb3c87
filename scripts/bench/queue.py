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
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, nullcontext, suppress
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
from rich.console import Console
from rich.table import Table

from backend.comfyui_simulator.options import SimulatorOptions
from backend.comfyui_simulator.simulator import Simulator
from backend.embedded_database import EmbeddedDatabase
from scripts.bench._bench import free_port, peak_megabytes, process, ready
from scripts.bench._plan_rules import Ours
from scripts.bench._plan_traces import make_world
from scripts.bench._plan_world import JOB_SECONDS as PLAN_SECONDS
from scripts.bench._plan_world import World, simulate

FIGURES = ("overhead", "balance", "churn")
#: Of the overhead: pictures that cost nothing to draw.
SMALL = {"width": 64, "height": 64, "steps": 5}
STEP_SECONDS = 0.1
#: Of balance and churn: what the planner, before it has learnt anything, takes for JOB_SECONDS.
PAINTED = {"width": 768, "height": 512, "steps": 40}
JOB_SECONDS = 8.0
MODELS = tuple(f"model_{number}_sd15.safetensors" for number in range(5))
#: Jobs whose takes go into one gallery.
A_CLIP = 10
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

    async def queue(self, clip: str, model: str, params: Mapping[str, int]) -> None:
        body = {"clip_id": clip, "prompt": "a car", "model": model, "params": {**params}}
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
    options = SimulatorOptions(seconds_per_step=STEP_SECONDS, models={"checkpoints": MODELS[:1]})
    async with Simulator(options) as one, Simulator(options) as other:
        async with stack() as ours:
            for clip in await ours.clips(jobs):
                await ours.queue(clip, MODELS[0], SMALL)
            await ours.register(0, one)
            await ours.until_done(jobs, 10 * jobs)
        mine = await runs_at(one)
        await straight(other, await graph_of(one), jobs)
        reference = await runs_at(other)
    table = Table(
        "", "seconds", "gap median ms", title=f"{jobs} jobs of {SMALL['steps'] * STEP_SECONDS:g} s"
    )
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
    """The planner's own world, its seconds compressed to what one machine can serve.

    As many of its jobs as are asked for, without the noise: simulators have their own.
    """
    world = make_world(seed)
    shorter = JOB_SECONDS / PLAN_SECONDS
    tasks = [task._replace(length=task.length * shorter) for task in world.tasks[:jobs]]
    swaps = [tuple(load * shorter for load in loads) for loads in world.swaps]
    return World(world.speeds, tuple(swaps), tuple(tasks), noise=0.0)


def simulated(world: World, number: int) -> SimulatorOptions:
    return SimulatorOptions(
        seconds_per_step=JOB_SECONDS / PAINTED["steps"] / world.speeds[number],
        model_swap_seconds_of=dict(zip(MODELS, world.swaps[number], strict=True)),
        models={"checkpoints": MODELS},
    )


class Served(NamedTuple):
    """What a server did: its jobs, loads, and the seconds of its first start and last end."""

    jobs: int
    loads: int
    start: float
    end: float


class Outcome(NamedTuple):
    """Seconds until all was done, the server's peak megabytes, renders beyond one a job."""

    seconds: float
    memory: float
    again: int
    servers: Sequence[Served]


async def through_the_stack(world: World, *, churn: bool = False) -> Outcome:
    async with AsyncExitStack() as opened:
        simulators = [
            await opened.enter_async_context(Simulator(simulated(world, number)))
            for number in range(len(world.speeds))
        ]
        ours = await opened.enter_async_context(
            stack(SERVER_LOST_SECONDS="2", SERVER_CHECK_SECONDS="1")
        )
        clips = await ours.clips(len(world.tasks))
        for clip, task in zip(clips, world.tasks, strict=True):
            await ours.queue(clip, MODELS[task.model], PAINTED)
        began = time.time()
        await asyncio.gather(*(ours.register(*each) for each in enumerate(simulators)))
        async with falling(simulators) if churn else nullcontext():
            status = await ours.until_done(len(world.tasks), 1200)
        took = time.time() - began
        if status["completed_jobs"] != len(world.tasks):
            raise RuntimeError(f"jobs failed: {status}")
        rendered = sum(sum(each.stats["rendered"].values()) for each in simulators)
        served = [] if churn else [await served_by(each, began) for each in simulators]
        return Outcome(took, peak_megabytes(ours.pid), rendered - len(world.tasks), served)


async def served_by(simulator: Simulator, began: float) -> Served:
    runs = await runs_at(simulator)
    if not runs:
        return Served(0, 0, 0.0, 0.0)
    loads = len(simulator.stats["model_loads"])
    return Served(len(runs), loads, runs[0][0] - began, max(end for _, end in runs) - began)


@asynccontextmanager
async def falling(simulators: Sequence[Simulator]) -> AsyncIterator[None]:
    task = asyncio.create_task(fall(simulators))
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


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
    planned = simulate(world, Ours(world), seed=1)
    outcome = await through_the_stack(world)
    table = Table("", "seconds", "of the bound", title=f"{jobs} jobs, {len(world.speeds)} servers")
    bound, took = world.bound(), outcome.seconds
    table.add_row("lower bound", f"{bound:.1f}", "1.00")
    table.add_row("planner alone", f"{planned.makespan:.1f}", f"{planned.makespan / bound:.2f}")
    table.add_row("through the stack", f"{took:.1f}", f"{took / bound:.2f}")
    table.add_row("stack / planner", f"{took / planned.makespan:.2f}", "")
    table.add_row("model loads, planner alone", f"{planned.swaps}", "")
    table.add_row("model loads", f"{sum(each.loads for each in outcome.servers)}", "")
    table.add_row("peak memory MB", f"{outcome.memory:.0f}", "")
    table.add_row("rendered twice", f"{outcome.again}", "")
    for speed, each in sorted(zip(world.speeds, outcome.servers, strict=True)):
        words = f"speed {speed:.1f}: {each.jobs} jobs, {each.loads} loads"
        table.add_row(words, f"{each.start:.1f} to {each.end:.1f}", "")
    return table


async def churn(jobs: int) -> Table:
    world = world_of(jobs, seed=1)
    calm = (await through_the_stack(world)).seconds
    stormy = await through_the_stack(world, churn=True)
    share = 1 - FALL_SECONDS / (FALL_EVERY + FALL_SECONDS) / len(world.speeds)
    table = Table("", "seconds", title=f"a server falls every {FALL_EVERY + FALL_SECONDS:g} s")
    table.add_row("no churn", f"{calm:.1f}")
    table.add_row("no churn, on the capacity that was left", f"{calm / share:.1f}")
    table.add_row("churn", f"{stormy.seconds:.1f}")
    table.add_row("ratio", f"{stormy.seconds / (calm / share):.2f}")
    table.add_row("rendered again, their server having died", f"{stormy.again}")
    table.add_row("peak memory MB", f"{stormy.memory:.0f}")
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default=",".join(FIGURES))
    parser.add_argument("--jobs", type=int, default=200, help="of the overhead")
    parser.add_argument("--balanced", type=int, default=2_000, help="of balance and churn")
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
