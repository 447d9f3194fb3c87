"""Clips that come together are written together, and none of them is lost or misplaced."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from mongomock_motor import AsyncMongoMockClient

from backend.dtos.clip_dto import ClipCreateDTO
from backend.models.clip import Clip
from backend.models.project import Project
from backend.models.scene import Scene
from backend.repositories.clip_repository import ClipRepository
from backend.repositories.registry import repositories_on
from backend.repositories.shared.write_behind_totals import WriteBehindTotals
from backend.services.film.clip_creation import ClipCreator
from backend.services.film.clip_timeline import ClipTimeline
from backend.services.film.scene_spans import SceneSpans
from backend.utils.clock import utc_now
from backend.utils.errors import ConflictError, DatabaseUnavailableError, ResourceNotFoundError

NOW = datetime(2026, 1, 1, tzinfo=UTC)


class CountedClips(ClipRepository):
    """Counts the calls that store clips; `fails` makes the next one fail."""

    calls = 0
    fails = False

    async def add_many(self, models: Sequence[Clip]) -> None:
        self.calls += 1
        if self.fails:
            self.fails = False
            raise DatabaseUnavailableError("Gone for a moment.")
        await super().add_many(models)


class Set:
    """An intake on a scene of its own."""

    def __init__(self, database: Any) -> None:
        self.repos = repos = repositories_on(database, lambda: None)
        self.clips = CountedClips(database, lambda: None)
        timeline = ClipTimeline(
            repos.projects, repos.scenes, repos.clips, spans=SceneSpans(repos.clips), clock=utc_now
        )
        self.intake = ClipCreator(repos.scenes, self.clips, timeline=timeline, clock=utc_now)

    async def add(self, **fields: Any) -> Any:
        return await self.intake.add(ClipCreateDTO(scene_id="s", **fields))


@pytest.fixture
def database() -> Any:
    return AsyncMongoMockClient(tz_aware=True)["intake"]


@pytest.fixture
async def made(database: Any) -> Set:
    repos = repositories_on(database, lambda: None)
    await repos.projects.add(Project(id="p", name="P", created_at=NOW, updated_at=NOW))
    await repos.scenes.add(Scene(id="s", project_id="p", name="S", created_at=NOW, updated_at=NOW))
    return Set(database)


async def test_what_comes_together_is_written_together(made: Set) -> None:
    clips = await asyncio.gather(*(made.add(length=2) for _ in range(50)))
    assert made.clips.calls <= 3
    assert [clip.timeline_position for clip in clips] == [2.0 * n for n in range(50)]
    assert [clip.order for clip in clips] == list(range(50))
    assert clips[49].name == "Clip 50"
    project = await made.repos.projects.get("p")
    assert (project.clip_count, project.duration) == (50, 100.0)


async def test_processes_that_add_at_once_share_no_place(made: Set, database: Any) -> None:
    other = Set(database)
    clips = await asyncio.gather(*(side.add(length=1) for _ in range(15) for side in (made, other)))
    assert sorted(clip.timeline_position for clip in clips) == [float(n) for n in range(30)]
    scene = await made.repos.scenes.get("s")
    assert (scene.clip_count, scene.duration) == (30, 30.0)


async def test_one_that_cannot_be_placed_fails_alone(made: Set) -> None:
    await made.add(length=10, timeline_position=9_999)
    answers: Any = await asyncio.gather(
        made.add(), made.add(timeline_position=5), made.add(), return_exceptions=True
    )
    assert [type(answer) for answer in answers] == [ConflictError, Clip, ConflictError]
    assert answers[1].timeline_position == 5
    assert (await made.repos.scenes.get("s")).clip_count == 2


async def test_without_its_scene_everyone_hears_it(made: Set) -> None:
    await made.repos.scenes.delete("s")
    answers = await asyncio.gather(made.add(), made.add(), return_exceptions=True)
    assert all(isinstance(answer, ResourceNotFoundError) for answer in answers)


async def test_what_could_not_be_stored_does_not_count(made: Set) -> None:
    made.clips.fails = True
    with pytest.raises(DatabaseUnavailableError):
        await made.add(length=3)
    assert (await made.repos.scenes.get("s")).clip_count == 0
    assert (await made.add(length=4)).timeline_position == 0


async def test_one_who_goes_away_takes_nothing_from_the_others(made: Set) -> None:
    leaver = asyncio.create_task(made.add(length=1))
    stays = asyncio.create_task(made.add(length=1))
    await asyncio.sleep(0)
    leaver.cancel()
    assert (await stays).timeline_position == 1.0
    assert (await made.repos.scenes.get("s")).clip_count == 2


class Totals:
    """Totals as they are written; unreachable as often as `outages` says."""

    def __init__(self, outages: int = 0) -> None:
        self.kept: dict[str, float] = {}
        self.writes = 0
        self.outages = outages

    async def write(self, key: str, amounts: Mapping[str, float], *, now: datetime) -> None:
        if self.outages:
            self.outages -= 1
            raise DatabaseUnavailableError("Not now.")
        self.writes += 1
        for name, amount in amounts.items():
            self.kept[name] = self.kept.get(name, 0) + amount


async def test_additions_go_as_one_write_and_readers_wait_for_them() -> None:
    totals = Totals()
    behind = WriteBehindTotals(totals.write)
    for _ in range(100):
        behind.add("p", {"clips": 1, "seconds": 0.5}, now=NOW)
    await behind.settle("p")
    assert (totals.kept, totals.writes) == ({"clips": 100, "seconds": 50.0}, 1)
    await behind.settle("p")
    assert totals.writes == 1


async def test_additions_outlast_an_outage() -> None:
    totals = Totals(outages=1)
    behind = WriteBehindTotals(totals.write)
    behind.add("p", {"clips": 1}, now=NOW)
    while totals.outages:
        await asyncio.sleep(0.01)
    behind.add("p", {"clips": -3}, now=NOW)
    await behind.settle_all()
    assert totals.kept == {"clips": -2}
