"""What surprises at ComfyUI's protocol, through the whole app: none costs a wrong answer."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import av
import httpx
import pytest
import pytest_asyncio

from backend.comfyui_simulator.options import SimulatorOptions
from backend.comfyui_simulator.simulator import Simulator
from backend.mongo.embedded import EmbeddedDatabase
from tests.studio import Studio, kept, studio
from tests.unit.comfyui_simulator.graphs import model_free, text_to_image

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def uploads(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("app") / "uploads"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def one_desk(uploads: Path, embedded: EmbeddedDatabase) -> AsyncIterator[Studio]:
    settings: dict[str, Any] = {"mongo_url": embedded.url, "db_name": "surprises"}
    async with studio(uploads.parent, **settings) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def simulator(one_desk: Studio) -> AsyncIterator[Simulator]:
    async with Simulator(SimulatorOptions(seconds_per_step=0.01)) as running:
        server_id = await one_desk.server(running)
        yield running
        await one_desk.client.delete(f"/api/v1/comfyui/servers/{server_id}")


def own(graph: dict[str, Any]) -> dict[str, Any]:
    return {"use_custom_workflow": True, "workflow_json": graph}


async def generate(desk: Studio, graph: dict[str, Any], **order: Any) -> httpx.Response:
    clip = await desk.clip()
    body = {"clip_id": clip["id"], "prompt": "x", "params": own(graph), **order}
    return await desk.client.post("/api/v1/generate", json=body)


async def test_200_with_node_errors_is_a_refusal_of_the_whole(
    one_desk: Studio, simulator: Simulator
) -> None:
    """ComfyUI would render the good output and drop the bad one without a word later."""
    size = {"width": -5, "height": 64, "batch_size": 1, "color": 0}
    graph = model_free() | {
        "8": {"class_type": "EmptyImage", "inputs": size},
        "9": {"class_type": "SaveImage", "inputs": {"images": ["8", 0], "filename_prefix": "b"}},
    }
    async with httpx.AsyncClient(base_url=simulator.url) as direct:
        told = await direct.post("/prompt", json={"prompt": graph})
    assert told.status_code == 200
    assert list(told.json()["node_errors"]) == ["8"]
    response = await generate(one_desk, graph)
    error = response.json()["error"]
    assert (response.status_code, error["code"]) == (422, "WORKFLOW_REJECTED")
    assert error["details"]["errors"][0]["loc"] == ["workflow", "8", "width"]
    job = await one_desk.get(f"/queue/jobs/{error['details']['job_id']}")
    assert (job["status"], job["retry_count"], len(job["attempts"])) == ("failed", 0, 1)


async def test_a_choice_that_comfyui_does_not_check_is_refused_before_it_is_sent(
    one_desk: Studio, simulator: Simulator
) -> None:
    graph = model_free()
    graph["3"]["inputs"]["blend_mode"] = "Screen!"
    async with httpx.AsyncClient(base_url=simulator.url) as direct:
        assert (await direct.post("/prompt", json={"prompt": graph})).json()["node_errors"] == {}
    accepted = simulator.stats["accepted"]
    response = await generate(one_desk, graph)
    error = response.json()["error"]
    assert (response.status_code, error["code"]) == (422, "WORKFLOW_REJECTED")
    (fault,) = error["details"]["errors"]
    assert (fault["loc"], fault["type"]) == (["workflow", "3", "blend_mode"], "value_not_in_list")
    assert "screen" in fault["msg"]
    assert simulator.stats["accepted"] == accepted


async def test_a_file_that_comfyui_does_not_check_is_missed_before_it_is_queued(
    one_desk: Studio, simulator: Simulator
) -> None:
    names = {f"clip_name{number}": "nobody_has.safetensors" for number in (1, 2, 3, 4)}
    graph = text_to_image() | {"20": {"class_type": "QuadrupleCLIPLoader", "inputs": names}}
    graph["6"]["inputs"]["clip"] = ["20", 0]
    response = await generate(one_desk, graph)
    error = response.json()["error"]
    assert (response.status_code, error["code"]) == (422, "MODEL_UNAVAILABLE")
    assert "'nobody_has.safetensors' in models/text_encoders" in str(error["details"])


async def test_an_interrupt_that_reads_as_an_error_is_told_as_one(
    one_desk: Studio, simulator: Simulator
) -> None:
    """status_str says "error" in both cases; an interrupt by a stranger is tried again."""
    job_id = await one_desk.job(await one_desk.clip(), params={"steps": 100, "width": 64})
    running = await one_desk.until(job_id, lambda job: job["progress"] > 0)
    prompt_id = running["attempts"][0]["prompt_id"]
    async with httpx.AsyncClient(base_url=simulator.url) as direct:
        await direct.post("/interrupt", json={"prompt_id": prompt_id})
        await one_desk.until(job_id, lambda job: job["attempts"][0]["outcome"] is not None)
        entry = (await direct.get(f"/history/{prompt_id}")).json()[prompt_id]
    assert entry["status"]["status_str"] == "error"
    job = await one_desk.get(f"/queue/jobs/{job_id}")
    assert (job["attempts"][0]["outcome"], job["retry_count"]) == ("interrupted", 1)
    await one_desk.client.post(f"/api/v1/queue/jobs/{job_id}/cancel")


async def test_an_animated_webp_comes_as_a_video_that_editors_take(
    one_desk: Studio, simulator: Simulator, uploads: Path
) -> None:
    graph = text_to_image(5, steps=1, width=72, height=56, batch_size=4)
    saving = {"images": ["8", 0], "filename_prefix": "film", "fps": 8.0, "lossless": False}
    graph["9"] = {
        "class_type": "SaveAnimatedWEBP",
        "inputs": {**saving, "quality": 80, "method": "default"},
    }
    response = await generate(one_desk, graph, generation_type="video")
    assert response.status_code == 200, response.text
    take = response.json()["content"]
    assert (take["content_type"], take["fps"], take["duration"]) == ("video", 8.0, 0.5)
    path = uploads / kept(take["url"]).removeprefix("/uploads/")
    assert path.suffix == ".mp4"
    assert path.with_suffix(".webp").read_bytes()[8:12] == b"WEBP"
    with av.open(str(path)) as film:
        stream = film.streams.video[0]
        assert (stream.codec_context.name, stream.pix_fmt) == ("h264", "yuv420p")
        assert (stream.width % 2, stream.height % 2, stream.frames) == (0, 0, 4)
