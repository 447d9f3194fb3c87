"""What is learnt of servers and models, and what is guessed before."""

import json
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.services.queue.backlog import JobKind
from backend.services.queue.scheduling.estimates import (
    CompletedRun,
    Estimates,
    estimates_from_dict,
    estimates_to_dict,
    remaining,
)


def run(
    server: str = "a", model: str = "x", seconds: float = 10.0, *, work: float = 20.0, **more: bool
) -> CompletedRun:
    return CompletedRun(server, model, "image", work, seconds, **more)


def after(*runs: CompletedRun) -> Estimates:
    estimates = Estimates()
    for each in runs:
        estimates = estimates.learn(each)
    return estimates


def seconds(estimates: Estimates, server: str, model: str, kind: JobKind = "image") -> float:
    return estimates.seconds(server, model, kind, 20.0)


def test_before_anything_is_learnt_there_is_a_guess() -> None:
    assert seconds(Estimates(), "a", "x") == pytest.approx(10.0)
    assert Estimates().swap_seconds("a", "x") == pytest.approx(10.0)
    assert Estimates().swap_seconds("a", "") == 0.0
    assert Estimates().pace("a") == 1.0


def test_what_was_seen_decides_and_scales_with_the_work() -> None:
    estimates = after(*[run(seconds=2.0)] * 8)
    assert seconds(estimates, "a", "x") == pytest.approx(2.0, rel=0.05)
    assert estimates.seconds("a", "x", "image", 200.0) == pytest.approx(20.0, rel=0.05)


def test_learning_leaves_the_old_estimates_alone() -> None:
    before = after(run())
    kept = seconds(before, "a", "x")
    assert before.learn(run(seconds=99.0)) != before
    assert seconds(before, "a", "x") == kept


def test_a_server_is_as_quick_at_other_models_and_a_model_as_slow_elsewhere() -> None:
    runs = [run("a", "x", 2.0), run("b", "x", 20.0), run("a", "y", 4.0)] * 6
    guessed = seconds(after(*runs), "b", "y")
    assert 20 < guessed < 80
    assert after(*runs).pace("a") < after(*runs).pace("b")
    assert after(*runs).knows("b", "y", "image")
    assert not after(*runs).knows("c", "y", "image")


def test_one_outlier_moves_little_and_a_changed_server_is_noticed() -> None:
    steady = after(*[run(seconds=5.0)] * 10)
    assert seconds(steady.learn(run(seconds=5000.0)), "a", "x") < 7
    slower = steady
    for _ in range(12):
        slower = slower.learn(run(seconds=15.0))
    assert seconds(slower, "a", "x") == pytest.approx(15.0, rel=0.15)


def test_a_load_is_told_apart_from_the_run() -> None:
    cold_first = after(run(seconds=32.0, swapped=True), *[run(seconds=2.0)] * 2)
    assert cold_first.swap_seconds("a", "x") == pytest.approx(30.0, rel=0.5)
    warm_first = after(*[run(seconds=2.0)] * 3, *[run(seconds=32.0, swapped=True)] * 4)
    assert warm_first.swap_seconds("a", "x") == pytest.approx(30.0, rel=0.1)
    assert seconds(warm_first, "a", "x") == pytest.approx(2.0, rel=0.1)


def test_one_that_never_stays_is_split_as_guessed() -> None:
    estimates = after(*[run(seconds=40.0, swapped=True)] * 3)
    together = seconds(estimates, "a", "x") + estimates.swap_seconds("a", "x")
    assert together == pytest.approx(40.0, rel=0.4)


def test_nonsense_changes_nothing() -> None:
    estimates = after(run())
    assert estimates.learn(run(seconds=0.0)) is estimates
    assert estimates.learn(run(work=0.0)) is estimates


def test_a_removed_server_is_forgotten() -> None:
    known = after(run("a", seconds=1.0), run("b"), run("a", "y", 30.0, swapped=True))
    assert known.knows("a", "x", "image")
    assert not known.without("a").knows("a", "x", "image")
    assert known.without("a").pace("a") == 1.0


def test_noise_averages_out() -> None:
    rng = random.Random(1)
    runs = [run(seconds=8.0 * rng.lognormvariate(0, 0.2)) for _ in range(40)]
    assert seconds(after(*runs), "a", "x") == pytest.approx(8.0, rel=0.25)


@given(
    st.lists(
        st.builds(
            run,
            st.sampled_from("abc"),
            st.sampled_from(("x.safetensors", "$y", "")),
            st.floats(1e-6, 1e6),
            work=st.floats(1e-6, 1e9),
            swapped=st.booleans(),
        ),
        max_size=20,
    )
)
def test_they_survive_the_database_and_never_say_nonsense(runs: list[CompletedRun]) -> None:
    estimates = after(*runs)
    read = estimates_from_dict(json.loads(json.dumps(estimates_to_dict(estimates))))
    assert read == estimates
    for name in "abcd":
        for model in ("x.safetensors", "$y", "z"):
            assert 0 < read.seconds(name, model, "video", 1.0) < 1e15
            assert 0 < read.swap_seconds(name, model) < 1e9
    assert estimates_from_dict({}) == Estimates()


def test_what_is_late_will_take_longer_the_later_it_is() -> None:
    assert remaining(10.0, 4.0) == 6.0
    assert remaining(10.0, 10.0) == 1.0
    assert remaining(10.0, 100.0) == 10.0
