"""Work is done once at a time, and once more for all who asked meanwhile."""

import asyncio

import pytest

from backend.utils.single_flight import SingleFlight


class Work:
    def __init__(self) -> None:
        self.begun = self.ended = 0
        self.fails = False

    async def do(self) -> None:
        self.begun += 1
        assert self.begun - self.ended == 1, "two at once"
        await asyncio.sleep(0.01)
        self.ended += 1
        if self.fails:
            raise ConnectionError


async def test_all_who_ask_meanwhile_share_the_next() -> None:
    work = Work()
    single_flight = SingleFlight(work.do)
    await asyncio.gather(*(single_flight() for _ in range(20)))
    assert work.ended == 2
    await single_flight()
    assert work.ended == 3


async def test_who_fails_or_goes_away_is_in_nobodys_way() -> None:
    work = Work()
    single_flight = SingleFlight(work.do)
    work.fails = True
    first, waits = asyncio.create_task(single_flight()), asyncio.create_task(single_flight())
    await asyncio.sleep(0)
    waits.cancel()
    with pytest.raises(ConnectionError):
        await first
    work.fails = False
    await single_flight()
    assert work.ended == 2
