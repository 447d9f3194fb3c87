"""What is kept of a timeline is what a fresh look finds, whichever process wrote last."""

import asyncio
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.dtos.clip_dto import ClipCreateDTO, ClipUpdateDTO
from backend.dtos.scene_dto import TimelineAnalysisDTO
from backend.models.clip import Clip
from backend.repositories.scene_repository import Totals
from backend.services.film.clip_timeline import report_on
from backend.services.film.timeline_analysis import analysis_of
from backend.utils.clock import utc_now
from backend.utils.errors import ResourceNotFoundError
from tests.support_processes import Process, two_processes

SECONDS = st.integers(0, 30).map(float)
LENGTHS = st.integers(1, 9).map(float)
STEPS = st.lists(
    st.tuples(
        st.integers(0, 1),
        st.one_of(
            st.tuples(st.just("create"), st.none() | SECONDS, LENGTHS),
            st.tuples(st.just("move"), st.integers(0, 9), SECONDS),
            st.tuples(st.just("resize"), st.integers(0, 9), LENGTHS),
            st.tuples(st.just("rename"), st.integers(0, 9), st.text("ab", min_size=1, max_size=2)),
            st.tuples(st.just("delete"), st.integers(0, 9)),
            st.tuples(st.just("alternate"), st.integers(0, 9)),
            st.tuples(st.just("scene alternate")),
        ),
    ),
    max_size=12,
)


async def carry_out(process: Process, scene_id: str, step: tuple[Any, ...]) -> None:
    kind, *rest = step
    if kind == "create":
        fields = {} if rest[0] is None else {"timeline_position": rest[0]}
        wish = ClipCreateDTO(scene_id=scene_id, length=rest[1], **fields)
        await process.intake.add(wish)
    elif kind == "scene alternate":
        await process.alternates.of_scene(scene_id)
    elif clips := await process.repos.clips.list_for_scene(scene_id):
        await change(process, clips[rest[0] % len(clips)], kind, *rest[1:])


async def change(process: Process, clip: Clip, kind: str, value: Any = None) -> None:
    if kind == "move":
        await process.clips.move(clip.id, value, check_overlap=False)
    elif kind == "resize":
        await process.clips.update(clip.id, ClipUpdateDTO(length=value))
    elif kind == "rename":
        await process.clips.update(clip.id, ClipUpdateDTO(name=value))
    elif kind == "delete":
        await process.clips.delete(clip.id)
    else:
        await process.alternates.of_clip(clip.id)


async def fresh_answer(process: Process, scene_id: str) -> Any:
    return analysis_of(scene_id, report_on(await process.repos.clips.spans(scene_id)))


async def check(process: Process) -> None:
    told: list[str] = []
    for scene in await process.repos.scenes.list_for_project("p"):
        answer = orjson.loads(await process.analyst.answer(scene.id))
        assert answer == await fresh_answer(process, scene.id)
        told += [clip.id for clip in await process.repos.clips.list_for_scene(scene.id)]
    for skip, limit in ((0, 500), (1, 2)):
        parts, total = await process.story.page("p", skip=skip, limit=limit)
        page = [clip.id async for part in parts for clip in part.clips]
        assert (page, total) == (told[skip : skip + limit], len(told))


@settings(max_examples=30, deadline=None)
@given(steps=STEPS)
def test_the_same_in_each_process_after_every_write(
    tmp_path_factory: Any, steps: list[tuple[int, tuple[Any, ...]]]
) -> None:
    async def play() -> None:
        processes, scene_id = await two_processes(tmp_path_factory.getbasetemp() / "media")
        for which, step in steps:
            await carry_out(processes[which], scene_id, step)
            for process in processes:
                await check(process)

    asyncio.run(play())


@settings(max_examples=15, deadline=None)
@given(steps=STEPS)
def test_the_same_after_reads_in_the_midst_of_writes(
    tmp_path_factory: Any, steps: list[tuple[int, tuple[Any, ...]]]
) -> None:
    async def watch(process: Process, scene_id: str) -> None:
        for _ in range(5):
            await process.analyst.answer(scene_id)
            parts, _ = await process.story.page("p", skip=0, limit=5)
            assert len([part async for part in parts]) <= 5

    async def play() -> None:
        processes, scene_id = await two_processes(tmp_path_factory.getbasetemp() / "media")
        for which, step in steps:
            writer, reader = processes[which], processes[1 - which]
            await asyncio.gather(
                carry_out(writer, scene_id, step),
                watch(reader, scene_id),
                watch(writer, scene_id),
            )
            for process in processes:
                await check(process)

    asyncio.run(play())


class TestTheAnswer:
    async def test_costs_no_clips_when_nothing_changed(self, tmp_path: Path) -> None:
        (process, _), scene_id = await two_processes(tmp_path)
        await carry_out(process, scene_id, ("create", 3.0, 2.0))
        first = await process.analyst.answer(scene_id)
        TimelineAnalysisDTO.model_validate_json(first, strict=True)
        await process.repos.clips.delete_for_scene(scene_id)
        assert await process.analyst.answer(scene_id) is first

    async def test_is_not_kept_while_a_clip_is_counted_and_not_stored(self, tmp_path: Path) -> None:
        (process, _), scene_id = await two_processes(tmp_path)
        scene = await process.repos.scenes.get(scene_id)
        assert await process.repos.scenes.replace_totals(scene, Totals(1, 2.0), now=utc_now())
        assert orjson.loads(await process.analyst.answer(scene_id))["total_clips"] == 0
        _, total = await process.story.page("p", skip=0, limit=5)
        assert total == 0
        now = utc_now()
        clip = Clip(id="c", scene_id=scene_id, project_id="p", name="C", length=2.0,
                    created_at=now, updated_at=now)  # fmt: skip
        await process.repos.clips.add(clip)
        assert orjson.loads(await process.analyst.answer(scene_id))["total_clips"] == 1
        _, total = await process.story.page("p", skip=0, limit=5)
        assert total == 1

    async def test_of_no_scene(self, tmp_path: Path) -> None:
        (process, _), scene_id = await two_processes(tmp_path)
        await process.analyst.answer(scene_id)
        await process.scenes.delete(scene_id)
        for gone in (scene_id, "none"):
            with pytest.raises(ResourceNotFoundError):
                await process.analyst.answer(gone)

    async def test_asked_for_by_many_is_worked_out_once(self, tmp_path: Path) -> None:
        (process, _), scene_id = await two_processes(tmp_path)
        answers = await asyncio.gather(*(process.analyst.answer(scene_id) for _ in range(5)))
        assert len({id(answer) for answer in answers}) == 1
