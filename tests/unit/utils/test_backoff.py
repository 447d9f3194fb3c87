"""Growing pauses between tries."""

from itertools import islice

from backend.utils.backoff import Backoff


def test_pauses_grow_to_the_longest_and_stay_there() -> None:
    assert list(islice(Backoff(2.0, longest=60.0).pauses(), 7)) == [2, 4, 8, 16, 32, 60, 60]


def test_the_growth_may_be_another_one() -> None:
    assert list(islice(Backoff(4.0, longest=9.0, factor=1.5).pauses(), 4)) == [4, 6, 9, 9]


def test_no_number_of_tries_is_too_large() -> None:
    assert Backoff(0.1, longest=5.0).after(100_000) == 5.0
