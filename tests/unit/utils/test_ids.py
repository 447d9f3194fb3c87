"""Ids that keep the order of creation, whatever the clock does and whoever asks."""

import uuid
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

from hypothesis import given
from hypothesis import strategies as st

from backend.utils.ids import OrderedIds, derived_id, new_id, random_id

MOMENTS = st.lists(st.integers(0, 2**48 - 2**20), min_size=1, max_size=50)


def ids_at(moments: Iterable[int]) -> list[str]:
    clock = iter(moments)
    ids = OrderedIds(lambda: next(clock))
    return [ids.make() for _ in moments]


@given(MOMENTS)
def test_they_sort_as_they_were_made_whatever_the_clock_does(moments: list[int]) -> None:
    made = ids_at(moments)
    assert made == sorted(made)
    assert len(set(made)) == len(made)


@given(MOMENTS)
def test_they_are_uuids_of_version_7_that_begin_with_the_time(moments: list[int]) -> None:
    ordered = sorted(moments)
    for text, moment in zip(ids_at(ordered), ordered, strict=True):
        parsed = uuid.UUID(text)
        assert (str(parsed), parsed.version, parsed.variant) == (text, 7, uuid.RFC_4122)
        assert parsed.int >> 80 == moment


def test_a_millisecond_that_is_full_borrows_from_the_next() -> None:
    made = ids_at([1_000] * 5_000 + [1_001] * 5_000)
    assert made == sorted(made)
    assert len(set(made)) == len(made)
    assert {uuid.UUID(one).int >> 80 for one in made} == {1_000, 1_001, 1_002}


def test_threads_get_different_ids_each_in_its_order() -> None:
    def some(_: int) -> list[str]:
        return [new_id() for _ in range(500)]

    with ThreadPoolExecutor(8) as threads:
        lists = list(threads.map(some, range(16)))
    assert all(made == sorted(made) for made in lists)
    assert len({one for made in lists for one in made}) == 16 * 500


def test_processes_of_the_same_moment_make_different_ids() -> None:
    assert set(ids_at([7] * 100)).isdisjoint(ids_at([7] * 100))


def test_random_ids_are_uuids_of_version_4() -> None:
    made = {random_id() for _ in range(1_000)}
    assert len(made) == 1_000
    assert {uuid.UUID(one).version for one in made} == {4}


def test_derived_ids_repeat_for_the_same_parts_only() -> None:
    assert derived_id("a", "b") == derived_id("a", "b")
    assert len({derived_id("a", "b"), derived_id("ab"), derived_id("b", "a"), derived_id("a")}) == 4
