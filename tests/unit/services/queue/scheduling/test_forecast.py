"""Why jobs wait, and when they are expected to end."""

import pytest

from backend.services.queue.backlog import Backlog, WaitingJob
from backend.services.queue.scheduling.forecast import Forecast
from backend.services.queue.scheduling.reasons import seconds
from backend.services.queue.scheduling.types import ServerView
from tests.unit.services.queue.scheduling.worlds import CAPABLE, NOW, job, learnt, server

EVEN = learnt(a=4.0, b=4.0, c=4.0)


def forecast(jobs: list[WaitingJob], *servers: ServerView) -> Forecast:
    backlog = Backlog(jobs)
    backlog.release_due(NOW)
    return Forecast(backlog, servers, EVEN, now=NOW, capable=CAPABLE)


class TestWhy:
    def test_no_server(self) -> None:
        assert forecast([job(1)]).why_waiting(job(1)) == "No ComfyUI server is registered."

    def test_nobody_has_it(self) -> None:
        words = forecast([], server("a")).why_waiting(job(1, needs="none"))
        assert words == "No server has all that it needs; a worker that asks may take it."

    def test_those_who_have_it_are_away(self) -> None:
        away = [server(name, why_not="is offline") for name in "ab"]
        words = forecast([], *away, server("c")).why_waiting(job(1, needs="ab"))
        assert words == (
            "No server that can run it takes work now: 'A' is offline, 'B' is offline."
        )

    def test_the_one_asked_for(self) -> None:
        seen = forecast([], server("a"), server("b", why_not="drains"))
        assert "is not known here" in seen.why_waiting(job(1, pinned_server_id="z"))
        assert "'B', drains" in seen.why_waiting(job(1, pinned_server_id="b"))
        lacks = job(1, pinned_server_id="a", needs="c")
        assert "lacks" in seen.why_waiting(lacks)
        failed = job(1, pinned_server_id="a", excluded=frozenset("a"))
        assert "has failed at it" in seen.why_waiting(failed)

    def test_all_have_failed(self) -> None:
        failed = job(1, needs="c", excluded=frozenset("c"))
        assert "has failed at it" in forecast([], server("c")).why_waiting(failed)

    def test_a_pause(self) -> None:
        assert "pauses for 30 s" in forecast([]).why_waiting(job(1, not_before=NOW + 30))

    def test_others_go_first(self) -> None:
        jobs = [job(number) for number in range(5)]
        seen = forecast(jobs, server("a", loaded_model="x"))
        assert seen.why_waiting(jobs[1]) == "1 job goes first at its model."
        assert seen.why_waiting(jobs[4]) == "4 jobs go first at its model."

    def test_the_first_waits_for_a_server(self) -> None:
        busy = server("a", running=(9.0,), loaded_model="x")
        assert "is free next" in forecast([job(1)], busy).why_waiting(job(1))
        pinned = job(1, pinned_server_id="a")
        told = forecast([pinned], busy, server("b")).why_waiting(pinned)
        assert told == "'A', which it was asked for, is busy; it is free in about 9 s."
        idle = server("b", loaded_model="y")
        assert "It waits for 'A'" in forecast([job(1)], busy, idle).why_waiting(job(1))
        free = server("a", loaded_model="x")
        assert forecast([job(1)], free).why_waiting(job(1)) == "It is about to be sent."


class TestWhen:
    def test_after_those_before_it(self) -> None:
        jobs = [job(number) for number in range(10)]
        seen = forecast(jobs, server("a", loaded_model="x"))
        assert seen.eta(jobs[0]) == pytest.approx(4.0, rel=0.1)
        assert seen.eta(jobs[9]) == pytest.approx(40.0, rel=0.1)
        two = forecast(jobs, server("a", loaded_model="x"), server("b", loaded_model="x"))
        assert two.eta(jobs[9]) == pytest.approx(20.0, rel=0.1)

    def test_with_the_load_and_what_runs(self) -> None:
        cold = forecast([job(1)], server("a", running=(30.0,), loaded_model="y"))
        assert cold.eta(job(1)) == pytest.approx(44.0, rel=0.15)

    def test_projects_take_turns_and_priorities_do_not(self) -> None:
        other = [job(number, project_id="q") for number in range(100)]
        mine = job(500, project_id="p")
        view = server("a", loaded_model="x")
        assert forecast([*other, mine], view).eta(mine) == pytest.approx(8.0, rel=0.1)
        urgent = [job(number, priority=3, project_id="q") for number in range(100)]
        assert forecast([*urgent, mine], view).eta(mine) == pytest.approx(404.0, rel=0.1)

    def test_nobody_could_say(self) -> None:
        assert forecast([], server("a")).eta(job(1, needs="none")) is None

    def test_a_pause_counts(self) -> None:
        waiting = job(1, not_before=NOW + 100)
        assert forecast([waiting], server("a", loaded_model="x")).eta(waiting) == pytest.approx(
            104.0, rel=0.1
        )


def test_lengths_of_time_as_people_say_them() -> None:
    assert [seconds(value) for value in (0.2, 42, 600, 9000)] == ["1 s", "42 s", "10 min", "2.5 h"]
