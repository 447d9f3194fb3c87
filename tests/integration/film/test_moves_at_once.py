"""Moves, changes and deletions at once, through two processes on a real database.

Each process has locks of its own, so the database alone decides who was first.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from pathlib import Path
from typing import Any, NamedTuple

import orjson
import pytest_asyncio
from pymongo import AsyncMongoClient

from backend.dtos.clip_dto import ClipCreateDTO, ClipUpdateDTO
from backend.mongo.embedded import EmbeddedDatabase
from backend.services.film.clip_timeline import report_on
from backend.services.film.scene_spans import totals_of
from backend.services.film.timeline_analysis import analysis_of
from backend.utils.errors import ConflictError, ResourceNotFoundError, TimelineOverlapError
from backend.utils.ids import new_id
from tests.support_processes import Process, two_processes

_ROUNDS = 12
_REFUSALS = (ConflictError, ResourceNotFoundError, TimelineOverlapError)


class Scene(NamedTuple):
    """One scene, seen by two processes."""

    here: Process
    there: Process
    id: str

    async def clip(self, position: float, length: float) -> str:
        wish = ClipCreateDTO(scene_id=self.id, timeline_position=position, length=length)
        return (await self.here.intake.add(wish)).id

    async def check(self) -> None:
        """What is kept is what a recount finds, in the scene and in both processes' memories."""
        spans = await self.here.repos.clips.spans(self.id)
        kept = await self.here.repos.scenes.get(self.id)
        assert (kept.clip_count, kept.duration) == totals_of(spans)
        for process in (self.here, self.there):
            told = orjson.loads(await process.analyst.answer(self.id))
            assert told == analysis_of(self.id, report_on(spans))


@pytest_asyncio.fixture
async def scene(tmp_path: Path, embedded: EmbeddedDatabase) -> AsyncIterator[Scene]:
    client: AsyncMongoClient[Any] = AsyncMongoClient(embedded.url, tz_aware=True)
    name = f"moves_{new_id()}"
    (here, there), scene_id = await two_processes(tmp_path, client[name])
    yield Scene(here, there, scene_id)
    await client.drop_database(name)
    await client.close()


async def at_once(*calls: Awaitable[object]) -> list[object]:
    """What each call gives, or the refusal that it raises; anything else fails the test."""
    ends = await asyncio.gather(*calls, return_exceptions=True)
    for end in ends:
        if isinstance(end, BaseException) and not isinstance(end, _REFUSALS):
            raise end
    return list(ends)


async def test_a_new_length_beside_a_move_is_counted(scene: Scene) -> None:
    clip_id = await scene.clip(0.0, 5.0)
    for round_ in range(_ROUNDS):
        longer, move = ClipUpdateDTO(length=20.0 + round_), 100.0 + round_
        await at_once(
            scene.here.clips.update(clip_id, longer),
            scene.here.clips.move(clip_id, move, check_overlap=True),
            scene.there.clips.update(clip_id, longer),
        )
        await scene.check()
        moved = await scene.here.clips.get(clip_id)
        assert (moved.length, moved.timeline_position) == (20.0 + round_, 100.0 + round_)


async def test_a_clip_that_is_deleted_while_it_is_moved_counts_no_more(scene: Scene) -> None:
    stays = await scene.clip(0.0, 5.0)
    for round_ in range(_ROUNDS):
        goes = await scene.clip(50.0, 5.0)
        await at_once(
            scene.here.clips.move(stays, 10.0 + round_, check_overlap=True),
            scene.here.clips.delete(goes),
            scene.here.clips.move(goes, 100.0, check_overlap=True),
            scene.there.clips.move(goes, 200.0, check_overlap=True),
        )
        await scene.check()
        assert [clip.id for clip in await scene.here.repos.clips.list_for_scene(scene.id)] == [
            stays
        ]


async def test_two_processes_never_both_move_into_one_place(scene: Scene) -> None:
    one, two = await scene.clip(0.0, 4.0), await scene.clip(10.0, 4.0)
    for round_ in range(_ROUNDS):
        place = 100.0 + 10.0 * round_
        ends = await at_once(
            scene.here.clips.move(one, place, check_overlap=True),
            scene.there.clips.move(two, place + 2.0, check_overlap=True),
        )
        assert sum(isinstance(end, TimelineOverlapError) for end in ends) >= 1
        assert report_on(await scene.here.repos.clips.spans(scene.id)).overlaps == []
        await scene.check()


async def test_moves_of_many_clips_from_both_processes_all_count(scene: Scene) -> None:
    clips = [await scene.clip(10.0 * number, 2.0) for number in range(6)]
    for round_ in range(3):
        await at_once(
            *(
                process.clips.move(clip_id, 10.0 * number + round_ + 3.0, check_overlap=False)
                for number, clip_id in enumerate(clips)
                for process in (scene.here, scene.there)
            )
        )
        await scene.check()
