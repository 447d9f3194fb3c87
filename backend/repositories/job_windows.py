"""How wide the next window of numbers is. Pure."""

from backend.repositories.job_totals import WINDOW

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
