"""What takes tell of how they were made, and the same graph once more: bit by bit."""

import hashlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pymongo.monitoring
import pytest
import pytest_asyncio
from PIL import Image

from backend.comfyui_simulator.options import SimulatorOptions
from backend.comfyui_simulator.simulator import Simulator
from backend.mongo.embedded import EmbeddedDatabase
from tests.runpod_server import ENDPOINT, KEY, RunPodServer
from tests.studio import ORIGIN, Studio, studio
from tests.support_explain import RecordedQueries
from tests.unit.comfyui_simulator.graphs import text_to_image
from tests.unit.services.media.media_samples import picture

pytestmark = pytest.mark.asyncio(loop_scope="module")

SMALL = {"width": 64, "height": 64, "steps": 3}
XL = "sd_xl_base_1.0.safetensors"
WAN = "wan2.1_t2v_1.3B_fp16.safetensors"
RECORDER = RecordedQueries()
DATABASE = "provenance"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def one_desk(
    tmp_path_factory: pytest.TempPathFactory, embedded: EmbeddedDatabase
) -> AsyncIterator[Studio]:
    """One app for all tests here: starting one takes longer than they do."""
    pymongo.monitoring.register(RECORDER)
    folder = tmp_path_factory.mktemp("app")
    (folder / "uploads").mkdir()
    Image.new("RGB", (320, 192), (90, 90, 90)).save(folder / "uploads" / "start.png")
    async with studio(folder, mongo_url=embedded.url, db_name=DATABASE) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def desk(one_desk: Studio) -> AsyncIterator[Studio]:
    yield one_desk
    for server in await one_desk.get("/comfyui/servers"):
        await one_desk.client.delete(f"/api/v1/comfyui/servers/{server['id']}")


@pytest_asyncio.fixture(loop_scope="module")
async def simulator(desk: Studio) -> AsyncIterator[Simulator]:
    async with Simulator(SimulatorOptions()) as running:
        await desk.server(running, name="Sim")
        yield running


def canonical(graph: Any) -> bytes:
    """As clients would write it, without our own code."""
    return json.dumps(graph, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


async def made(desk: Studio, **order: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """A clip and the take that an order made for it."""
    clip = await desk.clip()
    job = await desk.finished(await desk.job(clip, **{"params": SMALL, **order}))
    assert job["status"] == "completed", job
    (take,) = await desk.takes(clip)
    return clip, take


async def with_graphs(desk: Studio, clip: dict[str, Any]) -> list[dict[str, Any]]:
    gallery = await desk.get(f"/clips/{clip['id']}/gallery?include=workflow")
    return [*gallery["images"], *gallery["videos"]]


async def again(
    desk: Studio, clip: dict[str, Any], take: dict[str, Any], **body: Any
) -> dict[str, Any]:
    """Have a take made once more; gives the answer of the route."""
    path = f"/clips/{clip['id']}/gallery/{take['id']}/regenerate"
    return await desk.post(path, body, status=200)


async def sent(desk: Studio, simulator: Simulator, job_id: str) -> dict[str, Any]:
    """The graph that the server got for a job, with the plain file prefix in it."""
    job = await desk.get(f"/queue/jobs/{job_id}")
    prompt_id = job["attempts"][-1]["prompt_id"]
    async with httpx.AsyncClient(base_url=simulator.url) as client:
        history = (await client.get(f"/history/{prompt_id}")).json()
    graph: dict[str, Any] = history[prompt_id]["prompt"][2]
    prefix = f"storycanvas/{job_id}_{job['attempts'][-1]['number']}"
    text = json.dumps(graph)
    return dict(json.loads(text.replace(prefix, "storycanvas")))


class TestTold:
    async def test_a_take_tells_how_it_was_made(self, desk: Studio, simulator: Simulator) -> None:
        lora = {"name": "example_style", "weight": 0.5}
        _, take = await made(desk, model="sd_xl_base_1.0", loras=[lora])
        told = take["provenance"]
        assert told == {
            "graph_hash": told["graph_hash"],
            "family": "sdxl",
            "kind": "text_to_image",
            "files": [
                {"folder": "checkpoints", "name": XL},
                {"folder": "loras", "name": "example_style.safetensors"},
            ],
            "steps": 3,
            "cfg": told["cfg"],
            "sampler": told["sampler"],
            "scheduler": told["scheduler"],
            "server_version": "0.3.64",
            "from_cache": False,
        }
        assert len(told["graph_hash"]) == 64
        assert (take["server_name"], take["width"], take["height"]) == ("Sim", 64, 64)
        assert take["seed"] == take["generation_params"]["seed"]

    async def test_a_video_tells_all_its_files(self, desk: Studio, simulator: Simulator) -> None:
        params = {**SMALL, "video_frames": 5}
        _, take = await made(desk, generation_type="video", model=WAN, params=params)
        folders = {file["folder"]: file["name"] for file in take["provenance"]["files"]}
        assert folders == {
            "diffusion_models": WAN,
            "text_encoders": "umt5_xxl_fp8_e4m3fn_scaled.safetensors",
            "vae": "wan_2.1_vae.safetensors",
        }

    async def test_the_graph_comes_when_it_is_asked_for(
        self, desk: Studio, simulator: Simulator
    ) -> None:
        clip, take = await made(desk)
        with RECORDER.recording() as asked:
            plain = await desk.get(f"/clips/{clip['id']}/gallery")
        assert "clips" in {query.collection for query in asked}
        assert "graphs" not in {query.collection for query in asked}
        assert "workflow" not in json.dumps(plain)
        assert plain["images"] == [take]
        with RECORDER.recording() as asked:
            (shown,) = await with_graphs(desk, clip)
        assert [query.collection for query in asked].count("graphs") == 1
        graph = shown.pop("workflow")
        assert shown.pop("workflow_pictures") == []
        assert shown == take
        assert hashlib.sha256(canonical(graph)).hexdigest() == take["provenance"]["graph_hash"]
        assert canonical(graph) == canonical(await sent(desk, simulator, take["job_id"]))
        assert take["job_id"] not in json.dumps(graph)

    async def test_other_includes_are_refused(self, desk: Studio) -> None:
        clip = await desk.clip()
        url = f"/api/v1/clips/{clip['id']}/gallery"
        assert (await desk.client.get(url, params={"include": "seeds"})).status_code == 422
        assert (await desk.client.get(url, params={"include": "workflow"})).json() == {
            "images": [], "videos": [], "selected_image_id": None, "selected_video_id": None,
        }  # fmt: skip


class TestAgain:
    @pytest.mark.parametrize(
        "order",
        [
            {"model": XL, "loras": [{"name": "example_style", "weight": 0.25}]},
            {"params": {**SMALL, "seed": 2**53, "cfg": 6.5, "sampler": "dpmpp_2m"}},
            {"generation_type": "video", "model": WAN, "params": {**SMALL, "video_frames": 5}},
            {"params": {**SMALL, "init_image": "/uploads/start.png", "denoise": 0.4}},
            {"params": {"use_custom_workflow": True, "workflow_json": text_to_image(41)}},
            {"prompt": "not a {{seed}} nor a {{filename_prefix}}"},
        ],
    )
    async def test_the_same_graph_bit_by_bit(
        self, desk: Studio, simulator: Simulator, order: dict[str, Any]
    ) -> None:
        clip, take = await made(desk, **order)
        await desk.client.put(f"/api/v1/clips/{clip['id']}", json={"image_prompt": "else"})
        answer = await again(desk, clip, take)
        content = answer["content"]
        assert content["id"] != take["id"]
        assert content["url"] != take["url"]
        assert content["provenance"] == {**take["provenance"], "from_cache": True}
        for name in ("prompt", "seed", "model_name", "model_type", "width", "height", "fps"):
            assert content[name] == take[name], name
        assert content["generation_params"]["from_content_id"] == take["id"]
        first, second = await with_graphs(desk, clip)
        assert canonical(first["workflow"]) == canonical(second["workflow"])
        assert first["workflow_pictures"] == second["workflow_pictures"]
        one = await sent(desk, simulator, take["job_id"])
        two = await sent(desk, simulator, content["job_id"])
        assert canonical(one) == canonical(two)

    async def test_and_of_that_one_again(self, desk: Studio, simulator: Simulator) -> None:
        clip, take = await made(desk)
        second = (await again(desk, clip, take, server_id="auto"))["content"]
        third = (await again(desk, clip, second))["content"]
        assert third["provenance"]["graph_hash"] == take["provenance"]["graph_hash"]
        assert len({take["url"], second["url"], third["url"]}) == 3

    async def test_another_server_gets_the_same(self, desk: Studio, simulator: Simulator) -> None:
        clip, take = await made(desk)
        async with Simulator(SimulatorOptions()) as other:
            server_id = await desk.server(other, name="Other")
            answer = await again(desk, clip, take, server_id=server_id)
            assert answer["content"]["server_name"] == "Other"
            assert answer["content"]["provenance"] == take["provenance"]
            assert len(other.stats["rendered"]) == 1

    async def test_pictures_are_told_and_brought_again(
        self, desk: Studio, simulator: Simulator
    ) -> None:
        params = {**SMALL, "init_image": "/uploads/start.png"}
        clip, take = await made(desk, params=params)
        (shown,) = await with_graphs(desk, clip)
        (use,) = shown["workflow_pictures"]
        loader = shown["workflow"][use["node_id"]]
        assert (use["input_name"], use["source"]) == ("image", f"{ORIGIN}/uploads/start.png")
        assert loader["class_type"] == "LoadImage"
        for path in simulator.folders.input.rglob("*.png"):
            path.unlink()
        assert (await again(desk, clip, take))["total_images"] == 2

    async def test_it_can_be_left_to_the_queue(self, desk: Studio, simulator: Simulator) -> None:
        clip, take = await made(desk)
        url = f"/api/v1/clips/{clip['id']}/gallery/{take['id']}/regenerate"
        response = await desk.client.post(url, headers={"Prefer": "respond-async"})
        assert response.status_code == 202
        job = await desk.finished(response.json()["job_id"])
        assert (job["status"], job["model"], job["priority"]) == ("completed", XL, 50)

    async def test_copies_of_a_take_have_its_graph(
        self, desk: Studio, simulator: Simulator
    ) -> None:
        clip, take = await made(desk)
        alternate = await desk.post(f"/clips/{clip['id']}/create-alternate", {})
        kept = {"project_id": clip["project_id"], "source_clip_id": clip["id"]}
        item = await desk.post("/pool", kept)
        other = await desk.post(
            "/clips", {"scene_id": clip["scene_id"], "auto_generate": False, "length": 1}
        )
        await desk.post(f"/pool/item/{item['id']}/apply-to-clip/{other['id']}", {}, status=200)
        for place in (alternate, other):
            (copy,) = await desk.takes(place)
            answer = await again(desk, place, copy)
            assert (
                answer["content"]["provenance"]["graph_hash"] == (take["provenance"]["graph_hash"])
            )

    async def test_a_seed_too_large_for_a_document_stands_in_the_graph(
        self, desk: Studio, simulator: Simulator
    ) -> None:
        graph = {"use_custom_workflow": True, "workflow_json": text_to_image(2**64 - 1)}
        clip, take = await made(desk, params=graph)
        assert take["seed"] is None
        (shown,) = await with_graphs(desk, clip)
        assert shown["workflow"]["3"]["inputs"]["seed"] == 2**64 - 1
        content = (await again(desk, clip, take))["content"]
        assert content["provenance"]["graph_hash"] == take["provenance"]["graph_hash"]


class TestRefused:
    async def test_what_nobody_knows_the_graph_of(self, desk: Studio, simulator: Simulator) -> None:
        clip = await desk.clip()
        face = {"file": ("a.png", picture(), "image/png")}
        upload = await desk.client.post("/api/v1/media/upload-face-image", files=face)
        kept = {"project_id": clip["project_id"], "media_url": upload.json()["file_url"]}
        item = await desk.post("/pool", kept)
        await desk.post(f"/pool/item/{item['id']}/apply-to-clip/{clip['id']}", {}, status=200)
        (shown,) = await with_graphs(desk, clip)
        assert (shown["provenance"], shown["workflow"]) == (None, None)
        path = f"/api/v1/clips/{clip['id']}/gallery/{shown['id']}/regenerate"
        response = await desk.client.post(path)
        assert (response.status_code, response.json()["error"]["code"]) == (409, "NO_GRAPH")

    async def test_takes_and_servers_that_are_not_there(
        self, desk: Studio, simulator: Simulator
    ) -> None:
        clip, take = await made(desk)
        base = f"/api/v1/clips/{clip['id']}/gallery"
        lost = await desk.client.post(f"{base}/none/regenerate")
        assert (lost.status_code, lost.json()["error"]["code"]) == (404, "TAKE_NOT_FOUND")
        body = {"server_id": "none"}
        gone = await desk.client.post(f"{base}/{take['id']}/regenerate", json=body)
        assert gone.status_code == 404

    async def test_a_file_of_nearly_that_name_is_another_graph(
        self, desk: Studio, simulator: Simulator
    ) -> None:
        """An ordinary job takes it; the very graph can't be had there, and says so at once."""
        clip, take = await made(desk, model="sd_xl_base_1.0")
        await desk.client.delete(f"/api/v1/comfyui/servers/{take['server_id']}")
        models = {"checkpoints": ("sub/sd_xl_base_1.0.safetensors",)}
        async with Simulator(SimulatorOptions(models=models)) as other:
            await desk.server(other, name="Other")
            assert (await made(desk, model=XL))[1]["model_name"] == models["checkpoints"][0]
            path = f"/api/v1/clips/{clip['id']}/gallery/{take['id']}/regenerate"
            response = await desk.client.post(path)
        error = response.json()["error"]
        assert (response.status_code, error["code"]) == (422, "MODEL_UNAVAILABLE")
        (words,) = error["details"]["servers"]["Other"]
        assert XL in words
        assert "sub/sd_xl_base_1.0.safetensors" in words


class TestCache:
    async def test_a_cached_answer_whose_file_is_gone_is_made_anew(
        self, desk: Studio, simulator: Simulator
    ) -> None:
        """ComfyUI gives the old name and writes nothing; the repeat asks for another name."""
        graph = {"use_custom_workflow": True, "workflow_json": text_to_image(99)}
        clip, take = await made(desk, params=graph)
        for path in simulator.folders.output.rglob("cap_*"):
            path.unlink()
        job = await desk.finished(await desk.job(clip, params=graph))
        assert job["status"] == "completed", job
        lost, found = job["attempts"]
        assert (lost["outcome"], found["outcome"]) == ("failed", "completed")
        assert "no longer has 'cap_" in lost["words"]
        _, second = await desk.takes(clip)
        assert second["provenance"]["from_cache"] is True
        answer = await again(desk, clip, take)
        assert answer["content"]["provenance"]["graph_hash"] == take["provenance"]["graph_hash"]


class TestElsewhere:
    async def test_an_endpoint_of_runpod(self, desk: Studio) -> None:
        async with RunPodServer() as runpod:
            fields = {"server_type": "runpod", "endpoint_id": ENDPOINT, "api_key": KEY}
            body = {"name": "Cloud", "url": runpod.url, **fields}
            await desk.post("/comfyui/servers", body)
            clip, take = await made(desk, model="my_xl.safetensors")
            told = take["provenance"]
            assert (told["server_version"], told["from_cache"]) == (None, None)
            assert told["files"] == [{"folder": "checkpoints", "name": "my_xl.safetensors"}]
            answer = await again(desk, clip, take)
            assert answer["content"]["provenance"] == told
            first, second = (order["input"]["workflow"] for order in runpod.orders)
            named = {
                node_id: {**node, "inputs": {**node["inputs"], "filename_prefix": "storycanvas"}}
                if "filename_prefix" in node["inputs"]
                else node
                for node_id, node in first.items()
            }
            assert first != second
            (shown, _) = await with_graphs(desk, clip)
            assert canonical(named) == canonical(shown["workflow"])

    async def test_graphs_go_with_their_project(
        self, desk: Studio, simulator: Simulator, embedded: EmbeddedDatabase
    ) -> None:
        clip, _ = await made(desk)
        await made(desk)
        client: pymongo.AsyncMongoClient[Any] = pymongo.AsyncMongoClient(embedded.url)
        graphs = client[DATABASE]["graphs"]
        mine = {"project_id": clip["project_id"]}
        assert await graphs.count_documents(mine) == 1
        total = await graphs.count_documents({})
        await desk.client.delete(f"/api/v1/projects/{clip['project_id']}")
        assert await graphs.count_documents(mine) == 0
        assert await graphs.count_documents({}) == total - 1
        await client.close()


async def test_it_survives_a_restart(
    tmp_path: Path, embedded: EmbeddedDatabase, one_desk: Studio
) -> None:
    """The graph is stored before it is sent, so whoever takes over tells the same."""
    settings: dict[str, Any] = {"mongo_url": embedded.url, "db_name": "provenance_twice"}
    options = SimulatorOptions(seconds_per_step=0.3)
    async with Simulator(options) as simulator:
        async with studio(tmp_path, **settings) as desk:
            await desk.server(simulator)
            clip = await desk.clip()
            job_id = await desk.job(clip, params={**SMALL, "steps": 6})
            await desk.until(job_id, lambda job: job["status"] == "processing")
        async with studio(tmp_path, **settings) as desk:
            assert (await desk.finished(job_id))["status"] == "completed"
            (take,) = await with_graphs(desk, clip)
            digest = hashlib.sha256(canonical(take["workflow"])).hexdigest()
            assert digest == take["provenance"]["graph_hash"]
            assert take["provenance"]["server_version"] == "0.3.64"
            assert len(simulator.stats["order"]) == 1
