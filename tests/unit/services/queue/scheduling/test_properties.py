"""What holds for every plan, whatever waits and whoever is there."""

from dataclasses import replace
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from backend.services.queue.backlog import Backlog, WaitingJob
from backend.services.queue.scheduling.estimates import Estimates
from backend.services.queue.scheduling.forecast import Forecast
from backend.services.queue.scheduling.planner import plan
from backend.services.queue.scheduling.types import Rules, ServerView
from tests.unit.services.queue.scheduling.worlds import (
    CAPABLE,
    NOW,
    decide,
    estimates_strategy,
    jobs_strategy,
    may_run,
    placed,
    servers_strategy,
)


@settings(max_examples=60, deadline=None)
@given(jobs_strategy, servers_strategy, estimates_strategy)
def test_each_job_goes_once_to_a_server_that_may_run_it_and_has_room(
    jobs: list[WaitingJob], servers: list[ServerView], estimates: Estimates
) -> None:
    result = decide(jobs, servers, estimates)
    by_job = {each.id: each for each in jobs}
    by_server = {each.id: each for each in servers}
    given_to = [each.job_id for each in result.assignments]
    assert len(set(given_to)) == len(given_to)
    for each in result.assignments:
        view = by_server[each.server_id]
        assert may_run(by_job[each.job_id], view)
        assert view.name in each.reason
        assert each.seconds >= 0 <= each.starts_in
    for view in servers:
        new = sum(each.server_id == view.id for each in result.assignments)
        assert not new or view.held + new <= view.capacity + 1


@settings(max_examples=60, deadline=None)
@given(jobs_strategy, servers_strategy, estimates_strategy)
def test_only_what_waits_ahead_is_taken_back_and_once(
    jobs: list[WaitingJob], servers: list[ServerView], estimates: Estimates
) -> None:
    result = decide(jobs, servers, estimates)
    held = {(entry.job.id, view.id) for view in servers for entry in view.prefetched}
    back = [(each.job_id, each.server_id) for each in result.take_backs]
    assert set(back) <= held
    assert len({server_id for _, server_id in back}) == len(back)


@settings(max_examples=60, deadline=None)
@given(jobs_strategy, servers_strategy, estimates_strategy, st.randoms(use_true_random=False))
def test_the_order_of_the_input_does_not_matter(
    jobs: list[WaitingJob], servers: list[ServerView], estimates: Estimates, random: Random
) -> None:
    shuffled_jobs, shuffled_servers = list(jobs), list(servers)
    random.shuffle(shuffled_jobs)
    random.shuffle(shuffled_servers)
    first = decide(jobs, servers, estimates)
    second = decide(shuffled_jobs, shuffled_servers, estimates)
    assert placed(first) == placed(second)
    assert set(first.take_backs) == set(second.take_backs)


@settings(max_examples=60, deadline=None)
@given(jobs_strategy, servers_strategy, estimates_strategy)
def test_every_job_that_some_server_may_run_is_given_in_the_end(
    jobs: list[WaitingJob], servers: list[ServerView], estimates: Estimates
) -> None:
    """Servers here end at once what they are given, and tell nothing of it."""
    backlog = Backlog(jobs)
    backlog.release_due(NOW)
    calm = [
        ServerView(id=view.id, name=view.name, why_not=view.why_not, loaded_model=view.loaded_model)
        for view in servers
    ]
    for step in range(2 * len(jobs) + 1):
        made = plan(backlog, calm, estimates, now=NOW + step, capable=CAPABLE)
        for each in made.assignments:
            backlog.take(each.job_id, NOW + step)
    assert not [each.id for each in backlog if any(may_run(each, view) for view in calm)]


@settings(max_examples=60, deadline=None)
@given(jobs_strategy, servers_strategy, estimates_strategy)
def test_a_lower_priority_goes_first_only_where_the_higher_one_has_another_place(
    jobs: list[WaitingJob], servers: list[ServerView], estimates: Estimates
) -> None:
    serial = [replace(view, parallel=1) for view in servers]
    given_to = {each.job_id: each.server_id for each in decide(jobs, serial, estimates).assignments}
    for low in (each for each in jobs if each.id in given_to):
        for high in (each for each in jobs if each.id not in given_to):
            places = {view.id for view in serial if may_run(high, view)}
            assert high.priority <= low.priority or places != {given_to[low.id]}


@settings(max_examples=60, deadline=None)
@given(jobs_strategy, servers_strategy, estimates_strategy)
def test_every_job_has_words_and_those_that_can_run_a_time(
    jobs: list[WaitingJob], servers: list[ServerView], estimates: Estimates
) -> None:
    backlog = Backlog(jobs)
    backlog.release_due(NOW)
    forecast = Forecast(backlog, servers, estimates, now=NOW, capable=CAPABLE, rules=Rules())
    for each in jobs:
        assert forecast.why_waiting(each).endswith(".")
        seconds = forecast.eta(each)
        runs = any(may_run(each, view) for view in servers)
        assert (seconds is not None and seconds >= 0) or not runs
