"""Timelines at random, against the slow and obvious way to say the same."""

import time
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.utils.timeline_validator import (
    LATEST_START,
    MAX_OVERLAPS,
    Overlap,
    Span,
    SpanGap,
    find_gaps,
    find_overlaps,
    in_order,
    nearest_fit,
    overlaps_at,
    ripple,
    to_ms,
    to_seconds,
)

#: No deadline: a busy machine is no fault.
slowly = settings(max_examples=200, deadline=None)


def spans_within(end: int, most: int = 12) -> st.SearchStrategy[list[Span]]:
    pair = st.tuples(st.integers(0, end), st.integers(1, end // 2))
    return st.lists(pair, max_size=most).map(
        lambda pairs: in_order(
            Span(f"{index:03}", f"clip {index}", start, start + length)
            for index, (start, length) in enumerate(pairs)
        )
    )


def overlap(one: Span, other: Span) -> bool:
    return one.start < other.end and other.start < one.end


@slowly
@given(spans_within(40))
def test_overlaps_are_those_of_every_pair(ordered: list[Span]) -> None:
    expected = {(a.id, b.id) for a, b in combinations(ordered, 2) if overlap(a, b)}
    found = find_overlaps(ordered)
    assert {(pair.first.id, pair.second.id) for pair in found} == expected
    assert len(found) == len(expected)
    for pair in found:
        shared = set(range(pair.first.start, pair.first.end)) & set(
            range(pair.second.start, pair.second.end)
        )
        assert (pair.start, pair.end) == (min(shared), max(shared) + 1)


@slowly
@given(spans_within(40))
def test_gaps_are_the_uncovered_stretches_up_to_the_end(ordered: list[Span]) -> None:
    covered = {moment for span in ordered for moment in range(span.start, span.end)}
    found = {moment for gap in find_gaps(ordered) for moment in range(gap.start, gap.end)}
    assert found == set(range(max(covered, default=0))) - covered
    for gap in find_gaps(ordered):
        behind = gap.after.end if gap.after else 0
        assert behind == gap.start < gap.end == gap.before.start


@slowly
@given(spans_within(40))
def test_ripple_clears_every_overlap_and_moves_nothing_else(ordered: list[Span]) -> None:
    moves = {span.id: start for span, start in ripple(ordered)}
    after = in_order(
        Span(span.id, span.name, start, start + span.end - span.start)
        for span in ordered
        for start in [moves.get(span.id, span.start)]
    )
    assert find_overlaps(after) == []
    assert all(moves[span.id] > span.start for span in ordered if span.id in moves)
    if not find_overlaps(ordered):
        assert moves == {}


@slowly
@given(spans_within(30, most=6), st.integers(0, 40), st.integers(1, 12), st.integers(0, 40))
def test_the_nearest_fit_fits_and_nothing_is_nearer(
    ordered: list[Span], start: int, length: int, room: int
) -> None:
    latest = start + room
    free = [at for at in range(latest + 1) if not overlaps_at(ordered, at, length)]
    found = nearest_fit(ordered, start, length, latest)
    expected = min(free, key=lambda at: (abs(at - start), at), default=None)
    assert found == expected


@slowly
@given(spans_within(40, most=5), st.integers(0, 40), st.integers(1, 20))
def test_overlaps_at_is_what_the_pairs_say(ordered: list[Span], start: int, length: int) -> None:
    moved = Span("x", "x", start, start + length)
    assert overlaps_at(ordered, start, length) is any(overlap(span, moved) for span in ordered)


@slowly
@given(st.integers(0, 20_000_000))
def test_milliseconds_survive_seconds(milliseconds: int) -> None:
    assert to_ms(to_seconds(milliseconds)) == milliseconds
    assert round(to_seconds(milliseconds), 3) == to_seconds(milliseconds)


@slowly
@given(st.floats(0, 20_000))
def test_seconds_are_rounded_to_the_nearest_millisecond(seconds: float) -> None:
    assert abs(to_ms(seconds) - seconds * 1000) <= 0.5


def test_nothing_is_suggested_where_no_clip_may_start() -> None:
    full = [Span("a", "a", 0, LATEST_START + 1)]
    assert nearest_fit(full, 5, 1) is None
    assert nearest_fit([Span("a", "a", 0, LATEST_START)], 5, 1) == LATEST_START


def test_the_list_of_overlaps_ends() -> None:
    same = [Span(f"{n}", "x", 0, 10) for n in range(1000)]
    assert len(find_overlaps(same)) == MAX_OVERLAPS
    assert len(find_overlaps(same, limit=3)) == 3


@pytest.mark.parametrize("width", [1, 40_000], ids=["side by side", "all over each other"])
def test_ten_thousand_clips_are_no_matter(width: int) -> None:
    """Sweeps, not pairs: a generous bound that comparing 50 million pairs would break."""
    ordered = [Span(f"{n}", "x", n * 5, n * 5 + width) for n in range(10_000)]
    began = time.process_time()
    found = (find_gaps(ordered), find_overlaps(ordered), ripple(ordered))
    nearest_fit(ordered, 25_000, 10)
    assert time.process_time() - began < 1
    assert isinstance((found[0] or [SpanGap(*ordered[:2])])[0], SpanGap)
    assert isinstance((found[1] or [Overlap(*ordered[:2])])[0], Overlap)
