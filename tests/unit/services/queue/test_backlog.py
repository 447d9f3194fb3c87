"""Pending jobs in lines: what is first, how much there is, and that nothing is lost or doubled."""

import tracemalloc
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from backend.services.queue.backlog import SLICE_SECONDS, Backlog, JobLine, WaitingJob, Workload
from tests.unit.services.queue.scheduling.worlds import NOW, job


def lines(backlog: Backlog) -> list[JobLine]:
    return list(backlog.lines())


def standing(backlog: Backlog) -> set[str]:
    return {each.id for line in lines(backlog) for each in line.oldest(len(line))}


def test_jobs_that_may_replace_one_another_stand_in_one_line() -> None:
    backlog = Backlog([job(1), job(2), job(3, model="y"), job(4, priority=1)])
    assert sorted(len(line) for line in lines(backlog)) == [1, 1, 2]
    assert backlog.priorities() == [1, 0]
    assert len(backlog) == 4
    assert "job3" in backlog
    assert backlog.get("job9") is None


def test_the_oldest_is_first_whenever_it_came() -> None:
    backlog = Backlog([job(2, queued_at=NOW - 5), job(3, queued_at=NOW)])
    backlog.add(job(1, queued_at=NOW - 9))
    (line,) = lines(backlog)
    assert [each.number for each in line.oldest(2)] == [1, 2]
    assert [each.number for each in line.oldest(9)] == [1, 2, 3]
    backlog.remove("job1")
    assert line.head() == job(2, queued_at=NOW - 5)


def test_a_changed_job_takes_its_new_place() -> None:
    backlog = Backlog([job(1), job(2)])
    backlog.update(job(1, priority=7))
    assert backlog.priorities() == [7, 0]
    backlog.update(job(1, queued_at=NOW))
    backlog.update(job(1))
    (line,) = lines(backlog)
    assert [each.id for each in line.oldest(9)] == ["job1", "job2"]


def test_a_pause_keeps_a_job_aside() -> None:
    backlog = Backlog([job(1, not_before=NOW + 5), job(2, not_before=NOW + 9)])
    assert backlog.next_due() == NOW + 5
    backlog.release_due(NOW + 4)
    assert not lines(backlog)
    backlog.remove("job2")
    backlog.release_due(NOW + 10)
    assert standing(backlog) == {"job1"}
    assert backlog.next_due() is None


def test_what_got_a_server_had_its_projects_turn() -> None:
    backlog = Backlog([job(1, project_id="p"), job(2, project_id="q")])
    assert backlog.take("job1", NOW) == job(1, project_id="p")
    assert backlog.take("job1", NOW + 1) is None
    assert backlog.served_at == {"p": NOW}


def test_amounts_tell_how_much_was_queued_until_when() -> None:
    first = SLICE_SECONDS * 500
    backlog = Backlog(job(n, queued_at=first + n * SLICE_SECONDS, work=2.0) for n in range(10))
    (line,) = lines(backlog)
    assert line.total() == Workload(10, 20.0)
    assert line.queued_until(first + 3 * SLICE_SECONDS) == Workload(4, 8.0)
    assert line.before(job(6, queued_at=first + 6 * SLICE_SECONDS)) == Workload(6, 12.0)


def test_a_place_within_one_moment_is_told_by_number() -> None:
    backlog = Backlog(job(n, queued_at=NOW) for n in range(1000))
    (line,) = lines(backlog)
    assert line.before(job(250, queued_at=NOW)).jobs == 250


@given(
    st.lists(
        st.tuples(
            st.sampled_from(("add", "remove", "take", "release")),
            st.integers(0, 12),
            st.sampled_from("xy"),
            st.floats(0, 100),
            st.none() | st.floats(NOW, NOW + 9),
        ),
        max_size=60,
    )
)
def test_it_always_knows_exactly_who_stands(
    steps: list[tuple[str, int, str, float, float | None]],
) -> None:
    backlog, known, due = Backlog(), dict[str, WaitingJob](), set[str]()
    for what, number, model, ago, pause in steps:
        waiting = job(number, model=model, queued_at=NOW - ago, not_before=pause)
        if what == "add":
            backlog.add(waiting)
            known[waiting.id] = waiting
            due.discard(waiting.id)
        elif what == "release":
            backlog.release_due(NOW + 5)
            due |= {each.id for each in known.values() if (each.not_before or 0) <= NOW + 5}
        else:
            backlog.take(waiting.id, NOW) if what == "take" else backlog.remove(waiting.id)
            known.pop(waiting.id, None)
            due.discard(waiting.id)
    expected = {each.id for each in known.values() if each.not_before is None or each.id in due}
    assert standing(backlog) == expected
    assert {each.id for each in backlog} == set(known)
    for line in lines(backlog):
        assert line.total().jobs == len(line) == line.queued_until(NOW).jobs


def test_a_hundred_thousand_jobs_are_less_than_60_megabytes() -> None:
    tracemalloc.start()
    try:
        backlog = Backlog(
            replace(
                job(number),
                id=f"{number:032x}",
                queued_at=NOW + number * 0.001,
                work=20.0 + number / 1000,
                project_id=f"p{number % 50}",
            )
            for number in range(20_000)
        )
        assert len(backlog) == 20_000
        assert tracemalloc.get_traced_memory()[0] * 5 < 60_000_000
    finally:
        tracemalloc.stop()
