"""Whose jobs may be taken now: tiers of equal standing, one after the other.

Higher priorities come first. Within one, every project brings as much as the one with least to
do, then as much as the middle one, then all it has: that is what taking turns comes to, when many
servers are at work. A project brings what was queued within the age window of its oldest job;
younger jobs form the last tier of their priority.
"""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from backend.services.queue.backlog import Backlog, JobLine, LineKey, Workload


class Share(NamedTuple):
    """What a line adds to a tier."""

    line: JobLine
    amount: Workload


class _Entry(NamedTuple):
    """What a line has: within the age window of its project's oldest job, and in all."""

    line: JobLine
    open: Workload
    total: Workload


def tiers(backlog: Backlog, age_window: float) -> Iterator[list[Share]]:
    """The amounts that each tier adds to those before it; never an empty one."""
    for priority in backlog.priorities():
        projects = [_entries(lines, age_window) for lines in backlog.projects(priority).values()]
        yield from _by_turns(projects)
        if rest := [_rest(entry) for entries in projects for entry in entries if _has_rest(entry)]:
            yield rest


def _entries(lines: Mapping[LineKey, JobLine], age_window: float) -> list[_Entry]:
    heads = [head for line in lines.values() if (head := line.head())]
    until = min(head.queued_at for head in heads) + age_window
    return [_Entry(line, line.queued_until(until), line.total()) for line in lines.values()]


def _by_turns(projects: list[list[_Entry]]) -> Iterator[list[Share]]:
    works = sorted(_work(entries) for entries in projects)
    before = 0.0
    for level in sorted({works[0], works[len(works) // 2], works[-1]}):
        shares = [share for entries in projects for share in _between(entries, before, level)]
        before = level
        if shares:
            yield shares


def _between(entries: list[_Entry], low: float, high: float) -> Iterator[Share]:
    """A project's lines in the part of its work that lies between two levels."""
    whole = _work(entries)
    first, last = min(1.0, low / whole), min(1.0, high / whole)
    for entry in entries:
        count = round(entry.open.jobs * last) - round(entry.open.jobs * first)
        if entry.open.jobs and last > first:
            yield Share(entry.line, Workload(max(1, count), entry.open.work * (last - first)))


def _work(entries: list[_Entry]) -> float:
    """Never zero, even for jobs that claim to be no work."""
    return sum(entry.open.work + 1e-9 * entry.open.jobs for entry in entries)


def _has_rest(entry: _Entry) -> bool:
    return entry.total.jobs > entry.open.jobs


def _rest(entry: _Entry) -> Share:
    count = entry.total.jobs - entry.open.jobs
    return Share(entry.line, Workload(count, max(0.0, entry.total.work - entry.open.work)))
