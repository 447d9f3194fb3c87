"""Whether the backlog in memory has lost jobs, judged by how it differs from the kept totals."""

from collections import deque

#: The same difference at so many looks in a row.
_STEADY = 6
#: While jobs come and go, what is counted in two places differs now by one, now by three. But more
#: that wait than are known, at more than so many of the last looks, are not always on their way.
_OFTEN, _LOOKS = 20, 120
#: Each time that reading them all again did not help, the next waits four times as many looks.
_MOST_LOOKS = 3_600


class BacklogDrift:
    """Takes a look about every second."""

    def __init__(self) -> None:
        self._seen: deque[int] = deque(maxlen=_LOOKS)
        self._steady = 0
        self._pause = 0
        self._next_pause = _STEADY

    def is_lost(self, off: int) -> bool:
        """Whether to read all again, at a look at which so many more wait than are known."""
        self._steady = self._steady + 1 if self._seen and self._seen[-1] == off else 1
        self._seen.append(off)
        is_steady = self._steady >= _STEADY
        if not off:
            self._next_pause = _STEADY if is_steady else self._next_pause
            is_steady = False
        self._pause = max(0, self._pause - 1)
        if self._pause or not (is_steady or self._is_often()):
            return False
        self._seen.clear()
        self._pause = self._next_pause
        self._next_pause = min(_MOST_LOOKS, self._next_pause * 4)
        return True

    def _is_often(self) -> bool:
        return sum(off > 0 for off in self._seen) > _OFTEN
