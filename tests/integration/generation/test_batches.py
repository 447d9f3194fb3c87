"""Batches: many clips, one request; one bad clip fails alone; nothing is lost or made twice."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI

from backend.comfyui_simulator.simulator import Simulator
from backend.config import Settings
from backend.container import Container
from backend.models.clip import Clip
from backend.models.project import Project
from backend.models.scene import Scene
from backend.mongo.embedded import EmbeddedDatabase
from backend.repositories.batch_repository import BatchRepository
from backend.server import create_app
from tests.studio import Studio, quick_settings, serving, studio

SMALL = {"steps": 1, "width": 64, "height": 64}


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Studio]:
    async with studio(tmp_path) as running:
        yield running


async def clips(desk: Studio, count: int) -> list[str]:
    project = await desk.post("/projects", {"name": "Film"})
    scene = await desk.post("/scenes", {"project_id": project["id"], "name": "Scene"})
    body = {"scene_id": scene["id"], "image_prompt": "a lighthouse", "auto_generate": False}
    return [(await desk.post("/clips", body))["id"] for _ in range(count)]


async def batch(desk: Studio, clip_ids: list[str], **fields: Any) -> dict[str, Any]:
    body = {"clip_ids": clip_ids, "params": SMALL, **fields}
    return await desk.post("/generate/batch", body)


async def finished(desk: Studio, batch_id: str) -> dict[str, Any]:
    async with asyncio.timeout(20):
        while True:
            shown: dict[str, Any] = await desk.get(f"/generate/batch/{batch_id}")
            if shown["status"] not in {"pending", "processing"}:
                return shown
            await asyncio.sleep(0.05)


async def test_every_clip_gets_a_job_and_a_take(desk: Studio) -> None:
    async with Simulator() as simulator:
        await desk.server(simulator, max_concurrent=2)
        clip_ids = await clips(desk, 5)
        queued = await batch(desk, clip_ids)
        assert (queued["total"], len(queued["job_ids"])) == (5, 5)
        done = await finished(desk, queued["id"])
    assert (done["status"], done["completed"], done["failed"]) == ("completed", 5, 0)
    assert [row["clip_id"] for row in done["results"]] == clip_ids
    for row in done["results"]:
        [take] = await desk.takes({"id": row["clip_id"]})
        assert row["result"] == {"content_id": take["id"], "url": take["url"]}
        assert take["prompt"] == "a lighthouse"


async def test_one_bad_clip_fails_alone(desk: Studio) -> None:
    clip_ids = await clips(desk, 2)
    mute = await desk.clip()
    shown = await batch(desk, [clip_ids[0], "nobody", mute["id"], clip_ids[1]])
    assert (shown["total"], shown["failed"], len(shown["job_ids"])) == (4, 2, 2)
    assert [row["status"] for row in shown["results"]] == [
        "pending",
        "failed",
        "failed",
        "pending",
    ]
    assert "not found" in shown["results"][1]["error"]
    assert "no prompt" in shown["results"][2]["error"]


async def test_a_prompt_of_the_batch_serves_every_clip_and_a_repeat_counts_once(
    desk: Studio,
) -> None:
    clip = await desk.clip()
    shown = await batch(desk, [clip["id"], clip["id"]], prompt="rain", generation_type="video")
    assert shown["total"] == 1
    job = await desk.get(f"/queue/jobs/{shown['job_ids'][0]}")
    assert (job["prompt"], job["job_type"], job["batch_id"]) == ("rain", "video", shown["id"])


async def test_clips_without_a_seed_get_different_ones(desk: Studio) -> None:
    await batch(desk, await clips(desk, 4))
    assert len({job["params"]["seed"] for job in await desk.get("/queue/jobs")}) == 4


@pytest.mark.parametrize(
    ("fields", "status", "code"),
    [
        ({"clip_ids": []}, 422, "VALIDATION_ERROR"),
        ({"clip_ids": ["x"] * 10_001}, 422, "VALIDATION_ERROR"),
        ({"server_id": "nobody"}, 404, "SERVER_NOT_FOUND"),
        ({"params": {"use_custom_workflow": True}}, 422, "WORKFLOW_MISSING"),
        ({"params": {"width": 5}}, 422, "VALIDATION_ERROR"),
    ],
)
async def test_what_no_clip_could_do_with_is_refused_whole(
    desk: Studio, fields: dict[str, Any], status: int, code: str
) -> None:
    body = {"clip_ids": ["x"], **fields}
    answer = await desk.client.post("/api/v1/generate/batch", json=body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    assert (await desk.get("/generate/batches"))["total"] == 0


async def test_batches_are_listed_newest_first_with_their_totals(desk: Studio) -> None:
    first = await batch(desk, await clips(desk, 2))
    second = await batch(desk, await clips(desk, 3))
    await desk.client.post(f"/api/v1/queue/jobs/{first['job_ids'][0]}/cancel")
    listed = await desk.get("/generate/batches?limit=5")
    assert listed["total"] == 2
    assert [entry["id"] for entry in listed["batches"]] == [second["id"], first["id"]]
    assert [entry["cancelled"] for entry in listed["batches"]] == [0, 1]
    assert listed["batches"][1]["status"] == "processing"
    assert (await desk.client.get("/api/v1/generate/batch/nobody")).status_code == 404


async def test_an_idempotency_key_makes_one_batch(desk: Studio) -> None:
    clip_ids = await clips(desk, 3)
    answers = await asyncio.gather(
        *(
            desk.client.post(
                "/api/v1/generate/batch",
                json={"clip_ids": clip_ids},
                headers={"Idempotency-Key": "night-7"},
            )
            for _ in range(3)
        )
    )
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert len(await desk.get("/queue/jobs")) == 3


async def test_a_batch_cut_short_by_a_crash_is_queued_to_its_end_at_the_next_start(
    embedded: EmbeddedDatabase, tmp_path: Path
) -> None:
    settings: Settings = quick_settings(tmp_path, mongo_url=embedded.url, db_name="cut_short_batch")
    app = create_app(settings)
    async with serving(app) as client:
        desk = Studio(client)
        clip_ids = await clips(desk, 3)
        whole = await batch(desk, clip_ids)
        # As a crash leaves it: the batch is written, one of its jobs is not yet.
        repository: BatchRepository = app.state.container.base.repositories.batches
        await repository.update(whole["id"], {"queued": False})
        await client.delete(f"/api/v1/queue/jobs/{whole['job_ids'][1]}")
    async with serving(create_app(settings)) as client:
        desk = Studio(client)
        async with asyncio.timeout(10):
            while len(await desk.get("/queue/jobs")) < 3:
                await asyncio.sleep(0.05)
        shown = await desk.get(f"/generate/batch/{whole['id']}")
        assert shown["job_ids"] == whole["job_ids"]
        assert (await desk.get("/queue/status"))["pending_jobs"] == 3


async def film(container: Container, count: int) -> list[str]:
    """Clips straight into the database, and batches of them stored 100 jobs at a time."""
    container.generation.batch_filler.chunk = 100
    now = datetime.now(UTC)
    times: dict[str, Any] = {"created_at": now, "updated_at": now}
    repos = container.base.repositories
    await repos.projects.add(Project(id="film", name="Film", clip_count=count, **times))
    await repos.scenes.add(Scene(id="scene", project_id="film", name="One", **times))
    place: dict[str, Any] = {"project_id": "film", "scene_id": "scene", "image_prompt": "rain"}
    await repos.clips.add_many(
        [Clip(id=f"shot-{n}", name="Shot", **place, **times) for n in range(count)]
    )
    return [f"shot-{n}" for n in range(count)]


async def all_stored(container: Container, batch_id: str, seconds: float = 30) -> None:
    async with asyncio.timeout(seconds):
        while await container.base.repositories.batches.is_open(batch_id):
            await asyncio.sleep(0.02)


class TestABigBatch:
    """More than its request stores."""

    @pytest.fixture
    def container(self, desk: Studio, app: FastAPI) -> Container:
        """The running app's."""
        container: Container = app.state.container
        return container

    @pytest.fixture
    def app(self, tmp_path: Path) -> FastAPI:
        return create_app(quick_settings(tmp_path))

    @pytest.fixture
    async def desk(self, app: FastAPI) -> AsyncIterator[Studio]:
        async with serving(app) as client:
            yield Studio(client)

    async def test_is_answered_before_it_is_stored(
        self, desk: Studio, container: Container
    ) -> None:
        clip_ids = await film(container, 220)
        answer = await batch(desk, [*clip_ids, "nobody"])
        assert await container.base.repositories.batches.is_open(answer["id"])
        assert [row["clip_id"] for row in answer["results"]] == [*clip_ids, "nobody"]
        assert {row["status"] for row in answer["results"][:-1]} == {"pending"}
        assert (answer["status"], answer["total"], answer["failed"]) == ("pending", 221, 1)
        assert len(set(answer["job_ids"])) == 220
        [listed] = (await desk.get("/generate/batches"))["batches"]
        assert (listed["status"], listed["failed"]) == ("pending", 1)
        await all_stored(container, answer["id"])
        shown = await desk.get(f"/generate/batch/{answer['id']}")
        assert shown["job_ids"] == answer["job_ids"]
        assert shown["results"] == answer["results"]
        totals = await desk.get("/queue/status")
        assert (totals["pending_jobs"], totals["total_jobs"]) == (220, 220)

    async def test_a_job_that_is_still_to_come_is_there_for_who_asks(
        self, desk: Studio, container: Container
    ) -> None:
        answer = await batch(desk, await film(container, 320))
        *_, asked, cancelled = answer["job_ids"]
        response = await desk.client.post(f"/api/v1/queue/jobs/{cancelled}/cancel")
        assert (response.status_code, response.json()["status"]) == (200, "cancelled")
        assert (await desk.get(f"/queue/jobs/{asked}"))["batch_id"] == answer["id"]
        assert (await desk.client.get("/api/v1/queue/jobs/nobody")).status_code == 404
        await all_stored(container, answer["id"])
        totals = await desk.get("/queue/status")
        assert (totals["pending_jobs"], totals["cancelled_jobs"]) == (319, 1)

    async def test_ends_with_its_project(self, desk: Studio, container: Container) -> None:
        answer = await batch(desk, await film(container, 320))
        await desk.client.delete("/api/v1/projects/film")
        await all_stored(container, answer["id"])
        totals = await desk.get("/queue/status")
        assert (totals["pending_jobs"], totals["processing_jobs"]) == (0, 0)
        shown = await desk.get(f"/generate/batch/{answer['id']}")
        assert {row["status"] for row in shown["results"]} <= {"cancelled", "failed"}

    async def test_leaves_out_a_clip_that_is_deleted_meanwhile(
        self, desk: Studio, container: Container
    ) -> None:
        answer = await batch(desk, await film(container, 220))
        response = await desk.client.delete("/api/v1/clips/shot-219")
        assert response.status_code == 200
        await all_stored(container, answer["id"])
        last = (await desk.get(f"/generate/batch/{answer['id']}"))["results"][-1]
        assert last["status"] == "cancelled"
        assert (await desk.get("/queue/status"))["pending_jobs"] == 219

    async def test_clearing_what_waits_clears_what_is_to_come(
        self, desk: Studio, container: Container
    ) -> None:
        answer = await batch(desk, await film(container, 320))
        await desk.client.delete("/api/v1/queue/clear?status=pending")
        async with asyncio.timeout(20):
            while any(task.get_name() == f"batch {answer['id']}" for task in asyncio.all_tasks()):
                await asyncio.sleep(0.02)
        assert (await desk.get("/queue/status"))["total_jobs"] == 0
        shown = await desk.get(f"/generate/batch/{answer['id']}")
        assert (shown["status"], shown["job_ids"]) == ("cancelled", [])

    async def test_is_finished_by_another_process_after_a_stop(
        self, embedded: EmbeddedDatabase, tmp_path: Path
    ) -> None:
        settings = quick_settings(tmp_path, mongo_url=embedded.url, db_name="stopped_batch")
        app = create_app(settings)
        async with serving(app) as client:
            answer = await batch(Studio(client), await film(app.state.container, 320))
            assert await app.state.container.base.repositories.batches.is_open(answer["id"])
        app = create_app(settings)
        async with serving(app) as client:
            await all_stored(app.state.container, answer["id"])
            desk = Studio(client)
            assert (await desk.get("/queue/status"))["pending_jobs"] == 320
            shown = await desk.get(f"/generate/batch/{answer['id']}")
            assert shown["job_ids"] == answer["job_ids"]

    async def test_goes_on_after_the_database_was_away(self, tmp_path: Path) -> None:
        database = EmbeddedDatabase(tmp_path / "db")
        await asyncio.to_thread(database.start)
        try:
            app = create_app(quick_settings(tmp_path, mongo_url=database.url))
            async with serving(app) as client:
                answer = await batch(Studio(client), await film(app.state.container, 420))
                killed = database.database_pid
                os.kill(killed, signal.SIGKILL)
                async with asyncio.timeout(40):
                    while database.database_pid in {0, killed}:
                        await asyncio.sleep(0.02)
                    while (await client.get("/api/v1/health")).status_code != 200:
                        await asyncio.sleep(0.1)
                await all_stored(app.state.container, answer["id"])
                shown = await Studio(client).get(f"/generate/batch/{answer['id']}")
                assert shown["job_ids"] == answer["job_ids"]
                assert {row["status"] for row in shown["results"]} == {"pending"}
        finally:
            await asyncio.to_thread(database.stop)

    async def test_two_who_fill_it_at_once_make_each_job_once(
        self, embedded: EmbeddedDatabase, tmp_path: Path
    ) -> None:
        settings = quick_settings(tmp_path, mongo_url=embedded.url, db_name="doubled_batch")
        apps = [create_app(settings), create_app(settings)]
        async with serving(apps[0]) as client, serving(apps[1]) as other:
            clip_ids = await film(apps[0].state.container, 220)
            apps[1].state.container.generation.batch_filler.chunk = 100
            body = {"clip_ids": clip_ids, "params": SMALL}
            headers = {"Idempotency-Key": "both"}
            answers = await asyncio.gather(
                *(c.post("/api/v1/generate/batch", json=body, headers=headers)
                  for c in (client, other))
            )  # fmt: skip
            assert [answer.status_code for answer in answers] == [201, 201]
            assert len({answer.json()["id"] for answer in answers}) == 1
            await all_stored(apps[0].state.container, answers[0].json()["id"])
            desk = Studio(client)
            async with asyncio.timeout(20):
                while (await desk.get("/queue/status"))["pending_jobs"] != 220:
                    await asyncio.sleep(0.1)
            shown = await desk.get(f"/generate/batch/{answers[0].json()['id']}")
            assert len(set(shown["job_ids"])) == 220


async def test_a_thousand_clips_go_in_at_once(desk: Studio) -> None:
    [clip_id] = await clips(desk, 1)
    shown = await batch(desk, [clip_id, *(f"missing-{number}" for number in range(999))])
    assert (shown["total"], shown["failed"], len(shown["results"])) == (1000, 999, 1000)
