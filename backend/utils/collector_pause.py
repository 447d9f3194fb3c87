"""Keeps Python's garbage collector still while much is built that is not garbage."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


class CollectorPause:
    """The collector's full run holds the interpreter: 100 ms and more while a film is in memory.

    Films have no reference cycles, so there is nothing for it to find; what a film takes is given
    back when the last reference goes. Use one pause from one thread; blocks may overlap.
    """

    def __init__(self) -> None:
        self._blocks = 0
        self._was_on = False

    @contextmanager
    def __call__(self) -> Iterator[None]:
        """Whoever turned the collector off before finds it off after."""
        if not self._blocks:
            self._was_on = gc.isenabled()
            gc.disable()
        self._blocks += 1
        try:
            yield
        finally:
            self._blocks -= 1
            if not self._blocks and self._was_on:
                gc.enable()
