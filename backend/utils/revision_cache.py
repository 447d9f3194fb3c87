"""What was worked out from a document, kept for as long as the document's revision stays."""

import time
from collections.abc import Callable
from typing import Generic, NamedTuple, TypeVar

from cachetools import LRUCache

V = TypeVar("V")

#: What a revision cannot tell, such as a write whose count an outage swallowed, lasts no longer.
_LIFETIME_SECONDS = 60.0


class _Kept(NamedTuple, Generic[V]):
    revision: int
    value: V
    size: int
    until: float


class RevisionCache(Generic[V]):
    """Holds up to `capacity` of size in all; what was not asked for the longest goes first."""

    def __init__(
        self,
        capacity: int,
        *,
        seconds: float = _LIFETIME_SECONDS,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._seconds = seconds
        self._monotonic = monotonic
        self._kept: LRUCache[str, _Kept[V]] = LRUCache(capacity, getsizeof=lambda kept: kept.size)

    def get(self, key: str, revision: int) -> V | None:
        """Give what was kept for exactly this revision, if it is not too old."""
        kept = self._kept.get(key)
        if kept is None or kept.revision != revision:
            return None
        if kept.until <= self._monotonic():
            del self._kept[key]
            return None
        return kept.value

    def put(self, key: str, revision: int, value: V, *, size: int = 1) -> None:
        """Keep a value in the place of an older one; one that is too large for all is not kept."""
        self._kept.pop(key, None)
        if size <= self._kept.maxsize:
            self._kept[key] = _Kept(revision, value, size, self._monotonic() + self._seconds)
