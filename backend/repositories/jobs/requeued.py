"""Which jobs went back to the queue of late, so that the dispatcher of another process hears it."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, Final, NamedTuple

_ID: Final = "requeued"
#: Ids that are kept: who was away for longer reads the whole queue again.
KEPT: Final = 200


class Requeueings(NamedTuple):
    """`total` is how many so far, and the ids of the last ones."""

    total: int
    latest: tuple[str, ...]


class Requeued:
    def __init__(self, counters: Any, guarded: Callable[[], AbstractContextManager[None]]) -> None:
        self._counters = counters
        self._guarded = guarded

    async def add(self, job_id: str) -> None:
        change = {"$inc": {"value": 1}, "$push": {"ids": {"$each": [job_id], "$slice": -KEPT}}}
        with self._guarded():
            await self._counters.update_one({"_id": _ID}, change, upsert=True)

    async def read(self) -> Requeueings:
        with self._guarded():
            document = await self._counters.find_one({"_id": _ID}) or {}
        return Requeueings(document.get("value", 0), tuple(document.get("ids", ())))
