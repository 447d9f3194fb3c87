"""How wide the next window of numbers is. Pure."""

from collections.abc import Iterable, Iterator

from backend.repositories.jobs.totals import WINDOW

#: Numbers that one read of a long list takes.
SLICE = 512


def slices(window: int) -> range:
    """Where the slices of a window begin, the newest first."""
    return range((window + 1) * WINDOW - SLICE, window * WINDOW - 1, -SLICE)


def wider(width: int, missing: int, seen: int) -> int:
    """The width of the next window: four times this one, or more where jobs are found thinly."""
    if missing <= 0 or not seen:
        return 4 * width
    return min(16 * width, max(4 * width, 5 * missing * width // (4 * seen)))


def runs(numbers: Iterable[int], gap: int = 16) -> Iterator[tuple[int, int]]:
    """First and last of the numbers that have no more than a gap between them.

    The embedded database compares each document with the whole list of a `$in`, and reads a window
    of 500 in the time of 30 listed numbers.
    """
    first = last = None
    for number in sorted(numbers):
        if first is None or last is None:
            first = last = number
        elif number - last > gap:
            yield first, last
            first = last = number
        else:
            last = number
    if first is not None and last is not None:
        yield first, last
