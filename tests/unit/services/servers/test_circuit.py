"""When a server is left alone, and for how long."""

from hypothesis import given
from hypothesis import strategies as st

from backend.services.servers.circuit import LONGEST_SECONDS, Circuit, CircuitState


def opened(now: float = 0.0) -> Circuit:
    return Circuit().failed(now).failed(now).failed(now)


def test_three_failures_in_a_row_open_it_for_fifteen_seconds() -> None:
    twice = Circuit().failed(0).failed(1)
    assert twice.state(1) is CircuitState.CLOSED
    circuit = twice.failed(2)
    assert circuit.state(16.9) is CircuitState.OPEN
    assert circuit.state(17) is CircuitState.HALF_OPEN


def test_an_answer_in_between_starts_the_count_anew() -> None:
    circuit = Circuit().failed(0).failed(0).succeeded(0).failed(0).failed(0)
    assert circuit.state(0) is CircuitState.CLOSED


def test_a_failed_probe_doubles_the_pause_and_a_good_one_closes_it() -> None:
    again = opened().failed(15)
    assert again.state(44.9) is CircuitState.OPEN
    assert again.state(45) is CircuitState.HALF_OPEN
    assert again.succeeded(45) == Circuit()


def test_while_it_is_open_nothing_changes_it() -> None:
    circuit = opened()
    assert circuit.failed(3) == circuit
    assert circuit.succeeded(3) == circuit


@given(st.lists(st.booleans(), max_size=40))
def test_no_pause_is_longer_than_five_minutes_and_every_one_ends(outcomes: list[bool]) -> None:
    circuit, now = Circuit(), 0.0
    for is_good in outcomes:
        if circuit.until is not None:
            assert circuit.until - now <= LONGEST_SECONDS
            now = max(now, circuit.until)
        circuit = circuit.succeeded(now) if is_good else circuit.failed(now)
    now += LONGEST_SECONDS
    assert circuit.state(now) is not CircuitState.OPEN
    assert circuit.succeeded(now) == Circuit()
