"""The rules of choosing a server, each by an example."""

from backend.services.queue.scheduling.types import Rules
from tests.unit.services.queue.scheduling.worlds import (
    NOW,
    decide,
    job,
    learnt,
    placed,
    prefetched,
    server,
)

EVEN = learnt(a=4.0, b=4.0, c=4.0)


class TestOrder:
    def test_higher_priority_goes_first(self) -> None:
        jobs = [job(1), job(2, priority=5)]
        busy = server("a", running=(3.0,), loaded_model="x")
        assert placed(decide(jobs, [busy], EVEN)) == [("job2", "a")]

    def test_then_the_project_that_was_served_longest_ago(self) -> None:
        jobs = [job(1, project_id="p"), job(2, project_id="q"), job(3, project_id="r")]
        served = {"p": NOW - 5, "q": NOW - 50, "r": NOW - 10}
        busy = server("a", running=(3.0,), loaded_model="x")
        assert placed(decide(jobs, [busy], EVEN, served=served)) == [("job2", "a")]

    def test_then_the_older(self) -> None:
        jobs = [job(1, queued_at=NOW - 10), job(2, queued_at=NOW - 20)]
        busy = server("a", running=(3.0,), loaded_model="x")
        assert placed(decide(jobs, [busy], EVEN)) == [("job2", "a")]

    def test_a_burst_is_grouped_by_model(self) -> None:
        jobs = [job(1, model="y"), job(2, model="x"), job(3, model="y"), job(4, model="x")]
        warm = [server("a", loaded_model="x"), server("b", loaded_model="y")]
        assert placed(decide(jobs, warm, EVEN)) == [
            ("job1", "b"),
            ("job2", "a"),
            ("job3", "b"),
            ("job4", "a"),
        ]

    def test_outside_the_window_the_older_goes_first(self) -> None:
        jobs = [job(1, model="y", queued_at=NOW - 900), job(2, model="x", queued_at=NOW - 10)]
        one = [server("a", loaded_model="x", running=(1.0,))]
        assert placed(decide(jobs, one, EVEN)) == [("job1", "a")]
        assert placed(decide(jobs, one, EVEN, rules=Rules(age_window=1000.0))) == [("job2", "a")]

    def test_a_newcomer_with_another_model_waits_for_one_job_at_most(self) -> None:
        many = [job(number, project_id="p") for number in range(500)]
        newcomer = job(999, project_id="q", model="y", queued_at=NOW)
        busy = server("a", running=(2.0,), loaded_model="x")
        result = decide([*many, newcomer], [busy], EVEN, served={"p": NOW - 2})
        assert placed(result) == [("job999", "a")]
        assert result.assignments[0].swaps

    def test_two_projects_do_not_make_one_server_load_for_each_job(self) -> None:
        jobs = [job(n, project_id="pq"[n % 2], model="xy"[n % 2]) for n in range(100)]
        busy = server("a", running=(2.0,), loaded_model="x")
        served = {"p": NOW - 1, "q": NOW - 5}
        assert not decide(jobs, [busy], EVEN, served=served).assignments[0].swaps
        overdue = {"p": NOW - 1, "q": NOW - 60}
        assert decide(jobs, [busy], EVEN, served=overdue).assignments[0].swaps


class TestServers:
    def test_nothing_goes_where_it_may_not(self) -> None:
        jobs = [
            job(1, needs="none"),
            job(2, pinned_server_id="gone"),
            job(3, needs="ab", excluded=frozenset("ab")),
            job(4, not_before=NOW + 5),
            job(5, pinned_server_id="c"),
        ]
        servers = [server("a"), server("b"), server("c", why_not="is offline")]
        assert not decide(jobs, servers).assignments

    def test_a_quick_server_is_worth_waiting_for(self) -> None:
        quick = server("a", loaded_model="x", running=(3.0,))
        slow = server("b", loaded_model="x")
        estimates = learnt(a=2.0, b=20.0)
        assert placed(decide([job(1)], [quick, slow], estimates)) == [("job1", "a")]
        many = [job(number) for number in range(40)]
        assert {each for _, each in placed(decide(many, [quick, slow], estimates))} == {"a", "b"}

    def test_strangers_are_waited_for(self) -> None:
        servers = [server("a", foreign_prompts=2, loaded_model="x"), server("b", loaded_model="x")]
        assert placed(decide([job(1)], servers, EVEN)) == [("job1", "b")]

    def test_the_next_job_is_sent_ahead_near_the_end_only(self) -> None:
        jobs = [job(1), job(2)]
        soon = decide(jobs, [server("a", running=(10.0,), loaded_model="x")], EVEN)
        assert placed(soon) == [("job1", "a")]
        late = decide(jobs, [server("a", running=(90.0,), loaded_model="x")], EVEN)
        assert not late.assignments
        assert late.look_again == 70.0

    def test_a_model_is_not_loaded_for_too_little(self) -> None:
        jobs = [job(1, model="y"), *(job(number) for number in range(2, 30))]
        servers = [
            server("a", loaded_model="x"),
            server("b", loaded_model="y", running=(2.0,)),
        ]
        result = decide(jobs, servers, EVEN)
        assert ("job1", "b") in placed(result)
        assert not any(each.swaps for each in result.assignments)

    def test_the_model_that_would_end_last_gets_help(self) -> None:
        jobs = [job(number, model="y") for number in range(300)]
        jobs += [job(number, model="x") for number in range(300, 310)]
        servers = [server(name, loaded_model="x") for name in "ab"]
        servers.append(server("c", loaded_model="y"))
        result = decide(jobs, servers, EVEN)
        helped = [each for each in result.assignments if each.swaps]
        assert len(helped) == 1
        assert "end last" in helped[0].reason

    def test_a_server_that_runs_several_at_once_gets_several(self) -> None:
        jobs = [job(number) for number in range(10)]
        result = decide(jobs, [server("a", capacity=4, parallel=4, loaded_model="x")], EVEN)
        assert [each.starts_in for each in result.assignments].count(0.0) == 4

    def test_no_pass_gives_more_than_it_may(self) -> None:
        jobs = [job(number) for number in range(10)]
        servers = [server(name, loaded_model="x") for name in "abc"]
        result = decide(jobs, servers, EVEN, rules=Rules(most_at_once=2))
        assert len(result.assignments) == 2
        assert result.look_again == 0


class TestTakingBack:
    def test_for_a_server_that_stands_idle(self) -> None:
        busy = server("a", running=(40.0,), prefetched=(prefetched(job(1)),), loaded_model="x")
        idle = server("b", loaded_model="x")
        result = decide([], [busy, idle], EVEN)
        assert [(each.job_id, each.server_id) for each in result.take_backs] == [("job1", "a")]
        assert "'B' stands idle" in result.take_backs[0].reason

    def test_not_for_little(self) -> None:
        busy = server("a", running=(2.0,), prefetched=(prefetched(job(1), 4.0),), loaded_model="x")
        assert not decide([], [busy, server("b", loaded_model="x")], EVEN).take_backs[1:]
        cold = server("b", loaded_model="y")
        assert not decide([], [busy, cold], EVEN).take_backs

    def test_for_a_higher_priority(self) -> None:
        busy = server("a", running=(10.0,), prefetched=(prefetched(job(1)),), loaded_model="x")
        urgent = job(2, priority=9)
        assert [each.job_id for each in decide([urgent], [busy], EVEN).take_backs] == ["job1"]
        assert not decide([job(2)], [busy], EVEN, served={"p": NOW}).take_backs

    def test_for_a_project_that_was_not_served_for_long(self) -> None:
        busy = server("a", running=(10.0,), prefetched=(prefetched(job(1)),), loaded_model="x")
        newcomer = job(2, project_id="q")
        served = {"p": NOW - 1}
        assert decide([newcomer], [busy], EVEN, served=served).take_backs
        assert not decide([newcomer], [busy], EVEN, served={**served, "q": NOW - 9}).take_backs
