"""Those who come while others are served are served together, and each hears of it."""

import asyncio

import pytest

from backend.utils.coalescer import Coalescer


class Served:
    """Serves one group at a time; gives what it had, in capitals."""

    def __init__(self) -> None:
        self.groups: list[tuple[str, tuple[str, ...]]] = []
        self.gate = asyncio.Event()
        self.coalescer = Coalescer(self._serve, "serve")
        self._turn = asyncio.Lock()

    async def _serve(self, key: str, items: list[str]) -> list[str]:
        async with self._turn:
            self.coalescer.close(key)
            group = tuple(items)
            await self.gate.wait()
            if "bad" in group:
                raise ConnectionError
            self.groups.append((key, group))
            return [item.upper() for item in group]

    def join(self, item: str, key: str = "k") -> asyncio.Task[str]:
        async def answer() -> str:
            made, place = await self.coalescer.join(key, item)
            return made[place]

        return asyncio.create_task(answer())


async def begun(served: Served, *items: str) -> list[asyncio.Task[str]]:
    """Items that have joined, and whose group has its turn if none was before it."""
    tasks = [served.join(item) for item in items]
    for _ in range(3):
        await asyncio.sleep(0)
    return tasks


async def test_who_comes_while_others_are_served_shares_the_next_group() -> None:
    served = Served()
    tasks = await begun(served, "a", "b")
    tasks += await begun(served, "c", "d")
    tasks += await begun(served, "e")
    served.gate.set()
    assert await asyncio.gather(*tasks) == ["A", "B", "C", "D", "E"]
    assert served.groups == [("k", ("a", "b")), ("k", ("c", "d", "e"))]
    assert served.coalescer.waiting("k") is None


async def test_keys_have_groups_of_their_own() -> None:
    served = Served()
    served.gate.set()
    tasks = [served.join("a", "x"), served.join("b", "y")]
    assert await asyncio.gather(*tasks) == ["A", "B"]
    assert sorted(served.groups) == [("x", ("a",)), ("y", ("b",))]


async def test_a_failure_is_heard_by_its_group_alone() -> None:
    served = Served()
    failing = await begun(served, "a", "bad")
    others = await begun(served, "b")
    served.gate.set()
    ends = await asyncio.gather(*failing, *others, return_exceptions=True)
    assert [type(end) for end in ends[:2]] == [ConnectionError] * 2
    assert ends[2] == "B"


async def test_who_goes_away_takes_nothing_from_the_others() -> None:
    served = Served()
    gone, stays = await begun(served, "a", "b")
    gone.cancel()
    with pytest.raises(asyncio.CancelledError):
        await gone
    served.gate.set()
    assert await stays == "B"
    assert served.groups == [("k", ("a", "b"))]
