"""One suite for every database a repository may stand on.

In memory through mongomock-motor, and the embedded database through Motor and through PyMongo's
own async client: the same calls, the same results.
"""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio

from backend.database import DatabaseManager
from backend.models.character import AddedWords, CharacterWords
from backend.models.clip import Clip
from backend.models.comfyui_server import ComfyUIServer
from backend.models.content import ContentType, GeneratedContent
from backend.models.job import Job, JobStatus
from backend.models.project import Project
from backend.models.scene import Scene
from backend.mongo.embedded import EmbeddedDatabase
from backend.repositories.base_repository import BaseRepository
from backend.repositories.clip_repository import Positions
from backend.repositories.comfyui_repository import ComfyUIRepository
from backend.repositories.jobs.repository import job_filter
from backend.repositories.registry import Repositories, repositories_on
from backend.repositories.scene_repository import SceneState, Totals
from backend.utils.errors import ConflictError, DatabaseUnavailableError, ResourceNotFoundError
from backend.utils.ids import new_id
from backend.utils.secret_box import SecretBox
from backend.utils.timeline_validator import Span

NOW = datetime(2026, 3, 1, 12, 0, 0, 123000, tzinfo=UTC)


@pytest_asyncio.fixture(params=["memory", "motor", "pymongo"])
async def manager(
    request: pytest.FixtureRequest, embedded: EmbeddedDatabase
) -> AsyncIterator[DatabaseManager]:
    in_memory = request.param == "memory"
    manager = DatabaseManager(
        "memory:" if in_memory else embedded.url,
        name=f"contract_{request.param}",
        driver="motor" if in_memory else request.param,
    )
    await manager.start()
    yield manager
    await manager.stop()


@pytest_asyncio.fixture
async def repos(manager: DatabaseManager) -> Repositories:
    """Every repository with its indexes, and nothing in them."""
    database = manager.database()
    repos = repositories_on(database, manager.require)
    kinds: list[BaseRepository[Any]] = list(vars(repos).values())
    await manager.ensure_indexes({kind.collection: kind.indexes for kind in kinds})
    for collection in (*(kind.collection for kind in kinds), "counters"):
        await database[collection].delete_many({})
    return repos


def a_project(**changes: Any) -> Project:
    fields: dict[str, Any] = {"id": new_id(), "name": "Film", "created_at": NOW, "updated_at": NOW}
    return Project(**{**fields, **changes})


def a_scene(**changes: Any) -> Scene:
    fields: dict[str, Any] = {
        "id": new_id(), "project_id": "p", "name": "Scene", "created_at": NOW, "updated_at": NOW,
    }  # fmt: skip
    return Scene(**{**fields, **changes})


def a_clip(**changes: Any) -> Clip:
    fields: dict[str, Any] = {
        "id": new_id(), "scene_id": "s", "project_id": "p", "name": "Clip", "created_at": NOW,
        "updated_at": NOW,
    }  # fmt: skip
    return Clip(**{**fields, **changes})


def a_server(**changes: Any) -> ComfyUIServer:
    fields: dict[str, Any] = {
        "id": new_id(), "name": "Server", "url": f"http://{new_id()}", "created_at": NOW,
        "updated_at": NOW,
    }  # fmt: skip
    return ComfyUIServer(**{**fields, **changes})


def a_job(**changes: Any) -> Job:
    fields: dict[str, Any] = {
        "id": new_id(), "project_id": "p", "scene_id": "s", "clip_id": "c",
        "generation_type": ContentType.IMAGE, "created_at": NOW,
    }  # fmt: skip
    return Job(**{**fields, **changes})


OF_CHARACTER: dict[str, Any] = {"clip_id": None, "scene_id": "", "character_id": "mara"}


def a_take(number: str, kind: ContentType = ContentType.IMAGE) -> GeneratedContent:
    return GeneratedContent(id=number, content_type=kind, path=f"{number}.png", created_at=NOW)


class TestEvery:
    """What the base gives, shown on projects."""

    async def test_add_find_get(self, repos: Repositories) -> None:
        project = await repos.projects.add(a_project(name="\u202e🎬 $set a.b"))
        assert await repos.projects.find_by_id(project.id) == project
        assert await repos.projects.get(project.id) == project
        assert await repos.projects.find_by_id("none") is None
        with pytest.raises(ResourceNotFoundError) as caught:
            await repos.projects.get("none")
        assert caught.value.code == "PROJECT_NOT_FOUND"

    async def test_times_come_back_in_utc_to_the_millisecond(self, repos: Repositories) -> None:
        project = await repos.projects.add(a_project())
        kept = await repos.projects.get(project.id)
        assert kept.created_at == NOW
        assert kept.created_at.tzinfo is not None

    async def test_an_id_is_there_once(self, repos: Repositories) -> None:
        project = await repos.projects.add(a_project())
        with pytest.raises(ConflictError):
            await repos.projects.add(a_project(id=project.id, name="other"))
        assert (await repos.projects.get(project.id)).name == "Film"

    async def test_update_says_whether_it_is_there(self, repos: Repositories) -> None:
        project = await repos.projects.add(a_project())
        assert await repos.projects.update(project.id, {"name": "b"}) is True
        assert await repos.projects.update(project.id, {"name": "b"}) is True
        assert await repos.projects.update("none", {"name": "b"}) is False
        assert await repos.projects.find_by_id("none") is None
        assert await repos.projects.get(project.id) == project.model_copy(update={"name": "b"})

    async def test_delete_says_whether_it_was_there(self, repos: Repositories) -> None:
        project = await repos.projects.add(a_project())
        assert await repos.projects.delete(project.id) is True
        assert await repos.projects.delete(project.id) is False

    async def test_more_than_one_chunk(self, repos: Repositories) -> None:
        await repos.clips.add_many([])
        await repos.clips.add_many([a_clip() for _ in range(501)])
        assert len(await repos.clips.ids_for_scene("s")) == 501
        assert await repos.clips.delete_for_scene("s") == 501
        assert await repos.clips.delete_for_scene("s") == 0

    async def test_a_stored_field_of_another_version_is_ignored(self, repos: Repositories) -> None:
        project = await repos.projects.add(a_project())
        await repos.projects.update(project.id, {"gone_since": {"deep": [1]}})
        assert await repos.projects.get(project.id) == project

    async def test_what_mongodb_keeps_exactly(self, repos: Repositories) -> None:
        text = '{"$a.b": "\\u0000"}'
        params: dict[str, Any] = {
            "seed": 2**63 - 1,
            "low": -(2**63),
            "cfg": 0.1 + 0.2,
            "none": None,
            "deep": [{}],
        }
        (job,) = await repos.jobs.enqueue([a_job(params=params, workflow_json=text)])
        kept = await repos.jobs.get(job.id)
        assert kept == job
        assert kept.params == params

    async def test_the_gate_closes_with_the_database(
        self, repos: Repositories, manager: DatabaseManager
    ) -> None:
        await manager.stop()
        with pytest.raises(DatabaseUnavailableError):
            await repos.projects.find_by_id("x")
        with pytest.raises(DatabaseUnavailableError):
            await repos.projects.add(a_project())


class TestProjects:
    async def test_pages_newest_first(self, repos: Repositories) -> None:
        made = [a_project(updated_at=NOW + timedelta(seconds=n // 2)) for n in range(7)]
        for project in made:
            await repos.projects.add(project)
        pages = [await repos.projects.list_newest(search="", skip=s, limit=3) for s in (0, 3, 6, 9)]
        assert [total for _, total in pages] == [7, 7, 7, 7]
        seen = [project for page, _ in pages for project in page]
        assert seen == made[::-1], "the last one made comes first, also of one moment"

    @pytest.mark.parametrize(
        ("search", "names"),
        [
            ("NIGHT", {"Night", "b"}),
            ("a.b", {"a.b"}),
            ("(", {"x (1)"}),
            ("\\", set()),
            ("é", {"É"}),
        ],
    )
    async def test_search(self, repos: Repositories, search: str, names: set[str]) -> None:
        for name, description in (
            ("Night", ""), ("b", "at night"), ("a.b", ""), ("aXb", ""), ("x (1)", ""), ("É", ""),
        ):  # fmt: skip
            await repos.projects.add(a_project(name=name, description=description))
        found, total = await repos.projects.list_newest(search=search, skip=0, limit=10)
        assert ({project.name for project in found}, total) == (names, len(names))

    async def test_adjust_adds_up(self, repos: Repositories) -> None:
        project = await repos.projects.add(a_project())
        later = NOW + timedelta(seconds=1)
        changes = [{"clip_count": 1, "duration": 0.25} for _ in range(10)]
        await asyncio.gather(
            *(repos.projects.adjust(project.id, amounts, now=later) for amounts in changes)
        )
        kept = await repos.projects.get(project.id)
        assert (kept.clip_count, kept.duration, kept.updated_at) == (10, 2.5, later)
        assert await repos.projects.adjust(project.id, {}, now=later)
        assert not await repos.projects.adjust("none", {"clip_count": 1}, now=later)


class TestScenes:
    async def test_in_story_order(self, repos: Repositories) -> None:
        made = [
            a_scene(order=order, created_at=NOW + timedelta(seconds=age), updated_at=NOW)
            for order, age in ((2, 0), (0, 5), (1, 9), (1, 3), (0, 4))
        ]
        await repos.scenes.add_many(made)
        await repos.scenes.add(a_scene(project_id="other"))
        story = sorted(made, key=lambda scene: (scene.order, scene.created_at))
        assert await repos.scenes.list_for_project("p") == story
        assert await repos.scenes.page_for_project("p", skip=1, limit=2) == (story[1:3], 5)
        assert await repos.scenes.page_for_project("p", skip=4, limit=9) == (story[4:], 5)
        assert await repos.scenes.page_for_project("p", skip=9, limit=9) == ([], 5)
        assert await repos.scenes.page_for_project("none", skip=0, limit=9) == ([], 0)
        assert await repos.scenes.delete_for_project("p") == 5
        assert len(await repos.scenes.list_for_project("other")) == 1

    async def test_totals_are_replaced_only_as_read(self, repos: Repositories) -> None:
        scene = await repos.scenes.add(a_scene())
        assert await repos.scenes.replace_totals(scene, Totals(1, 2.5), now=NOW)
        assert not await repos.scenes.replace_totals(scene, Totals(9, 9), now=NOW)
        kept = await repos.scenes.get(scene.id)
        assert (kept.clip_count, kept.duration) == (1, 2.5)
        assert await repos.scenes.replace_totals(kept, Totals(0, 0.0), now=NOW)

    async def test_every_write_of_totals_raises_the_revision(self, repos: Repositories) -> None:
        scene = await repos.scenes.add(a_scene(order=1))
        first = await repos.scenes.add(a_scene(order=0))
        assert await repos.scenes.replace_totals(scene, Totals(1, 2.5), now=NOW)
        await asyncio.gather(*(repos.scenes.raise_revision(scene.id) for _ in range(5)))
        assert await repos.scenes.states_of_project("p") == [
            SceneState(first.id, 0, 0),
            SceneState(scene.id, 6, 1),
        ]
        assert (await repos.scenes.get(scene.id)).timeline_revision == 6
        assert not await repos.scenes.raise_revision("none")

    async def test_changed_since(self, repos: Repositories) -> None:
        old, new = a_scene(), a_scene(updated_at=NOW + timedelta(hours=1))
        await repos.scenes.add_many([old, new])
        assert await repos.scenes.changed_since(NOW + timedelta(seconds=1)) == [new]


class TestClips:
    async def test_along_the_timeline(self, repos: Repositories) -> None:
        made = [a_clip(timeline_position=at) for at in (5.0, 0.0, 2.5, 10.25)]
        await repos.clips.add_many([*made, a_clip(scene_id="other")])
        along = sorted(made, key=lambda clip: clip.timeline_position)
        assert await repos.clips.list_for_scene("s") == along
        assert await repos.clips.list_for_scene("s", skip=1, limit=2) == along[1:3]
        assert await repos.clips.page_for_scene("s", skip=2, limit=1) == (along[2:3], 4)
        assert sorted(await repos.clips.ids_for_scene("s")) == sorted(clip.id for clip in made)
        assert len(await repos.clips.list_for_project("p")) == 5
        assert await repos.clips.delete_for_project("p") == 5

    async def test_a_stretch_of_the_timeline(self, repos: Repositories) -> None:
        made = [a_clip(id=f"c{at}", timeline_position=float(at // 2)) for at in range(8)]
        beside = a_clip(timeline_position=9.0, is_alternate=True)
        await repos.clips.add_many([*made[::-1], beside, a_clip(scene_id="other")])
        clips = repos.clips
        assert await clips.along("s", low=None, high=None) == [*made, beside]
        assert await clips.along("s", low=1.0, high=3.0) == made[2:6]
        assert await clips.along("s", low=None, high=1.0) == made[:2]
        assert await clips.along("s", low=3.0, high=None) == [*made[6:], beside]
        starts = [clip.timeline_position for clip in (*made, beside)]
        assert await clips.positions("s") == Positions(starts, 8)
        assert await clips.positions("none") == Positions([], 0)

    async def test_clips_alike_change_in_one_write(self, repos: Repositories) -> None:
        words = CharacterWords(character_id="c", image=AddedWords(front=("ohwx",), back=("grain",)))
        worn: dict[str, Any] = {"character_id": "c", "image_prompt": "ohwx, a car, grain"}
        alike = [a_clip(**worn, character_words=words) for _ in range(3)]
        others = [
            a_clip(**worn),
            a_clip(**worn, character_words=words, scene_id="other"),
            a_clip(**{**worn, "image_prompt": "ohwx"}, character_words=words),
            a_clip(**{**worn, "character_id": "d"}, character_words=words),
        ]
        await repos.clips.add_many([*alike, *others])
        assert await repos.clips.scenes_with_character("c") == {"s", "other"}
        found = await repos.clips.list_with_character("s", "c")
        assert {clip.id for clip in found} == {clip.id for clip in (*alike, others[0], others[2])}
        assert await repos.clips.update_alike(alike[0], {"character_id": None}) == 3
        assert await repos.clips.update_alike(alike[0], {"character_id": None}) == 0
        assert await repos.clips.update_alike(others[0], {"character_id": None}) == 1
        assert await repos.clips.scenes_with_character("c") == {"s", "other"}

    async def test_spans_are_in_milliseconds_without_alternates(self, repos: Repositories) -> None:
        clip = a_clip(timeline_position=1.001, length=0.333)
        await repos.clips.add_many([clip, a_clip(is_alternate=True)])
        assert await repos.clips.spans("s") == [Span(clip.id, "Clip", 1001, 1334)]

    async def test_changed_since(self, repos: Repositories) -> None:
        await repos.clips.add_many(
            [a_clip(), a_clip(scene_id="new", updated_at=NOW + timedelta(hours=1))]
        )
        assert await repos.clips.changed_since(NOW + timedelta(seconds=1)) == {"new"}

    async def test_a_take_is_added_once_and_the_first_is_selected(
        self, repos: Repositories
    ) -> None:
        clip = await repos.clips.add(a_clip())
        for number in ("a", "b", "a", "b"):
            assert await repos.clips.add_take(clip.id, a_take(number))
        await repos.clips.add_take(clip.id, a_take("v", ContentType.VIDEO))
        kept = await repos.clips.get(clip.id)
        assert [take.id for take in kept.generated_images] == ["a", "b"]
        assert [take.is_selected for take in kept.generated_images] == [True, False]
        assert (kept.selected_image_id, kept.selected_video_id) == ("a", "v")
        assert not await repos.clips.add_take("none", a_take("x"))

    async def test_one_take_delivered_many_times_at_once_is_one(self, repos: Repositories) -> None:
        clip = await repos.clips.add(a_clip())
        await asyncio.gather(*(repos.clips.add_take(clip.id, a_take("a")) for _ in range(8)))
        assert len((await repos.clips.get(clip.id)).generated_images) == 1


class TestServers:
    async def test_a_url_is_there_once(self, repos: Repositories) -> None:
        first = await repos.servers.add(a_server())
        second = await repos.servers.add(a_server())
        with pytest.raises(ConflictError):
            await repos.servers.add(a_server(url=first.url))
        with pytest.raises(ConflictError):
            await repos.servers.update(second.id, {"url": first.url})
        assert (await repos.servers.get(second.id)).url == second.url

    async def test_oldest_first(self, repos: Repositories) -> None:
        made = [a_server(created_at=NOW + timedelta(seconds=s)) for s in (3, 1, 2)]
        await repos.servers.add_many(made)
        listed = await repos.servers.list_all()
        assert [server.created_at.second for server in listed] == [1, 2, 3]
        assert await repos.servers.list_all(skip=1, limit=1) == listed[1:2]

    async def test_whether_it_is_online_is_not_stored(self, repos: Repositories) -> None:
        server = await repos.servers.add(a_server(is_online=True))
        assert (await repos.servers.get(server.id)).is_online is False

    async def test_keys_are_sealed(self, repos: Repositories, manager: DatabaseManager) -> None:
        def with_key(key: str | None) -> ComfyUIRepository:
            return ComfyUIRepository(manager.database(), manager.require, SecretBox(key))

        ours, theirs, nobodys = with_key("long enough"), with_key("another one"), with_key(None)
        server = await ours.add(a_server(api_key="hunter2"))
        assert (await ours.get(server.id)).api_key == "hunter2"
        for other in (theirs, nobodys):
            locked = await other.get(server.id)
            assert (locked.api_key, locked.key_locked, locked.has_api_key) == (None, True, True)
            await other.update(server.id, {"name": "kept"})
        assert (await ours.get(server.id)).api_key == "hunter2"
        await ours.update(server.id, {"api_key": "hunter3"})
        (document,) = await ours._find_raw({"_id": server.id})
        assert set(document["api_key"]) == {"sealed"}
        await nobodys.update(server.id, {"api_key": "plain"})
        assert [found.api_key for found in await ours.list_all()] == ["plain"]
        assert (await nobodys.get(server.id)).key_locked is True
        await ours.update(server.id, {"api_key": None})
        assert (await nobodys.get(server.id)).has_api_key is False

    async def test_what_a_server_did_adds_up(self, repos: Repositories) -> None:
        for seconds in (1.5, 2.5, None):
            await repos.stats.record("a", completed_in=seconds, model="m")
        await repos.stats.record("b", completed_in=None, model=None)
        assert await repos.stats.by_server([]) == {}
        stats = await repos.stats.by_server(["a", "b", "c"])
        assert set(stats) == {"a", "b"}
        assert (stats["a"].completed, stats["a"].failed, stats["a"].average_seconds) == (2, 1, 2.0)
        assert (stats["a"].last_model, stats["b"].average_seconds) == ("m", None)


class TestJobs:
    async def test_numbers_grow_in_the_order_given(self, repos: Repositories) -> None:
        batches = [[a_job() for _ in range(5)] for _ in range(4)]
        queued = await asyncio.gather(*(repos.jobs.enqueue(batch) for batch in batches))
        numbers = [job.number for batch in queued for job in batch]
        assert len(set(numbers)) == 20
        for batch in queued:
            first = batch[0].number
            assert [job.number for job in batch] == list(range(first, first + 5))
        assert await repos.jobs.enqueue([]) == []
        assert (await repos.jobs.totals.by_status())[JobStatus.PENDING] == 20

    async def test_of_many_who_move_a_job_one_wins(self, repos: Repositories) -> None:
        (job,) = await repos.jobs.enqueue([a_job()])
        moves = (repos.jobs.move(job, JobStatus.PROCESSING, attempt=1) for _ in range(8))
        won = [moved for moved in await asyncio.gather(*moves) if moved is not None]
        assert len(won) == 1
        assert (won[0].status, won[0].attempt, won[0].seq) == (JobStatus.PROCESSING, 1, 1)
        totals = await repos.jobs.totals.by_status()
        assert (totals[JobStatus.PENDING], totals[JobStatus.PROCESSING]) == (0, 1)
        assert await repos.jobs.note(won[0], progress=0.5)
        assert not await repos.jobs.note(job, progress=0.9)
        assert (await repos.jobs.get(job.id)).progress == 0.5

    async def test_illegal_moves_are_refused(self, repos: Repositories) -> None:
        (job,) = await repos.jobs.enqueue([a_job()])
        with pytest.raises(ConflictError, match="cannot become completed"):
            await repos.jobs.move(job, JobStatus.COMPLETED)
        assert await repos.jobs.get(job.id) == job

    async def test_the_line_is_by_priority_then_age(self, repos: Repositories) -> None:
        jobs = await repos.jobs.enqueue([a_job(priority=p) for p in (0, 5, 0, -5, 5)])
        turn = [jobs[1], jobs[4], jobs[0], jobs[2], jobs[3]]
        assert await repos.jobs.pending(skip=0, limit=10) == turn
        assert await repos.jobs.pending(skip=1, limit=2) == turn[1:3]
        places = await repos.jobs.positions(turn)
        assert [places[job.id] for job in turn] == [1, 2, 3, 4, 5]
        assert [(await repos.jobs.positions([job]))[job.id] for job in turn] == [1, 2, 3, 4, 5]
        assert (await repos.jobs.totals.line()).turns == {5: 2, 0: 2, -5: 1}

    async def test_the_head_of_the_line_moves_on_and_back(self, repos: Repositories) -> None:
        jobs = await repos.jobs.enqueue([a_job() for _ in range(6)])
        running = [await repos.jobs.move(job, JobStatus.PROCESSING) for job in jobs[:4]]
        assert await repos.jobs.pending(skip=0, limit=1) == [jobs[4]]
        assert running[1] is not None
        back = await repos.jobs.move(running[1], JobStatus.PENDING)
        assert await repos.jobs.pending(skip=0, limit=9) == [back, jobs[4], jobs[5]]

    async def test_jobs_that_many_add_at_once_are_all_found(self, repos: Repositories) -> None:
        async def add_and_look(number: int) -> None:
            await repos.jobs.enqueue([a_job(priority=number % 2)])
            await repos.jobs.pending(skip=0, limit=1)

        await asyncio.gather(*(add_and_look(number) for number in range(20)))
        assert len(await repos.jobs.pending(skip=0, limit=50)) == 20

    async def test_newest_first_in_windows(self, repos: Repositories) -> None:
        jobs = await repos.jobs.enqueue(
            [a_job(project_id="rare" if n % 50 == 0 else "p") for n in range(400)]
        )
        newest = jobs[::-1]
        for skip, limit in ((0, 5), (3, 100), (395, 10), (400, 5)):
            page = await repos.jobs.newest({}, skip=skip, limit=limit)
            assert page == newest[skip : skip + limit]
        rare = job_filter(project_id="rare", statuses=[JobStatus.PENDING])
        assert await repos.jobs.newest(rare, skip=0, limit=100) == newest[-1::-50][::-1]
        assert await repos.jobs.count(rare) == 8
        assert await repos.jobs.count(job_filter()) == 400
        assert await repos.jobs.count(job_filter(statuses=[JobStatus.FAILED])) == 0

    async def test_recount_sets_the_totals_right(
        self, repos: Repositories, manager: DatabaseManager
    ) -> None:
        (first, _) = await repos.jobs.enqueue([a_job(), a_job()])
        await repos.jobs.move(first, JobStatus.CANCELLED)
        await manager.database()["counters"].delete_many({"_id": "job_totals"})
        await repos.jobs.recount()
        totals = await repos.jobs.totals.by_status()
        assert (totals[JobStatus.PENDING], totals[JobStatus.CANCELLED]) == (1, 1)

    async def test_what_is_active_for_something(self, repos: Repositories) -> None:
        jobs = await repos.jobs.enqueue(
            [a_job(clip_id="x"), a_job(clip_id="x"), a_job(clip_id="x", scene_id="y"), a_job()]
        )
        await repos.jobs.enqueue([a_job(project_id="other", scene_id="y")])
        await repos.jobs.move(jobs[0], JobStatus.CANCELLED)
        await repos.jobs.move(jobs[1], JobStatus.PROCESSING)

        async def active(field: str, value: str) -> set[str]:
            project_id = jobs[0].project_id
            found = await repos.jobs.active_for(field, value, project_id=project_id)
            return {job.id for job in found}

        assert await active("clip_id", "x") == {jobs[1].id, jobs[2].id}
        assert await active("scene_id", "y") == {jobs[2].id}
        assert await active("project_id", jobs[0].project_id) == {job.id for job in jobs[1:]}
        assert [job.id for job in await repos.jobs.processing()] == [jobs[1].id]

    async def test_those_of_a_character_have_no_clip(self, repos: Repositories) -> None:
        of_clip, first, second = await repos.jobs.enqueue(
            [a_job(), *(a_job(**OF_CHARACTER, project_id=project) for project in ("p", ""))]
        )
        moved = await repos.jobs.move(first, JobStatus.PROCESSING)
        assert moved is not None
        assert (moved.clip_id, moved.character_id, moved.scene_id) == (None, "mara", "")
        assert await repos.jobs.get(second.id) == second
        found = await repos.jobs.active_for("character_id", "mara", project_id="p")
        assert {job.id for job in found} == {first.id, second.id}
        assert await repos.jobs.active_for("scene_id", "mara", project_id="p") == []
        for named, ids in (
            ({"character_id": "mara"}, [second.id, first.id]),
            ({"character_id": "mara", "statuses": [JobStatus.PENDING]}, [second.id]),
            ({"character_id": "mara", "project_id": "p"}, [first.id]),
            ({"character_id": of_clip.clip_id}, []),
            ({"character_id": "mara", "clip_id": of_clip.clip_id}, []),
        ):
            where = job_filter(**named)
            assert [job.id for job in await repos.jobs.newest(where, skip=0, limit=9)] == ids
            assert await repos.jobs.count(where) == len(ids)
        rows = await repos.jobs.pending_rows(0, 10)
        assert [row.id for row in rows] == [of_clip.id, second.id]
        await repos.jobs.recount()
        assert (await repos.jobs.project_totals(""))[JobStatus.PENDING] == 1


class TestCharacterTakes:
    async def test_each_is_kept_once_and_goes_with_its_character(self, repos: Repositories) -> None:
        takes = repos.character_takes
        for number, name in enumerate(("b", "a", "b")):
            later = a_take(name).model_copy(update={"created_at": NOW + timedelta(number)})
            await takes.keep("mara", later)
        await takes.keep("jun", a_take("c"))
        found = await takes.list_for("mara")
        assert [(take.id, take.character_id) for take in found] == [("b", "mara"), ("a", "mara")]
        assert found[0].created_at == NOW
        assert await takes.delete_for("mara") == 2
        assert await takes.list_for("mara") == []
        assert len(await takes.list_for("jun")) == 1
