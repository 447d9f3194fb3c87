"""Pictures of characters: what is rendered, and where it is kept."""

import io
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from PIL import Image

from backend.comfyui_simulator.options import SimulatorOptions
from backend.comfyui_simulator.simulator import Simulator
from backend.config import Settings
from backend.container import Container
from tests.conftest import API
from tests.integration.film.test_characters import FIELDS, code
from tests.integration.media.test_media import files_in
from tests.portraits import SMALL, ask, gallery, made, mara, nodes
from tests.studio import Studio, studio
from tests.unit.services.media.media_samples import picture
from tests.unit.services.workflows.workflow_samples import full_nodes

LORA = "example_character.safetensors"


@pytest.fixture
def desk(client: httpx.AsyncClient) -> Studio:
    return Studio(client)


@pytest.fixture
async def simulator(desk: Studio) -> AsyncIterator[Simulator]:
    """A server that every test of a rendered picture has."""
    async with Simulator(SimulatorOptions(seconds_per_step=0.01)) as running:
        await desk.server(running)
        yield running


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
        job = await container.base.repositories.jobs.get(answer["job_id"])
        before = await gallery(desk, character)
        for take in await container.base.galleries.takes(job):
            assert await container.runners.delivery.add_to_gallery(job, [take, take]) == take
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


async def test_samples_are_told_as_clients_list_them(desk: Studio, simulator: Simulator) -> None:
    character = await mara(desk)
    answer = (await ask(desk, character, prompt="", samples=3, model=None)).json()
    assert (answer["message"], answer["total_generated"]) == ("3 images generated.", 3)
    takes = await gallery(desk, character)
    told = [(sample["url"], sample["prompt"]) for sample in answer["samples"]]
    assert sorted(told) == sorted((take["url"], take["prompt"]) for take in takes["images"])
    url = f"{API}/characters/{character['id']}/generate"
    later = {"Prefer": "respond-async"}
    queued = await desk.client.post(url, json={"prompt": "x", "params": SMALL}, headers=later)
    assert (queued.status_code, queued.json()["samples"]) == (202, [])
