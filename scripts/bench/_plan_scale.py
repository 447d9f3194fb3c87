"""A large queue and many servers, for timing one planning pass."""

import statistics
import time

from backend.services.queue.backlog import Backlog, WaitingJob
from backend.services.queue.scheduling.estimates import CompletedRun, Estimates
from backend.services.queue.scheduling.planner import plan
from backend.services.queue.scheduling.types import PrefetchedJob, ServerView
from scripts.bench._plan_world import seeded

SERVERS = 200
MODELS = 10
PROJECTS = 50
#: Different sets of needed files, each of which nine servers of ten have.
NEEDS = 4
ROUNDS = 15


def planning_milliseconds(jobs: int, *, idle: bool, seed: int = 0) -> float:
    """Processor time, the median of some passes; between them what was given goes, and more comes.

    `idle`: no server has anything to do; else one in fifty.
    """
    rng = seeded(seed)
    backlog = Backlog(_job(number, rng.random()) for number in range(jobs))
    estimates = Estimates()
    for server in range(SERVERS):
        for model in range(MODELS // 2):
            run = CompletedRun(f"s{server}", f"m{model}", "image", 20.0, rng.uniform(2, 20))
            estimates = estimates.learn(run)
    names = [f"s{server}" for server in range(SERVERS)]
    capable = {
        f"n{need}": frozenset(name for name in names if rng.random() < 0.9) for need in range(NEEDS)
    }
    views = [_view(number, rng.random(), idle=idle) for number in range(SERVERS)]
    took = []
    for _ in range(ROUNDS):
        began = time.process_time()
        made = plan(backlog, views, estimates, now=float(jobs), capable=capable)
        took.append((time.process_time() - began) * 1000)
        if not made.assignments:
            raise RuntimeError("nothing was planned")
        for each in made.assignments:
            backlog.take(each.job_id, float(jobs))
            jobs += 1
            backlog.add(_job(jobs, rng.random()))
    return statistics.median(took)


def _job(number: int, chance: float) -> WaitingJob:
    return WaitingJob(
        id=f"{number:032x}",
        number=number,
        project_id=f"p{number % PROJECTS}",
        queued_at=number * 0.01,
        priority=10 if chance < 0.1 else 0,
        model=f"m{int(chance * 1000) % MODELS}",
        work=5 + 45 * chance,
        needs=f"n{int(chance * 10_000) % NEEDS}",
    )


def _view(number: int, chance: float, *, idle: bool) -> ServerView:
    free = idle or number % 50 == 0
    prefetched = PrefetchedJob(WaitingJob(f"a{number}", 0, "p0", 0.0, model="m1"), 10.0)
    return ServerView(
        id=f"s{number}",
        name=f"server {number}",
        running=() if free else (60 * chance,),
        prefetched=() if free else (prefetched,),
        loaded_model="" if idle else f"m{int(chance * 1000) % MODELS}",
    )
