"""Opaque ids: ordered ones for what is listed, random ones, and derived ones that repeat."""

import os
import threading
import time
import uuid
from collections.abc import Callable

_NAMESPACE = uuid.UUID("0c5f6d0e-6b6a-4c8e-9d3f-2b1f5c1d7a10")
_COUNTER_BITS = 12
_RANDOM_BITS = 62
_VERSION = 7
#: The two bits that RFC 9562 asks of every id.
_VARIANT = 0b10


def _milliseconds() -> int:
    return time.time_ns() // 1_000_000


class OrderedIds:
    """Makes UUIDs of version 7 (RFC 9562, method 1) that sort in the order they were made.

    Lists sort by a time in whole milliseconds, and these settle what came in the same one. The
    order holds within a process; between processes it is that of their clocks.
    """

    def __init__(self, milliseconds: Callable[[], int] = _milliseconds) -> None:
        self._milliseconds = milliseconds
        #: Milliseconds and the counter after them, as one number: a full counter borrows
        #: from the next millisecond, and a clock that goes back is not followed.
        self._last = 0
        self._lock = threading.Lock()

    def make(self) -> str:
        now = self._milliseconds() << _COUNTER_BITS
        with self._lock:
            self._last = place = max(now, self._last + 1)
        time_part, counter = divmod(place, 1 << _COUNTER_BITS)
        noise = int.from_bytes(os.urandom(8), "big") >> (64 - _RANDOM_BITS)
        head = time_part << 16 | _VERSION << _COUNTER_BITS | counter
        return str(uuid.UUID(int=head << 64 | _VARIANT << _RANDOM_BITS | noise))


_ordered = OrderedIds()


def new_id() -> str:
    """Give an id that sorts after those that this process made before."""
    return _ordered.make()


def random_id() -> str:
    """Give an id that tells nothing: for files, owners, and names that others are given."""
    return str(uuid.uuid4())


def derived_id(*parts: str) -> str:
    """Give the same id for the same parts: a result adopted twice stays one take."""
    return str(uuid.uuid5(_NAMESPACE, "\x1f".join(parts)))
