"""The queue as a whole: server, embedded database, and simulators over HTTP, in real time.

    .venv/bin/python -m scripts.bench.queue [--only overhead,balance,churn] [--jobs 200]

Each figure stands beside a reference of the same run: ComfyUI's own queue for the overhead, the
pure planner in simulated time (scripts/bench/queue_plan.py) for the balance, the same jobs without
falling servers for the churn. The jobs wait when the server starts, as after a night.
"""

import argparse
import asyncio
import random
import statistics
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack, nullcontext
from dataclasses import replace
from itertools import pairwise
from typing import Any, NamedTuple

import aiohttp
from rich.console import Console
from rich.table import Table

from backend.comfyui_simulator.options import SimulatorOptions
from backend.comfyui_simulator.simulator import Simulator
from backend.services.queue.scheduling.estimates import (
    Estimates,
    estimates_from_dict,
    estimates_to_dict,
)
from backend.utils.running_alongside import running_alongside
from scripts.bench._bench import peak_megabytes
from scripts.bench._plan_rules import Ours
from scripts.bench._plan_traces import make_world
from scripts.bench._plan_world import JOB_SECONDS as PLAN_SECONDS
from scripts.bench._plan_world import World, simulate
from scripts.bench._stack import Order, place, stack

FIGURES = ("overhead", "balance", "churn")
#: Of the overhead: pictures that cost nothing to draw.
SMALL = {"width": 64, "height": 64, "steps": 5}
STEP_SECONDS = 0.1
#: Of balance and churn: what the planner, before it has learnt anything, takes for JOB_SECONDS.
PAINTED = {"width": 800, "height": 800, "steps": 25}
JOB_SECONDS = 8.0
_TYPE = "_sd15.safetensors"
MODELS = tuple(f"model-{number}{_TYPE}" for number in range(5))
CALM_SEED, YESTERDAY = 1, 1_001
#: A server falls this often, and is back after so long, in seconds: four job lengths, and one.
FALL_EVERY, FALL_SECONDS = 32.0, 8.0
LONGEST = 1_500


# -- overhead ------------------------------------------------------------------------------------


async def overhead(jobs: int) -> Table:
    """As many jobs of half a second on one server, and the same prompts posted straight to one."""
    options = SimulatorOptions(seconds_per_step=STEP_SECONDS, models={"checkpoints": MODELS[:1]})
    async with Simulator(options) as one, Simulator(options) as other:
        with place() as here:
            await here.fill([Order(MODELS[0], SMALL)] * jobs, [one])
            async with stack(here) as ours:
                await ours.until_done(jobs, 10 * jobs)
        mine = await runs_at(one)
        await straight(other, await graph_of(one), jobs)
        reference = await runs_at(other)
    seconds = SMALL["steps"] * STEP_SECONDS
    table = Table("", "seconds", "gap median ms", title=f"{jobs} jobs of {seconds:g} s")
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


def learnt_of(world: World) -> Estimates:
    """What the planner learnt from other jobs on these servers the day before."""
    tasks = world_of(len(world.tasks), YESTERDAY).tasks
    decider = Ours(replace(world, tasks=tasks))
    simulate(replace(world, tasks=tasks), decider, seed=YESTERDAY)
    return decider.estimates


def as_stored(estimates: Estimates) -> Estimates:
    """The same under the names that files of models have."""
    rows = estimates_to_dict(estimates)
    for table in (rows["rates"], rows["swaps"]):
        table["cells"] = [
            [server, f"{thing}{_TYPE}", *cell] for server, thing, *cell in table["cells"]
        ]
        table["things"] = [[f"{thing}{_TYPE}", part] for thing, part in table["things"]]
    return estimates_from_dict({**rows, "unsplit": []})


def simulated(world: World, number: int) -> SimulatorOptions:
    return SimulatorOptions(
        seconds_per_step=JOB_SECONDS / PAINTED["steps"] / world.speeds[number],
        model_swap_seconds_of=dict(zip(MODELS, world.swaps[number], strict=True)),
        models={"checkpoints": MODELS},
    )


class Served(NamedTuple):
    """What a server did: its jobs and loads, and when, in POSIX seconds."""

    jobs: int
    loads: int
    start: float
    end: float


class Outcome(NamedTuple):
    """`took`: seconds from the server's start until it said that all was done.

    The server's peak megabytes, renders beyond one a job, and, where none fell, what each did.
    """

    took: float
    memory: float
    again: int
    servers: Sequence[Served]

    @property
    def start(self) -> float:
        return min(each.start for each in self.servers if each.jobs)

    @property
    def seconds(self) -> float:
        """From the first start to the last end, by the servers' own clocks."""
        return max(each.end for each in self.servers) - self.start


async def through_the_stack(world: World, estimates: Estimates, *, churn: bool = False) -> Outcome:
    async with AsyncExitStack() as opened:
        simulators = [
            await opened.enter_async_context(Simulator(simulated(world, number)))
            for number in range(len(world.speeds))
        ]
        here = opened.enter_context(place())
        orders = [Order(MODELS[task.model], PAINTED) for task in world.tasks]
        await here.fill(orders, simulators, as_stored(estimates))
        quick = {"SERVER_LOST_SECONDS": "2", "SERVER_CHECK_SECONDS": "1"}
        ours = await opened.enter_async_context(stack(here, **quick))
        began = time.monotonic()
        async with running_alongside(fall(simulators)) if churn else nullcontext():
            await ours.until_done(len(orders), LONGEST)
        took = time.monotonic() - began
        rendered = sum(sum(each.stats["rendered"].values()) for each in simulators)
        served = [] if churn else [await served_by(each) for each in simulators]
        return Outcome(took, peak_megabytes(ours.pid), rendered - len(orders), served)


async def served_by(simulator: Simulator) -> Served:
    runs = await runs_at(simulator)
    if not runs:
        return Served(0, 0, 0.0, 0.0)
    loads = len(simulator.stats["model_loads"])
    return Served(len(runs), loads, runs[0][0], max(end for _, end in runs))


async def fall(simulators: Sequence[Simulator]) -> None:
    rng = random.Random(1)  # noqa: S311 - it must be the same each time
    while True:
        await asyncio.sleep(FALL_EVERY - FALL_SECONDS)
        simulator = rng.choice(simulators)
        await simulator.die()
        await asyncio.sleep(FALL_SECONDS)
        await simulator.restart()


async def balance(jobs: int) -> Table:
    world = world_of(jobs, CALM_SEED)
    estimates = learnt_of(world)
    planned = simulate(world, Ours(world, estimates), seed=CALM_SEED)
    outcome = await through_the_stack(world, estimates)
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
        table.add_row(words, f"until {each.end - outcome.start:.1f}", "")
    return table


async def churn(jobs: int) -> Table:
    world = world_of(jobs, CALM_SEED)
    estimates = learnt_of(world)
    calm = (await through_the_stack(world, estimates)).took
    stormy = await through_the_stack(world, estimates, churn=True)
    share = 1 - FALL_SECONDS / FALL_EVERY / len(world.speeds)
    table = Table("", "seconds", title=f"a server falls every {FALL_EVERY:g} s")
    table.add_row("no churn", f"{calm:.1f}")
    table.add_row("no churn, on the capacity that was left", f"{calm / share:.1f}")
    table.add_row("churn", f"{stormy.took:.1f}")
    table.add_row("ratio", f"{stormy.took / (calm / share):.2f}")
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
