"""Kept totals at random: whatever is done to clips, scene and project say what the clips say."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mongomock_motor import AsyncMongoMockClient

from backend.dtos.clip_dto import ClipCreateDTO, ClipUpdateDTO
from backend.dtos.project_dto import ProjectCreateDTO
from backend.dtos.scene_dto import SceneCreateDTO
from backend.models.clip import Clip
from backend.repositories.registry import Repositories, repositories_on
from backend.services.film.clip_creation import ClipCreator
from backend.services.film.clip_service import ClipService
from backend.services.film.clip_timeline import ClipTimeline, report_on
from backend.services.film.scene_service import SceneService
from backend.services.film.scene_spans import SceneSpans
from backend.services.film.timeline_analysis import analysis_of, summary_of
from backend.services.media.media_files import MediaFiles
from backend.services.project_service import ProjectService
from backend.utils.clock import utc_now
from backend.utils.errors import ConflictError, TimelineOverlapError
from backend.utils.timeline_validator import Span

SECONDS = st.integers(0, 9_000_000).map(lambda milliseconds: milliseconds / 1000)
LENGTHS = st.integers(1, 60_000).map(lambda milliseconds: milliseconds / 1000)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("create"), st.integers(0, 1), LENGTHS, st.none() | SECONDS),
        st.tuples(st.just("move"), st.integers(0, 9), SECONDS, st.booleans()),
        st.tuples(st.just("change"), st.integers(0, 9), st.none() | LENGTHS, st.none() | SECONDS),
        st.tuples(st.just("delete"), st.integers(0, 9)),
        st.tuples(st.just("delete scene"), st.integers(0, 1)),
        st.tuples(st.just("at once"), st.integers(0, 1), LENGTHS, st.integers(2, 4)),
    ),
    max_size=14,
)


class NoJobs:
    """A queue that has nothing to cancel."""

    async def cancel_for(self, field: str, value: str, *, project_id: str) -> int:
        return 0


class Film(NamedTuple):
    """The services on a database in memory, and two scenes."""

    repos: Repositories
    projects: ProjectService
    scenes: SceneService
    clips: ClipService
    intake: ClipCreator
    timeline: ClipTimeline
    project_id: str
    scene_ids: list[str]


async def new_film(media: MediaFiles) -> Film:
    repos = repositories_on(AsyncMongoMockClient(tz_aware=True)["film"], lambda: None)
    shared: dict[str, Any] = {"jobs": NoJobs(), "media": media, "clock": utc_now}
    timeline = ClipTimeline(
        repos.projects, repos.scenes, repos.clips, spans=SceneSpans(repos.clips), clock=utc_now
    )
    beside: dict[str, Any] = {"characters": repos.characters, "pool": repos.pool}
    beside |= {"webhooks": repos.webhooks, "workflows": repos.workflows, "graphs": repos.graphs}
    projects = ProjectService(repos.projects, repos.scenes, repos.clips, **beside, **shared)
    scenes = SceneService(repos.projects, repos.scenes, repos.clips, timeline=timeline, **shared)
    clips = ClipService(repos.scenes, repos.clips, timeline=timeline, **shared)
    project = await projects.create(ProjectCreateDTO(name="Film"))
    made = [await scenes.create(SceneCreateDTO(project_id=project.id, name=name)) for name in "ab"]
    intake = ClipCreator(repos.scenes, repos.clips, timeline=timeline, clock=utc_now)
    scene_ids = [scene.id for scene in made]
    return Film(repos, projects, scenes, clips, intake, timeline, project.id, scene_ids)


async def carry_out(film: Film, step: tuple[Any, ...]) -> None:
    kind, which, *rest = step
    if kind == "delete scene":
        await delete_scene(film, which)
    elif kind == "create":
        await create(film, which, rest[0], rest[1])
    elif kind == "at once":
        await asyncio.gather(*(create(film, which, rest[0], None) for _ in range(rest[1])))
    elif clips := await film.repos.clips.list_for_project(film.project_id):
        await CHANGES[kind](film, sorted(clips, key=lambda c: c.id)[which % len(clips)], *rest)


async def create(film: Film, which: int, length: float, position: float | None) -> None:
    if which >= len(film.scene_ids):
        return
    fields: dict[str, Any] = {} if position is None else {"timeline_position": position}
    try:
        await film.intake.add(
            ClipCreateDTO(scene_id=film.scene_ids[which], length=length, **fields)
        )
    except ConflictError as error:
        if error.code != "TIMELINE_FULL":
            raise


async def move(film: Film, clip: Clip, position: float, check: bool) -> None:
    try:
        report = await film.clips.move(clip.id, position, check_overlap=check)
    except TimelineOverlapError as error:
        if (fits := error.details["suggested_position"]) is not None:
            await film.clips.move(clip.id, fits, check_overlap=True)
    else:
        kept = await film.repos.scenes.get(clip.scene_id)
        assert summary_of(report)["timeline_end"] == kept.duration


async def change(film: Film, clip: Clip, length: float | None, position: float | None) -> None:
    wanted = {"length": length, "timeline_position": position}
    given: dict[str, Any] = {field: value for field, value in wanted.items() if value is not None}
    await film.clips.update(clip.id, ClipUpdateDTO(**given))


async def delete(film: Film, clip: Clip) -> None:
    assert await film.clips.delete(clip.id) == 1


async def delete_scene(film: Film, which: int) -> None:
    if which < len(film.scene_ids):
        await film.scenes.delete(film.scene_ids.pop(which))


CHANGES: dict[str, Callable[..., Any]] = {"move": move, "change": change, "delete": delete}


async def check(film: Film) -> None:
    total, seconds = 0, 0.0
    for scene_id in film.scene_ids:
        clips = await film.repos.clips.list_for_scene(scene_id)
        scene = await film.repos.scenes.get(scene_id)
        assert scene.clip_count == len(clips)
        assert scene.duration == max((clip.timeline_end for clip in clips), default=0)
        total += len(clips)
        seconds += scene.duration
    project = await film.repos.projects.get(film.project_id)
    assert (project.scene_count, project.clip_count) == (len(film.scene_ids), total)
    assert abs(project.duration - seconds) < 1e-6


@settings(max_examples=60, deadline=None)
@given(steps=STEPS)
def test_totals_say_what_the_clips_say(tmp_path_factory: Any, steps: list[tuple[Any, ...]]) -> None:
    async def play() -> None:
        film = await new_film(MediaFiles(tmp_path_factory.getbasetemp() / "media"))
        for step in steps:
            await carry_out(film, step)
            await check(film)

    asyncio.run(play())


@pytest.mark.parametrize("scene_is_wrong", [True, False])
@pytest.mark.parametrize("project_is_wrong", [True, False])
async def test_totals_that_a_crash_left_wrong_are_mended(
    tmp_path: Path, scene_is_wrong: bool, project_is_wrong: bool
) -> None:
    film = await new_film(MediaFiles(tmp_path))
    clip = await film.intake.add(ClipCreateDTO(scene_id=film.scene_ids[0], length=2))
    if scene_is_wrong:
        await film.repos.scenes.update(clip.scene_id, {"clip_count": 9, "duration": 99.0})
    if project_is_wrong:
        wrong = {"scene_count": 9, "clip_count": 8, "duration": 98.0}
        await film.repos.projects.update(film.project_id, wrong)
    await film.timeline.recount_recent(60)
    await check(film)


async def test_nothing_is_mended_where_nothing_is(tmp_path: Path) -> None:
    film = await new_film(MediaFiles(tmp_path))
    await film.projects.delete(film.project_id)
    await film.timeline.recount_recent(60)
    assert await film.projects.list_newest("", skip=0, limit=1) == ([], 0)


async def test_locks_go_when_nobody_holds_them(tmp_path: Path) -> None:
    film = await new_film(MediaFiles(tmp_path))
    for number in range(100):
        async with film.timeline.lock(f"scene {number}"):
            assert film.timeline.lock(f"scene {number}").locked()
    assert len(film.timeline._locks) == 0


def test_suggestions_beyond_the_latest_start_are_left_out() -> None:
    spans = [Span(f"{n}", "x", 0, 4_000_000) for n in range(5)]
    analysis = analysis_of("s", report_on(spans))
    assert [s["suggested_position"] for s in analysis["suggestions"]] == [8000, 4000]
    assert analysis["has_issues"]
