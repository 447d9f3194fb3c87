"""The planner in simulated time: quick enough beside other rules, and nothing lost or doubled."""

from dataclasses import replace

import pytest

from scripts.bench._plan_rules import LeastBusy, Ours, RoundRobin, SwarmUI
from scripts.bench._plan_traces import make_world, with_falls, with_projects
from scripts.bench._plan_world import World, simulate
from scripts.bench.queue_plan import fairness


def small(seed: int) -> World:
    """A quarter of the benchmark's jobs, so that loads weigh four times as much."""
    world = make_world(seed)
    return replace(world, tasks=world.tasks[:500])


@pytest.mark.parametrize("seed", [0, 1])
def test_it_is_quicker_than_the_rules_it_is_compared_with(seed: int) -> None:
    world = small(seed)
    taught = Ours(world)
    simulate(world, taught, seed=seed + 50)
    ours = simulate(world, Ours(world, taught.estimates), seed=seed).makespan
    others = [rule(world) for rule in (SwarmUI, LeastBusy, RoundRobin)]
    assert ours < min(simulate(world, other, seed=seed).makespan for other in others)
    assert ours >= world.bound() * 0.95


def test_every_job_is_done_once_though_servers_die() -> None:
    world = with_falls(small(2), 2, every=20.0, seconds=10.0, until=1_000.0)
    result = simulate(world, Ours(world), seed=2)
    assert set(result.ends) == {task.id for task in world.tasks}
    assert max(result.given.values()) <= 6


def test_projects_share_servers_and_all_is_done() -> None:
    world = with_projects(small(3), 5)
    result = simulate(world, Ours(world), seed=3)
    assert result.makespan < 2 * world.bound()


def test_a_crowd_delays_a_single_job_by_one_job_at_most() -> None:
    """By a model that nobody has loaded; the crowd takes longer than the job comes late."""
    assert fairness(1, 4, jobs=1_500) <= 1
