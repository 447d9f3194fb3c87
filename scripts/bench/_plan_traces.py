"""The worlds that the planner is measured in, each made from a seed."""

import random
from collections import Counter
from dataclasses import replace

from scripts.bench._plan_world import JOB_SECONDS, Fall, Task, World, seeded

SERVERS = 16
MODELS = 5
JOBS = 2_000


def make_world(
    seed: int, *, order: str = "random", lengths: str = "equal", per_server: bool = False
) -> World:
    """16 servers of speeds 1 to 8, 5 models that take 2 to 10 job lengths to load, 2,000 jobs.

    `order`: "random" (as many jobs for each model, shuffled), "bursts" (the same, 10 to 100 in a
    row for one model) or "lumps" (bursts until there are enough, so that shares are unequal).
    `lengths`: "equal" or "varied" (half to one and a half). `per_server`: each pair of server and
    model has a load of its own.
    """
    rng = seeded(seed)
    speeds = [1 + 7 * index / (SERVERS - 1) for index in range(SERVERS)]
    rng.shuffle(speeds)
    loads = [rng.uniform(2, 10) * JOB_SECONDS for _ in range(MODELS)]
    swaps = [
        tuple(rng.uniform(2, 10) * JOB_SECONDS for _ in loads) if per_server else tuple(loads)
        for _ in speeds
    ]
    models = _order(rng, order)
    tasks = [
        Task(f"job-{number}", model, JOB_SECONDS * _length(rng, lengths))
        for number, model in enumerate(models)
    ]
    return World(tuple(speeds), tuple(swaps), tuple(tasks))


def arriving(world: World, seed: int, load: float) -> World:
    """The same jobs, coming over time, so that servers are busy for that share of it."""
    rng = seeded(seed)
    per_second = load * sum(world.speeds) / JOB_SECONDS
    at, tasks = 0.0, []
    for task in world.tasks:
        at += rng.expovariate(per_second)
        tasks.append(task._replace(arrives=at))
    return replace(world, tasks=tuple(tasks))


def with_projects(world: World, projects: int) -> World:
    """The same jobs, dealt to projects in turn."""
    tasks = [
        task._replace(project=f"film-{number % projects}")
        for number, task in enumerate(world.tasks)
    ]
    return replace(world, tasks=tuple(tasks))


def with_falls(world: World, seed: int, *, every: float, seconds: float, until: float) -> World:
    """Every so many seconds a server dies, and is back after some."""
    rng = seeded(seed)
    count = int(until // every)
    falls = [
        Fall(every * (number + 1), rng.randrange(len(world.speeds)), seconds)
        for number in range(count)
    ]
    return replace(world, falls=tuple(falls))


def _order(rng: random.Random, order: str) -> list[int]:
    if order == "lumps":
        return _lumps(rng)
    models = [number % MODELS for number in range(JOBS)]
    rng.shuffle(models)
    return models if order == "random" else _in_bursts(rng, models)


def _in_bursts(rng: random.Random, models: list[int]) -> list[int]:
    left, found = Counter(models), []
    while left:
        model = rng.choice(sorted(left))
        length = min(left[model], rng.randint(10, 100))
        found.extend([model] * length)
        left = +(left - Counter({model: length}))
    return found


def _lumps(rng: random.Random) -> list[int]:
    models: list[int] = []
    while len(models) < JOBS:
        models.extend([rng.randrange(MODELS)] * rng.randint(10, 100))
    return models[:JOBS]


def _length(rng: random.Random, lengths: str) -> float:
    return 1.0 if lengths == "equal" else rng.uniform(0.5, 1.5)
