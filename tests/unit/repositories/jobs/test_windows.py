"""How many numbers one read takes."""

from backend.repositories.jobs.windows import runs


def test_numbers_close_to_each_other_are_one_read() -> None:
    assert list(runs([5, 1, 2, 3, 40, 41], gap=4)) == [(1, 5), (40, 41)]
    assert list(runs([7])) == [(7, 7)]
    assert list(runs([])) == []
