"""Jobs for pictures of characters: they have no clip, and go with their character."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from backend.comfyui_simulator.options import SimulatorOptions
from backend.comfyui_simulator.simulator import Simulator
from backend.config import Settings
from backend.container import Container
from backend.models.job import JobStatus
from backend.server import create_app
from tests.conftest import API
from tests.integration.film.test_characters import code
from tests.integration.media.test_media import files_in
from tests.listening import listening, on_a_port
from tests.portraits import LONG, ask, gallery, made, mara, queued
from tests.studio import Studio, quick_settings, studio
from tests.unit.services.media.media_samples import picture


@pytest.fixture
def desk(client: httpx.AsyncClient) -> Studio:
    return Studio(client)


@pytest.fixture
async def simulator(desk: Studio) -> AsyncIterator[Simulator]:
    """A server that every test of a rendered picture has."""
    async with Simulator(SimulatorOptions(seconds_per_step=0.01)) as running:
        await desk.server(running)
        yield running


class TestItsJobs:
    async def test_they_belong_to_no_clip(self, desk: Studio) -> None:
        project = await desk.post("/projects", {"name": "Film"})
        free, own = await mara(desk), await mara(desk, project_id=project["id"])
        clip = await desk.clip()
        jobs = [await queued(desk, free), await queued(desk, own), await desk.job(clip)]
        told = [await desk.get(f"/queue/jobs/{job_id}") for job_id in jobs]
        assert [(job["project_id"], job["clip_id"], job["character_id"]) for job in told] == [
            (None, None, free["id"]),
            (project["id"], None, own["id"]),
            (clip["project_id"], clip["id"], None),
        ]
        for query, found in (
            (f"character_id={free['id']}", jobs[:1]),
            (f"character_id={free['id']}&status=pending", jobs[:1]),
            (f"character_id={free['id']}&status=failed", []),
            (f"character_id={own['id']}&project_id={project['id']}", jobs[1:2]),
            (f"character_id={clip['id']}", []),
            (f"character_id={free['id']}&clip_id={clip['id']}", []),
            (f"clip_id={clip['id']}", jobs[2:]),
            (f"project_id={project['id']}", jobs[1:2]),
            ("status=pending", jobs[::-1]),
        ):
            answer = await desk.client.get(f"{API}/queue/jobs?{query}")
            assert [job["id"] for job in answer.json()] == found, query
            assert answer.headers["X-Total-Count"] == str(len(found)), query
        assert (await desk.get(f"/queue/projects/{project['id']}/jobs"))["total_jobs"] == 1

    async def test_totals_of_no_project_are_counted_like_others(
        self, desk: Studio, container: Container
    ) -> None:
        character = await mara(desk)
        job_id = await queued(desk, character)
        await queued(desk, character)
        await desk.client.post(f"{API}/queue/jobs/{job_id}/cancel")
        jobs = container.base.repositories.jobs
        kept = await jobs.project_totals("")
        assert (kept[JobStatus.PENDING], kept[JobStatus.CANCELLED]) == (1, 1)
        await jobs.recount()
        assert await jobs.project_totals("") == kept
        assert (await desk.get("/queue/status"))["pending_jobs"] == 1

    async def test_characters_of_no_project_share_one_part_of_the_queue(
        self, tmp_path: Path
    ) -> None:
        async with studio(tmp_path, queue_max_pending_per_project=1) as desk:
            await queued(desk, await mara(desk))
            refused = await ask(desk, await mara(desk))
            assert code(refused) == (429, "QUEUE_FULL")
            assert "work of no project" in refused.json()["detail"]
            await desk.job(await desk.clip())

    async def test_a_cancelled_one_can_be_tried_again(
        self, desk: Studio, simulator: Simulator
    ) -> None:
        simulator.set_fault("slow", value=20)
        character = await mara(desk)
        job_id = await queued(desk, character, params=LONG)
        await desk.until(job_id, lambda job: job["status"] == "processing")
        answer = await desk.client.post(f"{API}/queue/jobs/{job_id}/cancel")
        assert answer.json()["status"] == "cancelled"
        simulator.clear_faults()
        await desk.client.post(f"{API}/queue/jobs/{job_id}/retry")
        assert (await desk.finished(job_id))["status"] == "completed"
        assert len((await gallery(desk, character))["images"]) == 1

    async def test_events_say_whose_picture_it_is(self, tmp_path: Path) -> None:
        app = create_app(quick_settings(tmp_path))
        async with (
            on_a_port(app) as base,
            httpx.AsyncClient(base_url=base, timeout=20) as client,
            Simulator(SimulatorOptions()) as simulator,
            listening(base) as heard,
        ):
            desk = Studio(client)
            await desk.server(simulator)
            character = await mara(desk)
            job_id = (await made(desk, character))["job_id"]
            await heard.until("content.added", 1)
        ours = [event for event in heard.events if event.get("job_id") == job_id]
        assert {event["data"]["character_id"] for event in ours} == {character["id"]}
        assert {(event["clip_id"], event["project_id"]) for event in ours} == {(None, None)}

    async def test_the_live_page_names_the_character(self, desk: Studio) -> None:
        await queued(desk, await mara(desk, name="Mara <b>"), prompt="portrait")
        page = (await desk.client.get("/")).text
        assert "Mara &lt;b&gt;" in page
        assert "image of a character" in page
        assert "/projects//" not in page

    async def test_a_worker_makes_them_too(self, desk: Studio) -> None:
        character = await mara(desk)
        job_id = await queued(desk, character)
        await desk.post("/queue/servers/node-7/register", {}, 200)
        leased = (await desk.client.get(f"{API}/queue/servers/node-7/next")).json()
        assert (leased["id"], leased["clip_id"]) == (job_id, None)
        assert leased["character_id"] == character["id"]
        url = f"{API}/queue/jobs/{job_id}"
        for content in (picture(), picture()):
            files = {"file": ("a.bin", content)}
            await desk.client.post(f"{url}/result?complete=false", files=files)
        done = await desk.client.post(f"{url}/complete", json={"success": True})
        assert done.json()["status"] == "completed", done.text
        takes = (await gallery(desk, character))["images"]
        assert len(takes) == 2
        assert (await desk.get(f"/queue/jobs/{job_id}"))["content_id"] == takes[0]["id"]


class TestDeletion:
    async def test_everything_goes_with_it(
        self, desk: Studio, settings: Settings, container: Container, simulator: Simulator
    ) -> None:
        character, other = await mara(desk), await mara(desk)
        face = (await made(desk, character))["content"]["url"]
        url = f"{API}/characters/{character['id']}"
        await desk.client.put(url, json={"face_image": face})
        await made(desk, other)
        kept = await container.base.repositories.character_takes.list_for(character["id"])
        simulator.set_fault("slow", value=20)
        jobs = [await queued(desk, character, params=LONG) for _ in range(4)]
        await desk.until(jobs[0], lambda job: job["status"] == "processing")
        assert (await desk.client.delete(url)).json()["deleted"] == 1
        assert {(await desk.finished(job_id))["status"] for job_id in jobs} == {"cancelled"}
        async with asyncio.timeout(10):
            while not simulator.stats["interrupted"]:
                await asyncio.sleep(0.02)
        assert code(await desk.client.get(f"{url}/gallery")) == (404, "CHARACTER_NOT_FOUND")
        assert (await desk.client.get(face)).status_code == 404
        assert all(other["id"] in path for path in files_in(settings))
        graph = container.base.repositories.graphs
        hashes = {take.provenance.graph_hash for take in kept if take.provenance}
        assert hashes
        assert await container.generation.take_graphs.of_takes(character["id"], kept) == {}
        assert await graph.delete_for_project(character["id"]) == 0
        assert len((await gallery(desk, other))["images"]) == 1

    async def test_a_projects_go_with_it(
        self, desk: Studio, settings: Settings, simulator: Simulator
    ) -> None:
        project = await desk.post("/projects", {"name": "Film"})
        moved, own = await mara(desk), await mara(desk, project_id=project["id"])
        for character in (moved, own):
            await made(desk, character)
        simulator.set_fault("slow", value=20)
        jobs = [await queued(desk, character, params=LONG) for character in (moved, own)]
        place = {"project_id": project["id"]}
        await desk.client.put(f"{API}/characters/{moved['id']}", json=place)
        deleted = await desk.client.delete(f"{API}/projects/{project['id']}")
        assert deleted.json()["deleted"] == 3
        assert {(await desk.finished(job_id))["status"] for job_id in jobs} == {"cancelled"}
        assert files_in(settings) == []
        assert await desk.get("/characters") == []

    async def test_what_comes_after_it_leaves_no_file(
        self, desk: Studio, settings: Settings, container: Container, simulator: Simulator
    ) -> None:
        simulator.set_fault("slow", value=20)
        character = await mara(desk)
        job_id = await queued(desk, character)
        await desk.until(job_id, lambda job: job["status"] == "processing")
        # Without its jobs: one that another process queues may be overlooked.
        assert await container.base.repositories.characters.delete(character["id"])
        job = await desk.finished(job_id)
        assert (job["status"], job["error_code"]) == ("failed", "CHARACTER_GONE")
        assert "The character was deleted" in job["error"]
        assert files_in(settings) == []
        assert await container.base.repositories.character_takes.list_for(character["id"]) == []
