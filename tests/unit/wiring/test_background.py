"""What runs beside the requests goes on after a fault of ours."""

import asyncio

import pytest

from backend.wiring import background


async def test_what_fails_is_told_and_begins_anew(caplog: pytest.LogCaptureFixture) -> None:
    runs = 0

    async def run() -> None:
        nonlocal runs
        runs += 1
        if runs < 3:
            raise KeyError("a document that nobody foresaw")

    async with asyncio.timeout(2):
        await background.kept_up(run, "fleet", pause=0.01)
    assert runs == 3
    assert [record.getMessage() for record in caplog.records] == [
        "'fleet' stopped for a reason of our own; it begins anew."
    ] * 2


async def test_it_ends_with_who_runs_it() -> None:
    ended = asyncio.Event()

    async def run() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            ended.set()

    keeping = asyncio.create_task(background.kept_up(run, "fleet"))
    await asyncio.sleep(0.01)
    keeping.cancel()
    await asyncio.gather(keeping, return_exceptions=True)
    assert keeping.cancelled()
    assert ended.is_set()
