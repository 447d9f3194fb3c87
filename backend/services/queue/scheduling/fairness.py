"""Whose jobs may be taken now: tiers of equal standing, one after the other.

Higher priorities come first. Within one, every project brings as much as the one with least to
do, then as much as the middle one, then all it has: that is what taking turns comes to, when many
servers are at work. A project brings what was queued within the age window of its oldest job;
younger jobs form the last tier of their priority.
"""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from backend.services.queue.backlog import Amount, Backlog, Line, LineKey


class Share(NamedTuple):
    """What a line adds to a tier."""

    line: Line
    amount: Amount


class _Wish(NamedTuple):
    """What a line has: within the age window of its project's oldest job, and in all."""

    line: Line
    open: Amount
    total: Amount


def tiers(backlog: Backlog, age_window: float) -> Iterator[list[Share]]:
    """The amounts that each tier adds to those before it; never an empty one."""
    for priority in backlog.priorities():
        projects = [_wishes(lines, age_window) for lines in backlog.projects(priority).values()]
        yield from _by_turns(projects)
        if rest := [_rest(wish) for wishes in projects for wish in wishes if _has_rest(wish)]:
            yield rest


def _wishes(lines: Mapping[LineKey, Line], age_window: float) -> list[_Wish]:
    heads = [head for line in lines.values() if (head := line.head())]
    until = min(head.queued_at for head in heads) + age_window
    return [_Wish(line, line.queued_until(until), line.total()) for line in lines.values()]


def _by_turns(projects: list[list[_Wish]]) -> Iterator[list[Share]]:
    works = sorted(_work(wishes) for wishes in projects)
    before = 0.0
    for level in sorted({works[0], works[len(works) // 2], works[-1]}):
        shares = [share for wishes in projects for share in _between(wishes, before, level)]
        before = level
        if shares:
            yield shares


def _between(wishes: list[_Wish], low: float, high: float) -> Iterator[Share]:
    """A project's lines in the part of its work that lies between two levels."""
    whole = _work(wishes)
    first, last = min(1.0, low / whole), min(1.0, high / whole)
    for wish in wishes:
        count = round(wish.open.jobs * last) - round(wish.open.jobs * first)
        if wish.open.jobs and last > first:
            yield Share(wish.line, Amount(max(1, count), wish.open.work * (last - first)))


def _work(wishes: list[_Wish]) -> float:
    """Never zero, even for jobs that claim to be no work."""
    return sum(wish.open.work + 1e-9 * wish.open.jobs for wish in wishes)


def _has_rest(wish: _Wish) -> bool:
    return wish.total.jobs > wish.open.jobs


def _rest(wish: _Wish) -> Share:
    count = wish.total.jobs - wish.open.jobs
    return Share(wish.line, Amount(count, max(0.0, wish.total.work - wish.open.work)))
