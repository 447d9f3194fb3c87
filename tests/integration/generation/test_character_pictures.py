"""Pictures of characters: what is rendered, where it is kept, and what becomes of it."""

import asyncio
import io
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from PIL import Image

from backend.comfyui_simulator.options import SimulatorOptions
from backend.comfyui_simulator.simulator import Simulator
from backend.config import Settings
from backend.container import Container
from backend.models.job import JobStatus
from backend.server import create_app
from tests.conftest import API
from tests.integration.film.test_characters import FIELDS, code
from tests.integration.media.test_media import files_in
from tests.listening import listening, on_a_port
from tests.studio import Studio, quick_settings, studio
from tests.unit.services.media.media_samples import picture
from tests.unit.services.workflows.workflow_samples import full_nodes

SMALL = {"width": 128, "height": 128, "steps": 2}
#: Runs until it is interrupted, which happens between two steps.
LONG = {**SMALL, "steps": 200}
LORA = "example_character.safetensors"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return quick_settings(tmp_path)


@pytest.fixture
def app(settings: Settings) -> FastAPI:
    return create_app(settings)


@pytest.fixture
def desk(client: httpx.AsyncClient) -> Studio:
    return Studio(client)


@pytest.fixture
async def simulator(desk: Studio) -> AsyncIterator[Simulator]:
    """A server that every test of a rendered picture has."""
    async with Simulator(SimulatorOptions(seconds_per_step=0.01)) as running:
        await desk.server(running)
        yield running


async def mara(desk: Studio, **fields: Any) -> dict[str, Any]:
    words = {"trigger_words": "ohwx woman", "style_notes": "film grain"}
    return await desk.post("/characters", {"name": "Mara", **words, **fields})


async def ask(desk: Studio, character: dict[str, Any], **body: Any) -> httpx.Response:
    url = f"{API}/characters/{character['id']}/generate"
    return await desk.client.post(url, json={"params": SMALL, **body})


async def made(desk: Studio, character: dict[str, Any], **body: Any) -> dict[str, Any]:
    response = await ask(desk, character, **body)
    assert response.status_code == 200, response.text
    return dict(response.json())


async def queued(desk: Studio, character: dict[str, Any], **body: Any) -> str:
    """A job that nobody waits for."""
    url = f"{API}/characters/{character['id']}/generate"
    wish = {"params": SMALL, **body}
    response = await desk.client.post(url, json=wish, headers={"Prefer": "respond-async"})
    assert response.status_code == 202, response.text
    return str(response.json()["job_id"])


async def gallery(desk: Studio, character: dict[str, Any], query: str = "") -> dict[str, Any]:
    return dict(await desk.get(f"/characters/{character['id']}/gallery{query}"))


def nodes(take: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    """The inputs of a graph's nodes of a class."""
    graph = take["workflow"].values()
    return [node["inputs"] for node in graph if node["class_type"] == kind]


class TestWhatIsRendered:
    async def test_its_words_lora_and_parameters(self, desk: Studio, simulator: Simulator) -> None:
        brought = {"lora": LORA, "lora_weight": 0.7, "generation_params": {"cfg": 5.5}}
        character = await mara(desk, **brought)
        answer = await made(desk, character, prompt="portrait", negative_prompt="text")
        take = answer["content"]
        assert (answer["total_images"], answer["total_videos"]) == (1, 0)
        assert take["prompt"] == "ohwx woman, portrait, film grain"
        assert take["negative_prompt"] == "text"
        (shown,) = (await gallery(desk, character, "?include=workflow"))["images"]
        assert [lora["lora_name"] for lora in nodes(shown, "LoraLoader")] == [LORA]
        (sampler,) = nodes(shown, "KSampler")
        assert (sampler["cfg"], sampler["steps"]) == (5.5, 2)
        assert "ohwx woman, portrait, film grain" in [
            text["text"] for text in nodes(shown, "CLIPTextEncode")
        ]

    async def test_without_a_prompt_what_is_known_of_it(
        self, desk: Studio, simulator: Simulator
    ) -> None:
        for fields, prompt in (
            ({"description": " a driver "}, "ohwx woman, a driver, film grain"),
            ({}, "ohwx woman, film grain"),
            ({"description": "an ohwx woman", "style_notes": ""}, "an ohwx woman"),
            ({"description": "a driver", "trigger_words": "", "style_notes": ""}, "a driver"),
        ):
            character = await mara(desk, **fields)
            response = await desk.client.post(f"{API}/characters/{character['id']}/generate")
            assert response.status_code == 200, response.text
            assert response.json()["content"]["prompt"] == prompt

    async def test_without_any_words_it_is_refused(self, desk: Studio) -> None:
        silent = await desk.post("/characters", {"name": "Nobody", "trigger_words": " , "})
        response = await ask(desk, silent, prompt=" ")
        assert code(response) == (422, "PROMPT_MISSING")
        assert "give the character trigger words" in response.json()["detail"]
        assert await desk.get("/queue/jobs") == []

    async def test_only_pictures(self, desk: Studio) -> None:
        character = await mara(desk)
        response = await ask(desk, character, generation_type="video")
        assert code(response) == (422, "VALIDATION_ERROR")
        (error,) = response.json()["error"]["details"]["errors"]
        assert "a video needs a clip" in error["msg"]
        response = await ask(desk, character, params={"provider": "openai"})
        assert code(response) == (422, "PROVIDER_ONLY_VIDEO")
        assert code(await ask(desk, {"id": "nobody"})) == (404, "CHARACTER_NOT_FOUND")
        response = await ask(desk, character, template_id="none")
        assert code(response) == (404, "TEMPLATE_NOT_FOUND")

    async def test_a_template_and_a_server_by_name(
        self, desk: Studio, simulator: Simulator
    ) -> None:
        look = {"name": "Noir", "negative_prompt": "colour", "params": {"steps": 3}}
        template = await desk.post("/style-templates", look)
        (server,) = await desk.get("/comfyui/servers")
        wish = {"template_id": template["id"], "server_id": server["id"]}
        params = {"width": 128, "height": 128}
        take = (await made(desk, await mara(desk), **wish, params=params))["content"]
        assert (take["negative_prompt"], take["server_id"]) == ("colour", server["id"])
        assert take["generation_params"]["steps"] == 3

    async def test_a_saved_workflow_of_its_project(
        self, desk: Studio, simulator: Simulator
    ) -> None:
        project = await desk.post("/projects", {"name": "Film"})
        canvas = {"width": 96, "height": 64, "batch_size": 1, "color": 255}
        graph = {
            "1": {"class_type": "EmptyImage", "inputs": canvas},
            "2": {
                "class_type": "SaveImage",
                "inputs": {"images": ["1", 0], "filename_prefix": "a"},
            },
        }
        own = {"project_id": project["id"], "name": "Mine", "workflow_json": graph}
        workflow = await desk.post("/workflows", own)
        params = {"workflow_id": workflow["id"]}
        character = await mara(desk, project_id=project["id"])
        assert (await made(desk, character, params=params))["content"]["width"] == 96
        stranger = await mara(desk)
        refused = await ask(desk, stranger, params=params)
        assert code(refused) == (422, "WORKFLOW_OF_ANOTHER_PROJECT")


class TestItsReference:
    async def test_where_nobody_looks_at_it_the_job_says_so(
        self, desk: Studio, simulator: Simulator
    ) -> None:
        character = await mara(desk)
        face = (await made(desk, character))["content"]["url"]
        url = f"{API}/characters/{character['id']}"
        changed = await desk.client.put(url, json={"face_image": face})
        assert changed.json()["face_image"] == face
        model = "sd_xl_base_1.0.safetensors"
        plain = await desk.get(
            f"/queue/jobs/{(await made(desk, character, model=model))['job_id']}"
        )
        assert plain["params"]["input_reference_url"] == face
        assert plain["ignored_params"] == ["input_reference_url"]

    async def test_it_is_begun_from_as_far_as_denoise_says(
        self, desk: Studio, simulator: Simulator
    ) -> None:
        character = await mara(desk)
        face = (await made(desk, character))["content"]["url"]
        url = f"{API}/characters/{character['id']}"
        await desk.client.put(url, json={"reference_images": [face]})
        answer = await made(desk, character, params={**SMALL, "denoise": 0.6})
        job = await desk.get(f"/queue/jobs/{answer['job_id']}")
        assert job["ignored_params"] == []
        shown = (await gallery(desk, character, "?include=workflow"))["images"][-1]
        assert [each["source"] for each in shown["workflow_pictures"]] == [face]
        assert nodes(shown, "KSampler")[0]["denoise"] == 0.6

    async def test_an_editing_model_looks_at_it(self, tmp_path: Path) -> None:
        options = SimulatorOptions(every_model=True, models=full_nodes().models)
        async with studio(tmp_path) as desk, Simulator(options) as simulator:
            await desk.server(simulator)
            name = {"file": ("face.png", picture(), "image/png")}
            face = (await desk.client.post(f"{API}/upload-face-image", files=name)).json()
            character = await mara(desk, face_image=face["file_url"])
            model = "flux1-dev-kontext_fp8_scaled.safetensors"
            answer = await made(
                desk, character, prompt="she smiles", model=model, params={"steps": 2}
            )
            job = await desk.get(f"/queue/jobs/{answer['job_id']}")
            assert job["ignored_params"] == []
            (shown,) = (await gallery(desk, character, "?include=workflow"))["images"]
            assert shown["model_type"] == "flux_kontext"
            assert [each["source"] for each in shown["workflow_pictures"]] == [face["file_url"]]


class TestItsGallery:
    async def test_takes_are_in_there_and_nowhere_else(
        self, desk: Studio, settings: Settings, simulator: Simulator
    ) -> None:
        character = await mara(desk)
        params = {**SMALL, "batch_size": 2}
        answer = await made(desk, character, params=params)
        assert answer["total_images"] == 2
        assert (await made(desk, character))["total_images"] == 3
        shown = await gallery(desk, character)
        assert set(shown) == {"images", "videos", "selected_image_id", "selected_video_id"}
        assert (len(shown["images"]), shown["videos"]) == (3, [])
        assert answer["content"] in shown["images"]
        assert set(shown["images"][0]) == set(answer["content"])
        for take in shown["images"]:
            assert f"/uploads/characters/{character['id']}/" in take["url"]
            with Image.open(io.BytesIO((await desk.client.get(take["url"])).content)) as image:
                assert image.size == (128, 128)
        assert await desk.get(f"/characters/{character['id']}") == character
        assert set((await desk.get("/characters"))[0]) == FIELDS
        assert len(files_in(settings)) == 6
        assert code(await desk.client.get(f"{API}/characters/no/gallery")) == (
            404, "CHARACTER_NOT_FOUND",
        )  # fmt: skip

    async def test_selected_is_what_somebody_made_its_reference(
        self, desk: Studio, simulator: Simulator
    ) -> None:
        character = await mara(desk)
        first = (await made(desk, character))["content"]
        second = (await made(desk, character))["content"]
        assert first["is_selected"] is False
        assert (await gallery(desk, character))["selected_image_id"] is None
        url = f"{API}/characters/{character['id']}"
        for change, selected in (
            ({"face_image": first["url"]}, first["id"]),
            ({"reference_images": [second["url"]]}, second["id"]),
            ({"reference_images": [], "face_image": None}, None),
        ):
            assert (await desk.client.put(url, json=change)).status_code == 200
            shown = await gallery(desk, character)
            assert shown["selected_image_id"] == selected
            assert [take["id"] for take in shown["images"] if take["is_selected"]] == (
                [selected] if selected else []
            )

    async def test_delivered_twice_it_is_one_take(
        self, desk: Studio, container: Container, simulator: Simulator
    ) -> None:
        character = await mara(desk)
        answer = await made(desk, character)
        job = await container.repositories.jobs.get(answer["job_id"])
        before = await gallery(desk, character)
        for take in await container.galleries.takes(job):
            assert await container.delivery.add_to_gallery(job, [take, take]) == take
        assert await gallery(desk, character) == before

    async def test_the_film_as_json_has_the_character_without_its_takes(
        self, desk: Studio, simulator: Simulator
    ) -> None:
        project = await desk.post("/projects", {"name": "Film"})
        character = await mara(desk, project_id=project["id"])
        face = (await made(desk, character))["content"]["url"]
        url = f"{API}/characters/{character['id']}"
        await desk.client.put(url, json={"face_image": face})
        exported = await desk.client.get(f"{API}/projects/{project['id']}/export/json")
        assert set(exported.json()["characters"][0]) == FIELDS
        film = {"file": ("film.json", exported.content)}
        copied = await desk.client.post(f"{API}/projects/import", files=film)
        assert copied.status_code == 201, copied.text
        place = f"/characters?project_id={copied.json()['project']['id']}"
        (copy,) = await desk.get(place)
        assert copy["face_image"] == face
        assert (await gallery(desk, copy))["images"] == []


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
        jobs = container.repositories.jobs
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
        kept = await container.repositories.character_takes.list_for(character["id"])
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
        graph = container.repositories.graphs
        hashes = {take.provenance.graph_hash for take in kept if take.provenance}
        assert hashes
        assert await container.take_graphs.of_takes(character["id"], kept) == {}
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
        assert await container.repositories.characters.delete(character["id"])
        job = await desk.finished(job_id)
        assert (job["status"], job["error_code"]) == ("failed", "CHARACTER_GONE")
        assert "The character was deleted" in job["error"]
        assert files_in(settings) == []
        assert await container.repositories.character_takes.list_for(character["id"]) == []
