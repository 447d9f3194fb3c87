"""What external workers can make, hand in and report late; turns and leases are in test_queue."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from backend.comfyui_simulator.options import SimulatorOptions
from backend.comfyui_simulator.simulator import Simulator
from tests.studio import Studio, studio
from tests.unit.services.media.media_samples import picture, video

LEASE = 0.8
GRAPH = {"1": {"class_type": "SaveImage", "inputs": {"text": "{{prompt}}"}}}

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def one_desk(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Studio]:
    folder = tmp_path_factory.mktemp("app")
    async with studio(
        folder, worker_lease_seconds=LEASE, max_result_size_mb=2, max_body_size_mb=1
    ) as running:
        running.folder = folder / "uploads"  # type: ignore[attr-defined]
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def desk(one_desk: Studio) -> AsyncIterator[Studio]:
    """A desk with no jobs that wait."""
    yield one_desk
    for job in await one_desk.get("/queue/jobs?status=pending,processing"):
        await one_desk.client.post(f"/api/v1/queue/jobs/{job['id']}/cancel")


async def register(desk: Studio, worker: str = "node-7", **fields: Any) -> dict[str, Any]:
    body = {"server_name": worker.title(), **fields}
    return await desk.post(f"/queue/servers/{worker}/register", body, 200)


async def next_job(desk: Studio, worker: str = "node-7") -> dict[str, Any] | None:
    answer = await desk.client.get(f"/api/v1/queue/servers/{worker}/next")
    assert answer.status_code in {200, 204}, answer.text
    return dict(answer.json()) if answer.status_code == 200 else None


async def hand_in(desk: Studio, job_id: str, content: bytes, **query: Any) -> httpx.Response:
    return await desk.client.post(
        f"/api/v1/queue/jobs/{job_id}/result",
        files={"file": ("take.bin", content)},
        params=query,
    )


async def report(desk: Studio, job_id: str, **body: Any) -> httpx.Response:
    return await desk.client.post(f"/api/v1/queue/jobs/{job_id}/complete", json=body)


async def leased(desk: Studio, clip: dict[str, Any], **fields: Any) -> str:
    """A job in the hands of node-7."""
    job_id = await desk.job(clip, priority=50, **fields)
    await register(desk)
    job = await next_job(desk)
    assert job is not None
    assert job["id"] == job_id
    return job_id


async def lost(desk: Studio, clip: dict[str, Any]) -> str:
    """A job whose lease ran out in node-7's hands; nobody has it now."""
    job_id = await leased(desk, clip)
    await desk.until(job_id, lambda job: job["status"] == "pending")
    return job_id


async def taken_over(desk: Studio) -> None:
    """Node-8 gets a job that was lost, after its pause."""
    deadline = asyncio.get_running_loop().time() + 5
    await register(desk, "node-8")
    while await next_job(desk, "node-8") is None:
        assert asyncio.get_running_loop().time() < deadline
        await asyncio.sleep(0.1)


def kept_files(desk: Studio) -> set[Path]:
    folder: Path = desk.folder  # type: ignore[attr-defined]
    return {path for path in folder.rglob("*") if path.is_file()}


class TestFiles:
    async def test_a_picture(self, desk: Studio) -> None:
        clip = await desk.clip()
        job_id = await leased(desk, clip, model="sd_xl_base_1.0.safetensors")
        answer = await hand_in(desk, job_id, picture())
        assert answer.json()["status"] == "completed", answer.text
        (take,) = await desk.takes(clip)
        assert (take["content_type"], take["width"]) == ("image", 64)
        assert (take["server_name"], take["model_type"]) == ("Node-7", "sdxl")
        job = await desk.get(f"/queue/jobs/{job_id}")
        assert (job["content_id"], take["seed"]) == (take["id"], job["params"]["seed"])
        assert (await desk.client.get(take["url"])).status_code == 200

    async def test_one_larger_than_other_bodies_may_be(self, desk: Studio) -> None:
        clip = await desk.clip()
        job_id = await leased(desk, clip)
        content = picture(size=(700, 700))
        assert 1_048_576 < len(content) < 2_097_152
        assert (await hand_in(desk, job_id, content)).json()["status"] == "completed"

    async def test_a_video(self, desk: Studio) -> None:
        clip = await desk.clip()
        job_id = await leased(desk, clip, generation_type="video")
        assert (await hand_in(desk, job_id, video())).status_code == 200
        (take,) = await desk.takes(clip)
        assert (take["content_type"], take["fps"]) == ("video", 16)

    async def test_several_and_one_of_them_twice(self, desk: Studio) -> None:
        clip = await desk.clip()
        job_id = await leased(desk, clip)
        first, second = picture(), picture()
        for content in (first, second, first):
            answer = await hand_in(desk, job_id, content, complete="false", server_id="node-7")
            assert answer.json()["status"] == "processing"
        takes = await desk.takes(clip)
        assert len(takes) == 2
        assert (await report(desk, job_id, success=True)).json()["status"] == "completed"
        job = await desk.get(f"/queue/jobs/{job_id}")
        assert job["content_id"] == takes[0]["id"]

    @pytest.mark.parametrize(
        ("content", "status"),
        [(b"no picture", 415), (b"", 415), (picture()[:-40], 415), (bytes(2_100_000), 413)],
    )
    async def test_what_is_no_result_leaves_no_file_and_the_lease(
        self, desk: Studio, content: bytes, status: int
    ) -> None:
        clip = await desk.clip()
        job_id = await leased(desk, clip)
        before = kept_files(desk)
        assert (await hand_in(desk, job_id, content)).status_code == status
        assert kept_files(desk) == before
        assert (await hand_in(desk, job_id, picture())).json()["status"] == "completed"

    async def test_nothing_at_all(self, desk: Studio) -> None:
        job_id = await leased(desk, await desk.clip())
        path = f"/api/v1/queue/jobs/{job_id}/result"
        assert (await desk.client.post(path)).status_code == 422
        assert (await hand_in(desk, "no-such-job", picture())).status_code == 404

    async def test_a_job_that_nobody_holds(self, desk: Studio) -> None:
        clip = await desk.clip()
        job_id = await desk.job(clip)
        answer = await hand_in(desk, job_id, picture())
        assert (answer.status_code, answer.json()["error"]["code"]) == (409, "JOB_NOT_LEASED")
        assert await desk.takes(clip) == []

    async def test_a_slow_upload_keeps_its_lease(self, desk: Studio) -> None:
        clip = await desk.clip()
        job_id = await leased(desk, clip)
        content = picture()
        head = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'

        async def body() -> AsyncIterator[bytes]:
            yield head + content[:100]
            await asyncio.sleep(2.5 * LEASE)
            yield content[100:] + b"\r\n--x--\r\n"

        answer = await desk.client.post(
            f"/api/v1/queue/jobs/{job_id}/result",
            content=body(),
            headers={"Content-Type": "multipart/form-data; boundary=x"},
        )
        assert answer.json()["status"] == "completed", answer.text
        job = await desk.get(f"/queue/jobs/{job_id}")
        assert len(job["attempts"]) == 1


class TestLate:
    async def test_a_file_after_somebody_else_completed_it(self, desk: Studio) -> None:
        clip = await desk.clip()
        job_id = await lost(desk, clip)
        await taken_over(desk)
        assert (await hand_in(desk, job_id, picture())).json()["status"] == "completed"
        late = picture()
        await hand_in(desk, job_id, late, server_id="node-7")
        answer = await hand_in(desk, job_id, late, server_id="node-7")
        assert (answer.status_code, answer.json()["error"]["code"]) == (409, "JOB_NOT_LEASED")
        assert "extra take" in answer.json()["detail"]
        first, extra = await desk.takes(clip)
        assert (first["server_name"], extra["server_name"]) == ("Node-8", "Node-7")
        assert answer.json()["error"]["details"]["content_id"] == extra["id"]
        job = await desk.get(f"/queue/jobs/{job_id}")
        assert (job["status"], job["content_id"]) == ("completed", first["id"])

    async def test_a_url_while_it_waits_again(self, desk: Studio) -> None:
        clip = await desk.clip()
        job_id = await lost(desk, clip)
        folder: Path = desk.folder  # type: ignore[attr-defined]
        (folder / "late.png").write_bytes(picture())
        answer = await report(desk, job_id, success=True, result_url="/uploads/late.png")
        assert answer.status_code == 409
        assert len(await desk.takes(clip)) == 1
        assert (await desk.get(f"/queue/jobs/{job_id}"))["status"] in {"pending", "processing"}

    async def test_a_late_failure_does_not_fail_somebody_elses_try(self, desk: Studio) -> None:
        job_id = await lost(desk, await desk.clip())
        await taken_over(desk)
        answer = await report(desk, job_id, success=False, error="oops", server_id="node-7")
        assert answer.status_code == 409
        assert (await desk.get(f"/queue/jobs/{job_id}"))["status"] == "processing"
        done = await report(desk, job_id, success=True, server_id="node-8")
        assert done.json()["status"] == "completed"

    async def test_a_cancelled_job_takes_nothing_more(self, desk: Studio) -> None:
        clip = await desk.clip()
        job_id = await leased(desk, clip)
        await desk.post(f"/queue/jobs/{job_id}/cancel", {}, 200)
        assert (await hand_in(desk, job_id, picture())).status_code == 409
        assert await desk.takes(clip) == []

    async def test_cancelled_while_the_result_comes(self, desk: Studio) -> None:
        clip = await desk.clip()
        job_id = await leased(desk, clip)
        cancelled = asyncio.Event()
        head = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'

        async def body() -> AsyncIterator[bytes]:
            yield head
            await desk.post(f"/queue/jobs/{job_id}/cancel", {}, 200)
            cancelled.set()
            yield picture() + b"\r\n--x--\r\n"

        answer = await desk.client.post(
            f"/api/v1/queue/jobs/{job_id}/result",
            content=body(),
            headers={"Content-Type": "multipart/form-data; boundary=x"},
        )
        assert (cancelled.is_set(), answer.status_code) == (True, 409)
        assert (await desk.get(f"/queue/jobs/{job_id}"))["status"] == "cancelled"


class TestAbility:
    async def test_only_jobs_that_it_can_make(self, desk: Studio) -> None:
        clip = await desk.clip()
        wanted = await desk.job(clip, model="sd_xl_base_1.0.safetensors")
        await desk.job(clip, model="wan2.1_t2v_1.3B_fp16.safetensors", generation_type="video")
        able = {"generation_types": ["image"], "models": ["sdxl"], "custom_workflows": False}
        await register(desk, "able", max_concurrent=4, **able)
        # A heartbeat that does not repeat it changes nothing of it.
        await register(desk, "able", max_concurrent=4)
        job = await next_job(desk, "able")
        assert job is not None
        assert job["id"] == wanted
        assert await next_job(desk, "able") is None
        await register(desk, "able", max_concurrent=4, generation_types=None, models=None)
        assert await next_job(desk, "able") is not None

    @pytest.mark.parametrize(
        "field", [{"generation_types": ["audio"]}, {"models": [""]}, {"job_ids": "x"}]
    )
    async def test_nonsense_is_refused(self, desk: Studio, field: dict[str, Any]) -> None:
        answer = await desk.client.post("/api/v1/queue/servers/odd/register", json=field)
        assert answer.status_code == 422

    async def test_a_graph_of_the_user_comes_along(self, desk: Studio) -> None:
        params = {"use_custom_workflow": True, "workflow_json": GRAPH}
        job_id = await desk.job(await desk.clip(), params=params)
        await register(desk, "plain", custom_workflows=False)
        assert await next_job(desk, "plain") is None
        await register(desk)
        job = await next_job(desk)
        assert job is not None
        assert (job["id"], job["workflow_json"]) == (job_id, GRAPH)


class TestAskedFor:
    async def test_it_waits_for_that_worker_alone(self, desk: Studio) -> None:
        await register(desk, "node-7")
        job_id = await desk.job(await desk.clip(), server_id="node-7")
        # As long as it takes to look for servers that are gone, whose jobs go anywhere.
        await asyncio.sleep(1.5)
        reason = (await desk.get(f"/queue/jobs/{job_id}"))["assignment_reason"]
        assert reason.startswith("It is for 'Node-7', which asks for its jobs itself. It has")
        await register(desk, "node-8")
        assert await next_job(desk, "node-8") is None
        job = await next_job(desk, "node-7")
        assert job is not None
        assert job["id"] == job_id

    async def test_however_many_others_wait_before_it(self, tmp_path: Path) -> None:
        async with studio(tmp_path) as desk:
            clip = await desk.clip()
            await register(desk, "node-7", models=["flux"])
            for _ in range(201):
                await desk.job(clip, model="sd_xl_base_1.0.safetensors")
            job_id = await desk.job(clip, server_id="node-7")
            job = await next_job(desk)
            assert job is not None
            assert job["id"] == job_id

    async def test_questions_at_once_bring_no_more_than_it_may_hold(self, desk: Studio) -> None:
        await register(desk, "node-7", max_concurrent=1)
        clip = await desk.clip()
        for _ in range(3):
            await desk.job(clip, server_id="node-7")
        jobs = await asyncio.gather(*(next_job(desk) for _ in range(6)))
        assert sum(job is not None for job in jobs) == 1

    @pytest.mark.parametrize("name", ["auto", "openai"])
    async def test_names_that_mean_something_else(self, desk: Studio, name: str) -> None:
        answer = await desk.client.post(f"/api/v1/queue/servers/{name}/register", json={})
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "INVALID_REQUEST")

    async def test_not_for_what_it_cannot_make(self, desk: Studio) -> None:
        await register(desk, "still", generation_types=["image"])
        body = {"prompt": "rain", "generation_type": "video", "server_id": "still"}
        clip = await desk.clip()
        answer = await desk.client.post("/api/v1/queue/jobs", json={"clip_id": clip["id"], **body})
        error = answer.json()["error"]
        assert (answer.status_code, error["code"]) == (422, "MODEL_UNAVAILABLE")
        assert error["details"]["servers"] == {"Still": ["'Still' makes no videos."]}

    async def test_nobody_of_that_name(self, desk: Studio) -> None:
        clip = await desk.clip()
        body = {"clip_id": clip["id"], "prompt": "rain", "server_id": "nobody"}
        answer = await desk.client.post("/api/v1/queue/jobs", json=body)
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "SERVER_NOT_FOUND")

    async def test_a_worker_that_can_is_enough(self, tmp_path: Path) -> None:
        """No ComfyUI server has the model; a worker says that it has."""
        body = {"prompt": "rain", "model": "only_here_sdxl.safetensors"}
        async with studio(tmp_path) as desk, Simulator(SimulatorOptions()) as simulator:
            body["clip_id"] = (await desk.clip())["id"]
            await desk.server(simulator)
            await register(desk, "without", models=["flux"])
            refused = await desk.client.post("/api/v1/queue/jobs", json=body)
            assert refused.status_code == 422
            lacking = refused.json()["error"]["details"]["servers"]
            assert lacking["Without"] == ["'Without' does not have 'only_here_sdxl.safetensors'."]
            assert lacking["Sim"]
            await register(desk, "with", models=["only_here_sdxl.safetensors"])
            queued = await desk.client.post("/api/v1/queue/jobs", json=body)
            assert queued.status_code == 201
            job = await next_job(desk, "with")
            assert job is not None
            assert job["id"] == queued.json()["job_id"]


class TestHeartbeats:
    async def test_a_job_that_it_does_not_know_of_goes_to_others(self, desk: Studio) -> None:
        """The answer to `next` got lost; heartbeats must not keep the job for ever."""
        clip = await desk.clip()
        known = await leased(desk, clip)
        await register(desk, max_concurrent=2)
        unknown = await desk.job(clip)
        assert await next_job(desk)
        deadline = asyncio.get_running_loop().time() + 5
        while (await desk.get(f"/queue/jobs/{unknown}"))["status"] != "pending":
            assert asyncio.get_running_loop().time() < deadline
            await register(desk, max_concurrent=2, job_ids=[known])
            await asyncio.sleep(0.1)
        assert (await desk.get(f"/queue/jobs/{known}"))["status"] == "processing"

    async def test_silence_shows(self, desk: Studio) -> None:
        await register(desk, "shy")

        async def online() -> bool:
            return bool((await desk.get("/queue/status"))["servers"]["shy"]["is_online"])

        assert await online()
        deadline = asyncio.get_running_loop().time() + 5
        while await online():
            assert asyncio.get_running_loop().time() < deadline
            await asyncio.sleep(0.05)
        # Asking for work is a sign of life as well.
        assert await next_job(desk, "shy") is None
        assert await online()


async def test_what_a_heartbeat_leaves_out_stays(desk: Studio) -> None:
    url = "/queue/servers/quiet/register"
    assert (await desk.post(url, {}, 200))["server_name"] == "quiet"
    await desk.post(url, {"server_name": "Attic", "max_concurrent": 3}, 200)
    told = await desk.post(url, {}, 200)
    assert (told["server_name"], told["max_concurrent"]) == ("Attic", 3)
