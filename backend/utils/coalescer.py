"""Work by key that is done for several who ask, as one."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Generic, NamedTuple, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class Group(NamedTuple, Generic[Item, Result]):
    """What is worked on together, and the task that does it."""

    items: list[Item]
    done: asyncio.Task[Result]


class Coalescer(Generic[Item, Result]):
    """Calls `work(key, items)` for each group of items that were joined under one key.

    `work` waits for its turn, then closes the group, and reads its items only after that: those
    who come meanwhile share the group, and whoever comes later forms the next one.
    """

    def __init__(
        self, work: Callable[[str, list[Item]], Coroutine[Any, Any, Result]], name: str
    ) -> None:
        self._work = work
        self._name = name
        self._open: dict[str, Group[Item, Result]] = {}

    async def join(self, key: str, item: Item) -> tuple[Result, int]:
        """Return what the work of the item's group gave, and the item's place in the group."""
        group = self._open.get(key) or self._begin(key)
        place = len(group.items)
        group.items.append(item)
        # One who goes away takes nothing from the others of the group.
        return await asyncio.shield(group.done), place

    def close(self, key: str) -> Group[Item, Result]:
        """Let nobody else join the open group, and give it."""
        return self._open.pop(key)

    def waiting(self, key: str) -> asyncio.Task[Result] | None:
        """The task of the group that waits for its turn, if there is one."""
        group = self._open.get(key)
        return group and group.done

    def _begin(self, key: str) -> Group[Item, Result]:
        items: list[Item] = []
        done = asyncio.create_task(self._work(key, items), name=f"{self._name} {key}")
        group = self._open[key] = Group(items, done)
        return group
