"""How well the planner chooses servers, in simulated time, beside other rules on the same jobs.

    .venv/bin/python -m scripts.bench.queue_plan [--seeds 20] [--only balance,churn,fairness,scale]

Nothing here touches a network or a database: scripts/bench/queue.py measures the whole stack.
"""

import argparse
import statistics
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial

from rich.console import Console
from rich.table import Table

from backend.services.queue.scheduling.estimates import Estimates
from scripts.bench._plan_rules import LeastBusy, Ours, RoundRobin, SwarmUI
from scripts.bench._plan_scale import planning_milliseconds
from scripts.bench._plan_traces import arriving, make_world, with_falls
from scripts.bench._plan_world import JOB_SECONDS, Decider, Task, World, simulate

FIGURES = ("balance", "churn", "fairness", "scale")
_YESTERDAY = 1_000

Maker = Callable[[World, int], Decider]


def learnt_before(world: World, seed: int) -> Estimates:
    """What the planner learnt from other jobs, on the same servers, starting from nothing."""
    earlier = make_world(seed + _YESTERDAY, order="random")
    yesterday = replace(world, tasks=earlier.tasks, falls=())
    decider = Ours(yesterday)
    simulate(yesterday, decider, seed=seed + _YESTERDAY)
    return decider.estimates


def ours(world: World, seed: int) -> Decider:
    return Ours(world, learnt_before(world, seed))


def ours_from_nothing(world: World, seed: int) -> Decider:
    return Ours(world)


def _swarm(world: World, seed: int) -> Decider:
    return SwarmUI(world)


def _least_busy(world: World, seed: int) -> Decider:
    return LeastBusy(world)


def _round_robin(world: World, seed: int) -> Decider:
    return RoundRobin(world)


RULES: dict[str, Maker] = {
    "ours": ours,
    "ours, nothing learnt before": ours_from_nothing,
    "SwarmUI's rule": _swarm,
    "least busy": _least_busy,
    "round robin": _round_robin,
}


def balance(seed: int, order: str, lengths: str, rule: str) -> float:
    """Makespan as a multiple of the lower bound."""
    world = make_world(seed, order=order, lengths=lengths)
    return simulate(world, RULES[rule](world, seed), seed=seed).makespan / world.bound()


def arriving_wait(seed: int, rule: str) -> float:
    """Mean job lengths from arrival to end, with the servers asked for 60 % of what they can."""
    world = arriving(make_world(seed), seed, 0.6)
    ends = simulate(world, RULES[rule](world, seed), seed=seed).ends
    waits = [ends[task.id] - task.arrives for task in world.tasks]
    return statistics.mean(waits) / JOB_SECONDS


def churn(seed: int, every: float) -> float:
    """Makespan with servers dying, over the same without on the capacity that survives."""
    world = make_world(seed)
    calm = simulate(world, ours(world, seed), seed=seed)
    seconds = JOB_SECONDS
    dying = with_falls(world, seed, every=every, seconds=seconds, until=4 * calm.makespan)
    result = simulate(dying, ours(world, seed), seed=seed)
    away = seconds / every / len(world.speeds)
    return result.makespan / (calm.makespan / (1 - away))


def fairness(seed: int, model: int, jobs: int = 5_000) -> float:
    """How much later a single job ends because of so many jobs of another project.

    In lengths of a job at the slowest server, beside the same job on servers that stand idle.
    """
    world = _crowded(seed, jobs)
    single = Task("single", model, JOB_SECONDS, arrives=200.0, project="other")
    crowd = replace(world, tasks=(*world.tasks, single))
    alone = replace(world, tasks=(*_warmers(world), single))
    late = simulate(crowd, ours(world, seed), seed=seed).ends["single"]
    soon = simulate(alone, ours(world, seed), seed=seed).ends["single"]
    return (late - soon) / (JOB_SECONDS / min(world.speeds))


def _crowded(seed: int, jobs: int) -> World:
    world = make_world(seed)
    many = [
        Task(f"job-{number}", number % 2, JOB_SECONDS, project="crowd") for number in range(jobs)
    ]
    return replace(world, tasks=tuple(many), noise=0.0)


def _warmers(world: World) -> tuple[Task, ...]:
    """A few jobs, so that the servers of the calm world have models loaded as well."""
    return world.tasks[: 2 * len(world.speeds)]


def _each(pool: ProcessPoolExecutor, call: Callable[[int], float], seeds: int) -> list[float]:
    return list(pool.map(call, range(seeds)))


def _row(table: Table, name: str, values: list[float], wanted: str = "") -> None:
    middle, worst = statistics.median(values), max(values)
    table.add_row(name, f"{middle:.3f}", f"{worst:.3f}", wanted)


def _table(title: str, unit: str) -> Table:
    table = Table(title=title)
    for heading in (unit, "median of seeds", "worst seed", "wanted"):
        table.add_column(heading, justify="left" if heading == unit else "right")
    return table


def show_balance(pool: ProcessPoolExecutor, seeds: int) -> Iterable[Table]:
    for order in ("random", "bursts"):
        for lengths in ("equal", "varied"):
            title = f"Balance: {order} order, {lengths} lengths"
            table = _table(title, "makespan / lower bound")
            for rule in RULES:
                call = partial(balance, order=order, lengths=lengths, rule=rule)
                wanted = "1.15, 1.25" if rule == "ours" else ""
                _row(table, rule, _each(pool, call, seeds), wanted)
            yield table
    table = _table("The same jobs arriving over time, 60 % load", "job lengths from arrival to end")
    for rule in RULES:
        _row(table, rule, _each(pool, partial(arriving_wait, rule=rule), seeds))
    yield table


def show_churn(pool: ProcessPoolExecutor, seeds: int) -> Iterable[Table]:
    table = _table("Churn: a server dies, and is back after one job length", "makespan / calm")
    for lengths in (8, 4, 2):
        values = _each(pool, partial(churn, every=lengths * JOB_SECONDS), seeds)
        _row(table, f"every {lengths} job lengths", values, "1.35" if lengths > 2 else "")
    yield table


def show_fairness(pool: ProcessPoolExecutor, seeds: int) -> Iterable[Table]:
    table = _table("Fairness: one job beside 5,000 of another project", "delay in job lengths")
    _row(table, "same model", _each(pool, partial(fairness, model=0), seeds), "1")
    _row(table, "a model nobody has loaded", _each(pool, partial(fairness, model=4), seeds), "1")
    yield table


def show_scale(pool: ProcessPoolExecutor, seeds: int) -> Iterable[Table]:
    table = Table(title="Scale: one planning pass, 200 servers, milliseconds of processor time")
    for heading in ("pending jobs", "four servers free", "all idle", "wanted"):
        table.add_column(heading, justify="right")
    for jobs in (1_000, 10_000, 100_000):
        some, idle = planning_milliseconds(jobs, idle=False), planning_milliseconds(jobs, idle=True)
        table.add_row(f"{jobs:,}", f"{some:.1f}", f"{idle:.1f}", "50")
    yield table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--only", default=",".join(FIGURES))
    options = parser.parse_args()
    show = {
        "balance": show_balance,
        "churn": show_churn,
        "fairness": show_fairness,
        "scale": show_scale,
    }
    console = Console()
    with ProcessPoolExecutor() as pool:
        for name in options.only.split(","):
            for table in show[name](pool, options.seeds):
                console.print(table)


if __name__ == "__main__":
    main()
