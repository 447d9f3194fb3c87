"""From a prompt to a take in the gallery, on a simulated ComfyUI over real HTTP and WebSocket."""

import asyncio
import io
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import av
import httpx
import pytest
from PIL import Image

from backend.comfyui_simulator.options import SimulatorOptions
from backend.comfyui_simulator.simulator import Simulator
from tests.studio import Studio, studio


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with Simulator(SimulatorOptions(seconds_per_step=0.01)) as running:
        yield running


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Studio]:
    async with studio(tmp_path) as running:
        yield running


async def generate(desk: Studio, clip: dict[str, Any], **fields: Any) -> Any:
    body = {"clip_id": clip["id"], "prompt": "a red car", "params": {"steps": 2}, **fields}
    return await desk.client.post("/api/v1/generate", json=body)


async def test_generate_waits_and_answers_with_the_take(desk: Studio, simulator: Simulator) -> None:
    server_id = await desk.server(simulator)
    clip = await desk.clip()
    params = {"width": 512, "height": 320, "steps": 3, "seed": 42}
    answer = await generate(desk, clip, params=params, negative_prompt="text")
    assert answer.status_code == 200
    body = answer.json()
    take = body["content"]
    assert (body["total_images"], body["total_videos"]) == (1, 0)
    assert (take["width"], take["height"], take["seed"]) == (512, 320, 42)
    assert (take["server_id"], take["model_type"]) == (server_id, "sdxl")
    assert take["generation_params"]["seed"] == 42
    assert take["is_selected"] is True
    assert take["job_id"] == body["job_id"]


async def test_a_take_opens_serves_ranges_and_outlives_its_server(
    desk: Studio, simulator: Simulator
) -> None:
    await desk.server(simulator)
    take = (await generate(desk, await desk.clip())).json()["content"]
    await simulator.die()
    whole = await desk.client.get(take["url"])
    assert whole.headers["x-content-type-options"] == "nosniff"
    with Image.open(io.BytesIO(whole.content)) as image:
        assert image.size == (take["width"], take["height"])
    part = await desk.client.get(take["url"], headers={"Range": "bytes=4-7"})
    assert (part.status_code, part.content) == (206, whole.content[4:8])
    with Image.open(io.BytesIO((await desk.client.get(take["thumbnail_url"])).content)) as small:
        assert max(small.size) <= 512


async def test_a_video_comes_as_mp4_with_its_true_length(
    desk: Studio, simulator: Simulator
) -> None:
    await desk.server(simulator)
    params = {"width": 320, "height": 240, "video_frames": 10, "video_fps": 16, "steps": 2}
    answer = await generate(desk, await desk.clip(), generation_type="video", params=params)
    take = answer.json()["content"]
    media = await desk.client.get(take["url"])
    with av.open(io.BytesIO(media.content), mode="r") as container:
        frames = len(list(container.decode(video=0)))
    # Wan makes 4n+1 frames: 10 are asked for, 9 are made, and the take says so.
    assert frames == 9
    assert (take["content_type"], take["fps"]) == ("video", 16)
    assert take["duration"] == pytest.approx(9 / 16, abs=0.001)


async def test_the_first_take_of_a_kind_is_selected_and_stays_so(
    desk: Studio, simulator: Simulator
) -> None:
    await desk.server(simulator)
    clip = await desk.clip()
    first = (await generate(desk, clip)).json()["content"]
    second = (await generate(desk, clip)).json()["content"]
    gallery = await desk.get(f"/clips/{clip['id']}/gallery")
    assert gallery["selected_image_id"] == first["id"]
    assert [take["is_selected"] for take in gallery["images"]] == [True, False]
    assert second["seed"] != first["seed"]


async def test_a_batch_of_pictures_gives_a_take_each(desk: Studio, simulator: Simulator) -> None:
    await desk.server(simulator)
    clip = await desk.clip()
    answer = await generate(
        desk, clip, params={"steps": 1, "batch_size": 3, "width": 64, "height": 64}
    )
    assert answer.json()["total_images"] == 3
    assert len({take["url"] for take in await desk.takes(clip)}) == 3


async def test_a_clip_with_a_prompt_queues_its_own_job(desk: Studio, simulator: Simulator) -> None:
    await desk.server(simulator)
    clip = await desk.clip(image_prompt="a lighthouse", auto_generate=True)
    [job_id] = clip["queued_job_ids"]
    job = await desk.finished(job_id)
    assert (job["status"], job["generation_type"], job["prompt"]) == (
        "completed",
        "image",
        "a lighthouse",
    )
    [take] = await desk.takes(clip)
    assert take["id"] == job["content_id"]
    assert take["url"] == job["result_url"]


async def test_only_a_video_prompt_queues_a_video(desk: Studio) -> None:
    clip = await desk.clip(video_prompt="waves roll in", auto_generate=True)
    job = await desk.get(f"/queue/jobs/{clip['queued_job_ids'][0]}")
    assert (job["job_type"], job["status"], job["queue_position"]) == ("video", "pending", 1)


async def test_respond_async_answers_at_once(desk: Studio, simulator: Simulator) -> None:
    await desk.server(simulator)
    clip = await desk.clip()
    answer = await desk.client.post(
        "/api/v1/generate",
        json={"clip_id": clip["id"], "prompt": "x", "params": {"steps": 1}},
        headers={"Prefer": "respond-async"},
    )
    assert answer.status_code == 202
    assert (await desk.finished(answer.json()["job_id"]))["status"] == "completed"


async def test_when_the_wait_runs_out_the_job_goes_on(tmp_path: Path, simulator: Simulator) -> None:
    async with studio(tmp_path, generate_wait_seconds=0.2) as desk:
        await desk.server(simulator)
        clip = await desk.clip()
        answer = await generate(desk, clip, params={"steps": 60, "width": 64, "height": 64})
        assert answer.status_code == 202
        assert (await desk.finished(answer.json()["job_id"]))["status"] == "completed"


async def test_without_any_server_it_does_not_wait(desk: Studio) -> None:
    answer = await asyncio.wait_for(generate(desk, await desk.clip()), 3)
    assert (answer.status_code, answer.json()["status"]) == (202, "pending")


async def test_a_custom_workflow_is_rendered_with_its_words_filled_in(
    desk: Studio, simulator: Simulator
) -> None:
    await desk.server(simulator)
    graph = {
        "1": {
            "class_type": "EmptyImage",
            "inputs": {"width": "{{width}}", "height": 64, "batch_size": 1, "color": 255},
        },
        "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "mine"}},
    }
    params = {"use_custom_workflow": True, "workflow_json": graph, "width": 128}
    take = (await generate(desk, await desk.clip(), params=params)).json()["content"]
    assert (take["width"], take["height"]) == (128, 64)


async def test_what_comfyui_refuses_comes_back_with_node_and_input(
    desk: Studio, simulator: Simulator
) -> None:
    await desk.server(simulator)
    clip = await desk.clip()
    graph = {
        "7": {
            "class_type": "EmptyImage",
            "inputs": {"width": -5, "height": 64, "batch_size": 1, "color": 0},
        },
        "8": {"class_type": "SaveImage", "inputs": {"images": ["7", 0], "filename_prefix": "x"}},
    }
    answer = await generate(
        desk, clip, params={"use_custom_workflow": True, "workflow_json": graph}
    )
    assert answer.status_code == 422
    error = answer.json()["error"]
    assert error["code"] == "WORKFLOW_REJECTED"
    assert error["details"]["errors"][0]["loc"] == ["workflow", "7", "width"]
    assert "smaller than min" in error["message"]
    job = await desk.get(f"/queue/jobs/{error['details']['job_id']}")
    assert (job["status"], job["retry_count"]) == ("failed", 0)
    assert await desk.takes(clip) == []


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"use_custom_workflow": True}, "workflow_json"),
        ({"use_custom_workflow": True, "workflow_json": {"nodes": [], "links": []}}, "API format"),
        ({"use_custom_workflow": True, "workflow_json": "{broken"}, "JSON"),
        ({"provider": "nobody"}, "provider"),
        ({"width": 63}, "width"),
        ({"cfg_scale": 31}, "cfg"),
    ],
)
async def test_what_can_never_work_is_refused_before_it_queues(
    desk: Studio, params: dict[str, Any], words: str
) -> None:
    answer = await generate(desk, await desk.clip(), params=params)
    assert answer.status_code == 422
    assert words in answer.text
    assert await desk.get("/queue/jobs") == []


async def test_a_model_that_no_server_has_is_refused_naming_what_is_missing(
    desk: Studio, simulator: Simulator
) -> None:
    await desk.server(simulator, "Studio A")
    answer = await generate(desk, await desk.clip(), model="dreamland_v9.safetensors")
    assert answer.status_code == 422
    assert "dreamland_v9.safetensors" in answer.json()["error"]["details"]["servers"]["Studio A"][0]


async def test_a_job_goes_to_the_server_that_has_its_model(desk: Studio) -> None:
    small = SimulatorOptions(models={"checkpoints": ("v1-5-pruned-emaonly-fp16.safetensors",)})
    large = SimulatorOptions(models={"checkpoints": ("sd_xl_base_1.0.safetensors",)})
    async with Simulator(small) as first, Simulator(large) as second:
        await desk.server(first, "Small")
        large_id = await desk.server(second, "Large")
        take = (await generate(desk, await desk.clip(), model="sd_xl_base_1.0")).json()["content"]
    assert take["server_id"] == large_id


async def test_a_pinned_server_gets_the_job_and_an_unknown_one_is_404(
    desk: Studio, simulator: Simulator
) -> None:
    async with Simulator() as other:
        await desk.server(other, "Other")
        wanted = await desk.server(simulator, "Wanted")
        clip = await desk.clip()
        take = (await generate(desk, clip, server_id=wanted)).json()["content"]
        assert take["server_name"] == "Wanted"
        answer = await generate(desk, clip, server_id="nobody")
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "SERVER_NOT_FOUND")


async def test_servers_work_at_once_each_up_to_its_capacity(desk: Studio) -> None:
    options = SimulatorOptions(seconds_per_step=0.05)
    async with (
        Simulator(options) as one, Simulator(options) as two, httpx.AsyncClient() as client,
    ):  # fmt: skip
        await desk.server(one, "One", max_concurrent=1)
        await desk.server(two, "Two", max_concurrent=2)
        clip = await desk.clip()
        job_ids = [await desk.job(clip, params={"steps": 8}) for _ in range(6)]
        most = [0, 0]
        while (status := await desk.get("/queue/status"))["completed_jobs"] < 6:
            for index, simulator in enumerate((one, two)):
                queue = (await client.get(f"{simulator.url}/queue")).json()
                held = len(queue["queue_running"]) + len(queue["queue_pending"])
                most[index] = max(most[index], held)
            assert status["failed_jobs"] == 0
            await asyncio.sleep(0.01)
        # One more may wait ahead in the server's own queue, so that it never stands idle.
        assert (most[0], most[1] in {2, 3}) == (2, True)
        names = {(await desk.get(f"/queue/jobs/{job_id}"))["server_name"] for job_id in job_ids}
        assert names == {"One", "Two"}
        assert sum(len(s.stats["rendered"]) for s in (one, two)) == 6


async def test_progress_is_told_while_it_runs(desk: Studio) -> None:
    async with Simulator(SimulatorOptions(seconds_per_step=0.1)) as slow:
        await desk.server(slow)
        job_id = await desk.job(await desk.clip(), params={"steps": 20})
        job = await desk.until(job_id, lambda job: job["progress"] > 0.1)
        assert (job["current_node"], job["progress_total"]) == ("KSampler", 20)
        assert 0 < job["progress"] < 1
        assert (await desk.finished(job_id))["progress"] == 1


async def test_an_idempotency_key_answers_the_first_job(desk: Studio) -> None:
    clip = await desk.clip()
    body = {"clip_id": clip["id"], "prompt": "x"}
    headers = {"Idempotency-Key": "order-7"}
    answers = await asyncio.gather(
        *(desk.client.post("/api/v1/queue/jobs", json=body, headers=headers) for _ in range(5))
    )
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["job_id"] for answer in answers}) == 1
    assert len(await desk.get("/queue/jobs")) == 1


async def test_unknown_params_are_ignored_and_named(desk: Studio) -> None:
    clip = await desk.clip()
    job_id = await desk.job(clip, params={"steps": 4, "magic": 1, "motion_bucket_id": 100})
    job = await desk.get(f"/queue/jobs/{job_id}")
    assert job["ignored_params"] == ["magic", "motion_bucket_id"]


async def test_jobs_are_listed_newest_first_and_filtered(desk: Studio) -> None:
    clip, other = await desk.clip(), await desk.clip()
    job_ids = [await desk.job(clip) for _ in range(5)] + [await desk.job(other)]
    listed = await desk.client.get("/api/v1/queue/jobs?limit=2&skip=1&status=pending,processing")
    assert [job["id"] for job in listed.json()] == [job_ids[4], job_ids[3]]
    assert listed.headers["x-total-count"] == "6"
    mine = await desk.get(f"/queue/jobs?clip_id={other['id']}")
    assert [job["id"] for job in mine] == [job_ids[5]]
    assert [job["queue_position"] for job in await desk.get("/queue/jobs")] == [6, 5, 4, 3, 2, 1]
    assert (await desk.client.get("/api/v1/queue/jobs?status=asleep")).status_code == 422


async def test_an_interactive_job_goes_ahead(desk: Studio) -> None:
    clip = await desk.clip()
    await desk.job(clip)
    answer = await generate(desk, clip)
    job = await desk.get(f"/queue/jobs/{answer.json()['job_id']}")
    assert job["queue_position"] == 1


async def test_deleting_a_project_stops_its_jobs_and_hurts_no_other(desk: Studio) -> None:
    async with Simulator(SimulatorOptions(seconds_per_step=0.1)) as slow:
        await desk.server(slow, max_concurrent=2)
        mine, other = await desk.clip(), await desk.clip()
        running = await desk.job(mine, params={"steps": 100})
        await desk.until(running, lambda job: job["progress"] > 0)
        kept = await desk.job(other, params={"steps": 3})
        await desk.until(kept, lambda job: job["status"] == "processing")
        deleted = await desk.client.delete(f"/api/v1/projects/{mine['project_id']}")
        assert deleted.json()["deleted"] == 3
        assert (await desk.get(f"/queue/jobs/{running}"))["status"] == "cancelled"
        assert (await desk.finished(kept))["status"] == "completed"
        stats = slow.stats
        assert len(stats["interrupted"]) == 1
        assert len(stats["rendered"]) == 1


async def test_a_removed_server_gives_its_running_job_back(desk: Studio) -> None:
    async with Simulator(SimulatorOptions(seconds_per_step=0.1)) as slow, Simulator() as fast:
        gone = await desk.server(slow, "Gone")
        job_id = await desk.job(await desk.clip(), params={"steps": 100})
        await desk.until(job_id, lambda job: job["status"] == "processing")
        assert (await desk.client.delete(f"/api/v1/comfyui/servers/{gone}")).status_code == 200
        await desk.server(fast, "Stays")
        job = await desk.finished(job_id)
    assert (job["status"], job["server_name"]) == ("completed", "Stays")
    assert [attempt["outcome"] for attempt in job["attempts"]] == ["lost", "completed"]


async def test_a_waiting_job_says_why(desk: Studio, simulator: Simulator) -> None:
    job_id = await desk.job(await desk.clip())
    reason = (await desk.get(f"/queue/jobs/{job_id}"))["assignment_reason"]
    assert reason.startswith("No ComfyUI server is registered. It has waited for ")
    await desk.server(simulator, "Studio A")
    assert "Studio A" in (await desk.finished(job_id))["assignment_reason"]


async def test_jobs_pinned_to_a_removed_server_run_elsewhere(
    desk: Studio, simulator: Simulator
) -> None:
    async with Simulator() as other:
        gone = await desk.server(other, "Gone", is_active=False)
        job_id = await desk.job(await desk.clip(), server_id=gone)
        await desk.client.delete(f"/api/v1/comfyui/servers/{gone}")
        await desk.server(simulator, "Stays")
        assert (await desk.finished(job_id))["server_name"] == "Stays"
