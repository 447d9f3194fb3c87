"""Renderings of animatics on every database: one takes them, and only who has them may tell."""

import asyncio
from datetime import timedelta
from typing import Any

from backend.models.exports.animatic import AnimaticOptions, AnimaticRender, AnimaticStatus
from backend.repositories.registry import Repositories
from tests.contract.test_repositories import NOW, manager, repos

__all__ = ["manager", "repos"]

LATER = NOW + timedelta(seconds=1)


def a_render(**changes: Any) -> AnimaticRender:
    fields: dict[str, Any] = {
        "id": "r", "project_id": "p", "created_at": NOW, "updated_at": NOW,
        "options": AnimaticOptions(height=480, burn_in=("timecode", "name")),
    }  # fmt: skip
    return AnimaticRender(**{**fields, **changes})


async def test_asking_twice_gives_the_same(repos: Repositories) -> None:
    first = await repos.animatics.ask(a_render())
    assert await repos.animatics.ask(a_render(created_at=LATER)) == first
    assert await repos.animatics.list_for_project("p") == [first]
    assert await repos.animatics.list_for_project("q") == []


async def test_one_takes_it_and_the_others_see(repos: Repositories) -> None:
    seen = await repos.animatics.ask(a_render())
    taken = await asyncio.gather(
        *(repos.animatics.claim(seen, f"o{number}", LATER) for number in range(4))
    )
    assert sorted(taken) == [False, False, False, True]
    owner = f"o{taken.index(True)}"
    assert await repos.animatics.note("r", owner, 0.5, LATER)
    assert not await repos.animatics.note("r", "another", 0.7, LATER)
    (running,) = await repos.animatics.list_in(AnimaticStatus.PROCESSING)
    assert (running.owner, running.progress) == (owner, 0.5)
    assert await repos.animatics.claim(running, "heir", LATER + timedelta(minutes=1))
    assert not await repos.animatics.note("r", owner, 0.9, LATER)


async def test_failing_trying_again_and_giving_back(repos: Repositories) -> None:
    seen = await repos.animatics.ask(a_render())
    assert await repos.animatics.claim(seen, "o", LATER)
    assert await repos.animatics.fail("r", "o", "The disk is full.", LATER)
    (failed,) = await repos.animatics.list_in(AnimaticStatus.FAILED)
    assert failed.error == "The disk is full."
    assert await repos.animatics.try_again(failed, NOW)
    assert not await repos.animatics.try_again(failed, NOW)
    (pending,) = await repos.animatics.list_in(AnimaticStatus.PENDING)
    assert (pending.owner, pending.error) == (None, None)
    assert await repos.animatics.claim(pending, "o", LATER)
    assert await repos.animatics.give_back("r", "o", LATER)
    assert await repos.animatics.list_in(AnimaticStatus.PROCESSING) == []
    assert await repos.animatics.delete("r")
    assert not await repos.animatics.note("r", "o", 0.9, LATER)
