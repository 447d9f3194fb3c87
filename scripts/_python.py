"""Which Python is too old. Any Python 3 can read this file, and so must those that import it."""

from typing import Optional, Tuple  # noqa: UP035 - `tuple[int, int] | None` needs Python 3.10

OLDEST = (3, 11)


def python_problem(version: Tuple[int, int]) -> Optional[str]:  # noqa: UP006, UP045
    """Give a sentence for a Python that is too old, None for one that will do."""
    if version >= OLDEST:
        return None
    return (
        "StoryCanvas needs Python %d.%d or newer, and this is Python %d.%d: install a newer one "  # noqa: UP031
        "and start this command with it." % (OLDEST + tuple(version))
    )
