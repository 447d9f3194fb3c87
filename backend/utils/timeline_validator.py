"""Gaps and overlaps on one scene's timeline, and positions that fit. Pure; whole milliseconds.

Two edges closer than 1 ms touch. Sweeps over sorted spans, so 10,000 clips take milliseconds.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

#: More overlapping pairs than this are not listed: 10,000 clips at one place make 50 million.
MAX_OVERLAPS = 1_000

#: No clip starts later than this, in milliseconds: the contract's 10,000 s.
LATEST_START = 10_000_000


class Span(NamedTuple):
    """A clip on the timeline; `start` and `end` in milliseconds."""

    id: str
    name: str
    start: int
    end: int


class Overlap(NamedTuple):
    first: Span
    second: Span

    @property
    def start(self) -> int:
        return self.second.start

    @property
    def end(self) -> int:
        return min(self.first.end, self.second.end)


class SpanGap(NamedTuple):
    """A hole in front of `before`; `after` is None where the scene begins with one."""

    after: Span | None
    before: Span

    @property
    def start(self) -> int:
        return self.after.end if self.after else 0

    @property
    def end(self) -> int:
        return self.before.start


def to_ms(seconds: float) -> int:
    return round(seconds * 1000)


def to_seconds(milliseconds: int) -> float:
    return milliseconds / 1000


def in_order(spans: Iterable[Span]) -> list[Span]:
    return sorted(spans, key=lambda span: (span.start, span.end, span.id))


def find_gaps(ordered: Sequence[Span]) -> list[SpanGap]:
    """Stretches from the scene's beginning to its end in which no clip lies."""
    gaps: list[SpanGap] = []
    furthest: Span | None = None
    for span in ordered:
        if span.start > (furthest.end if furthest else 0):
            gaps.append(SpanGap(furthest, span))
        if furthest is None or span.end > furthest.end:
            furthest = span
    return gaps


def find_overlaps(ordered: Sequence[Span], limit: int = MAX_OVERLAPS) -> list[Overlap]:
    """Every overlapping pair, earlier clip first, at most `limit` of them."""
    overlaps: list[Overlap] = []
    active: list[Span] = []
    for span in ordered:
        active = [other for other in active if other.end > span.start]
        for other in active:
            if len(overlaps) == limit:
                return overlaps
            overlaps.append(Overlap(other, span))
        active.append(span)
    return overlaps


def ripple(ordered: Sequence[Span]) -> list[tuple[Span, int]]:
    """New starts for the clips that begin before an earlier one ends; applying all clears all."""
    moves: list[tuple[Span, int]] = []
    cursor = 0
    for span in ordered:
        start = max(span.start, cursor)
        if start != span.start:
            moves.append((span, start))
        cursor = max(cursor, start + span.end - span.start)
    return moves


def overlaps_at(ordered: Sequence[Span], start: int, length: int) -> bool:
    return any(span.start < start + length and start < span.end for span in ordered)


def nearest_fit(
    ordered: Sequence[Span], start: int, length: int, latest: int = LATEST_START
) -> int | None:
    """The free position closest to `start` where `length` fits; the earlier of two equals.

    `start` is at most `latest`; None when nothing up to there is free.
    """
    best: int | None = None
    cursor = 0
    for span in ordered:
        if cursor <= latest and span.start - cursor >= length:
            best = _closer(best, min(max(start, cursor), span.start - length), start)
        cursor = max(cursor, span.end)
    return _closer(best, max(start, cursor), start) if cursor <= latest else best


def _closer(best: int | None, candidate: int, wanted: int) -> int:
    if best is None or abs(candidate - wanted) < abs(best - wanted):
        return candidate
    return best
