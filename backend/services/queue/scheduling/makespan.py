"""Computes when servers of different speed, free at different times, have done many jobs."""

from collections.abc import Sequence
from heapq import heapify, heapreplace
from math import inf
from typing import NamedTuple

#: Up to so many jobs are laid out one by one; more flow like water, which is quicker to say.
_ONE_BY_ONE = 40


class HelpingLane(NamedTuple):
    """One that helps: free in `start` seconds, then done with an average job every `step`."""

    start: float
    step: float


def finish_time(helpers: Sequence[HelpingLane], count: int) -> float:
    """Seconds until the last of `count` equal jobs ends, each given to who ends it first."""
    if count <= 0:
        return 0.0
    if not helpers:
        return inf
    return _one_by_one(helpers, count) if count <= _ONE_BY_ONE else _like_water(helpers, count)


def _one_by_one(helpers: Sequence[HelpingLane], count: int) -> float:
    ends = [(start + step, step) for start, step in helpers]
    heapify(ends)
    last = 0.0
    for _ in range(count):
        last, step = ends[0]
        heapreplace(ends, (last + step, step))
    return last


def _like_water(helpers: Sequence[HelpingLane], count: int) -> float:
    """The T with sum of (T - start) / step = count, over those who end a job before T."""
    rate, owed, end = 0.0, float(count), inf
    for start, step in sorted(helpers, key=sum):
        if start + step >= end:
            break
        rate += 1 / step
        owed += start / step
        end = owed / rate
    return end
