"""The plan: who goes where, in which order, and why."""

from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from backend.services.scheduling import Plan, ServerSlots, WaitingJob, plan

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
NAMES = ("a", "b", "c")


def server(name: str, **fields: int | bool) -> ServerSlots:
    values: dict[str, Any] = {"available": True, "capacity": 1, **fields}
    return ServerSlots(id=name, name=name.upper(), **values)


def job(number: int, **fields: object) -> WaitingJob:
    values: dict[str, Any] = {"priority": 0, "capable": frozenset(NAMES), **fields}
    return WaitingJob(id=f"job{number}", number=number, **values)


servers_strategy = st.lists(
    st.builds(
        server,
        st.sampled_from(NAMES),
        available=st.booleans(),
        capacity=st.integers(1, 4),
        running=st.integers(0, 5),
        strangers=st.integers(0, 5),
    ),
    unique_by=lambda slots: slots.id,
)
jobs_strategy = st.lists(
    st.builds(
        job,
        st.integers(0, 1000),
        priority=st.integers(-2, 2),
        capable=st.frozensets(st.sampled_from(NAMES)),
        pinned_server_id=st.none() | st.sampled_from((*NAMES, "gone")),
        not_before=st.none() | st.sampled_from((NOW - timedelta(1), NOW, NOW + timedelta(1))),
    ),
    unique_by=lambda waiting: waiting.number,
    max_size=25,
)


def may_run(waiting: WaitingJob, slots: ServerSlots) -> bool:
    return (
        slots.available
        and slots.id in waiting.capable
        and waiting.pinned_server_id in {None, slots.id}
        and (waiting.not_before is None or waiting.not_before <= NOW)
    )


@given(jobs_strategy, servers_strategy)
def test_a_plan_keeps_every_promise(jobs: list[WaitingJob], servers: list[ServerSlots]) -> None:
    result = plan(jobs, servers, NOW)
    by_job = {waiting.id: waiting for waiting in jobs}
    by_server = {slots.id: slots for slots in servers}
    placed = [assignment.job_id for assignment in result.assignments]
    assert len(placed) == len(set(placed))
    assert set(placed) | set(result.waiting) == set(by_job)
    assert not set(placed) & set(result.waiting)
    for assignment in result.assignments:
        assert may_run(by_job[assignment.job_id], by_server[assignment.server_id])
        assert by_server[assignment.server_id].name in assignment.reason
    for slots in servers:
        given_now = sum(entry.server_id == slots.id for entry in result.assignments)
        assert given_now <= slots.free


@given(jobs_strategy, servers_strategy)
def test_no_slot_stays_free_while_a_job_could_use_it(
    jobs: list[WaitingJob], servers: list[ServerSlots]
) -> None:
    result = plan(jobs, servers, NOW)
    for slots in servers:
        taken = sum(entry.server_id == slots.id for entry in result.assignments)
        if taken < slots.free:
            assert not any(may_run(by, slots) for by in jobs if by.id in result.waiting)


@given(jobs_strategy, servers_strategy)
def test_nobody_is_overtaken_by_a_later_job_for_the_same_server(
    jobs: list[WaitingJob], servers: list[ServerSlots]
) -> None:
    result = plan(jobs, servers, NOW)
    by_job = {waiting.id: waiting for waiting in jobs}
    for assignment in result.assignments:
        taker = by_job[assignment.job_id]
        for waiting_id in result.waiting:
            loser = by_job[waiting_id]
            if may_run(loser, next(s for s in servers if s.id == assignment.server_id)):
                assert (-taker.priority, taker.number) < (-loser.priority, loser.number)


@given(jobs_strategy, servers_strategy, st.randoms(use_true_random=False))
def test_the_order_of_the_input_does_not_matter(
    jobs: list[WaitingJob], servers: list[ServerSlots], random: Random
) -> None:
    shuffled_jobs, shuffled_servers = list(jobs), list(servers)
    random.shuffle(shuffled_jobs)
    random.shuffle(shuffled_servers)
    assert assigned(plan(jobs, servers, NOW)) == assigned(
        plan(shuffled_jobs, shuffled_servers, NOW)
    )


def assigned(result: Plan) -> list[tuple[str, str]]:
    return sorted((entry.job_id, entry.server_id) for entry in result.assignments)


def test_the_least_busy_server_is_taken_strangers_counted() -> None:
    busy = server("a", capacity=2, strangers=2)
    idle = server("b", capacity=2)
    assert assigned(plan([job(1)], [busy, idle], NOW)) == [("job1", "b")]


def test_load_is_measured_against_capacity() -> None:
    large = server("a", capacity=4, running=1)
    small = server("b", capacity=2, running=1)
    assert assigned(plan([job(1)], [small, large], NOW)) == [("job1", "a")]


def test_a_waiting_job_says_why() -> None:
    away = server("a", available=False)
    full = server("b", running=1)
    jobs = [
        job(1, capable=frozenset({"b"})),
        job(2, pinned_server_id="a"),
        job(3, capable=frozenset()),
        job(4, not_before=NOW + timedelta(seconds=5)),
    ]
    waiting = plan(jobs, [away, full], NOW).waiting
    assert "busy" in waiting["job1"]
    assert "offline" in waiting["job2"]
    assert "No online server has" in waiting["job3"]
    assert "next try" in waiting["job4"]
    assert plan([job(1)], [], NOW).waiting == {"job1": "No ComfyUI server is online."}
    pinned = job(5, pinned_server_id="b", capable=frozenset())
    assert "lacks" in plan([pinned], [full], NOW).waiting["job5"]
