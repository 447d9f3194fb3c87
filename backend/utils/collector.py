"""Python's garbage collector, kept from holding up the event loop."""

import gc
from typing import Final

#: New objects between two young runs; runs of each generation between two of the next.
_THRESHOLDS: Final = (5_000, 5, 20)


def spare_collector() -> None:
    """Let the collector pass over all that is there, and run more seldom.

    What was imported stays for good; each full run looked through it and held the loop for 100 ms
    and more. With two hundred servers at work there was a full run every nine seconds, which found
    nothing. A young run now takes milliseconds, and most garbage needs no collector.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_THRESHOLDS)


def pass_over_what_is_there() -> None:
    """Put all that lives now out of the collector's sight; it still goes with its last reference.

    For much that stays long and has no reference cycles: a full run with 100,000 waiting jobs holds
    the loop for 350 ms. Not to be called often: cycles that end later are never found.
    """
    gc.collect(1)
    gc.freeze()
