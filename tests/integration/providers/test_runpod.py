"""Jobs at RunPod's serverless endpoints, through the whole app, each run counted."""

import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from backend.comfyui_simulator.options import SimulatorOptions
from backend.comfyui_simulator.simulator import Simulator
from tests.paid_stand_in import Fault
from tests.runpod_server import (
    ENDPOINT,
    KEY,
    RunPodServer,
    base64_of,
    completed,
    failed,
    images,
)
from tests.studio import Studio, studio
from tests.unit.services.media.media_samples import picture, video
from tests.waiting import eventually

LACKING = "Workflow validation failed: Node 4: Value not in list: ckpt_name 'x' not in []"


pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def one_desk(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Studio]:
    """One app for all tests here: starting one takes longer than they do."""
    async with studio(tmp_path_factory.mktemp("app")) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def runpod() -> AsyncIterator[RunPodServer]:
    async with RunPodServer() as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def desk(one_desk: Studio, runpod: RunPodServer) -> AsyncIterator[Studio]:
    """A desk with no servers and no jobs that wait."""
    yield one_desk
    for server in await one_desk.get("/comfyui/servers"):
        await one_desk.client.delete(f"/api/v1/comfyui/servers/{server['id']}")
    await one_desk.client.delete("/api/v1/queue/clear", params={"status": "pending"})


async def register(desk: Studio, runpod: RunPodServer, **fields: Any) -> str:
    body = {
        "name": "Cloud",
        "url": runpod.url,
        "server_type": "runpod",
        "endpoint_id": ENDPOINT,
        "api_key": KEY,
        **fields,
    }
    return str((await desk.post("/comfyui/servers", body))["id"])


async def finished(desk: Studio, runpod: RunPodServer, **fields: Any) -> dict[str, Any]:
    """Register the endpoint and see one job through."""
    await register(desk, runpod)
    clip = await desk.clip()
    job = await desk.finished(await desk.job(clip, **fields))
    return {**job, "takes": await desk.takes(clip)}


class TestResults:
    async def test_a_picture_as_base64(self, desk: Studio, runpod: RunPodServer) -> None:
        job = await finished(desk, runpod, model="my_xl.safetensors")
        assert job["status"] == "completed", job
        (take,) = job["takes"]
        assert (take["content_type"], take["server_name"]) == ("image", "Cloud")
        assert (take["width"], take["model_name"]) == (64, "my_xl.safetensors")
        (order,) = runpod.orders
        assert "my_xl.safetensors" in str(order["input"]["workflow"])
        (attempt,) = job["attempts"]
        assert attempt["prompt_id"] == "run-1-u1"
        assert "It ran 1.5 s, after 2.2 s of waiting" in attempt["words"]

    async def test_a_picture_in_a_bucket(self, desk: Studio, runpod: RunPodServer) -> None:
        url = runpod.put("ComfyUI_00001_.png", picture())
        runpod.ends = completed({"images": [{"filename": "a.png", "type": "s3_url", "data": url}]})
        job = await finished(desk, runpod)
        assert job["status"] == "completed", job
        assert len(job["takes"]) == 1
        assert runpod.count("bucket") == 1

    async def test_a_bucket_in_a_private_network(self, desk: Studio, runpod: RunPodServer) -> None:
        async with RunPodServer() as neighbour:
            url = neighbour.put("secret.png", picture())
            runpod.ends = completed({"images": [{"filename": "a.png", "data": url}]})
            job = await finished(desk, runpod)
            assert neighbour.count("bucket") == 0
        assert (job["status"], len(runpod.orders)) == ("failed", 1)

    async def test_our_own_uploads_are_no_result(self, desk: Studio, runpod: RunPodServer) -> None:
        runpod.ends = completed({"images": [{"filename": "a", "data": "/uploads/faces/a.png"}]})
        job = await finished(desk, runpod)
        assert (job["error_code"], job["takes"]) == ("NO_OUTPUT", [])

    async def test_several_pictures(self, desk: Studio, runpod: RunPodServer) -> None:
        runpod.ends = completed(images(picture(), picture(), picture()))
        job = await finished(desk, runpod)
        assert len(job["takes"]) == 3
        assert len(runpod.orders) == 1

    async def test_the_shape_of_older_workers(self, desk: Studio, runpod: RunPodServer) -> None:
        runpod.ends = completed({"message": base64_of(picture()), "status": "success"})
        assert (await finished(desk, runpod))["status"] == "completed"

    async def test_a_video(self, desk: Studio, runpod: RunPodServer) -> None:
        film = {"filename": "a.mp4", "type": "base64", "data": base64_of(video())}
        runpod.ends = completed({"images": [], "videos": [film]})
        job = await finished(desk, runpod, generation_type="video")
        assert job["status"] == "completed", job
        (take,) = job["takes"]
        assert (take["content_type"], take["duration"]) == ("video", 0.562)

    @pytest.mark.parametrize(
        ("data", "code"),
        [
            (base64_of(b"no picture at all" * 20), "RESULT_BROKEN"),
            ("A" * 101 + "!" * 20, "RESULT_BROKEN"),
            (base64_of(picture(size=(900, 900))), "RESULT_TOO_LARGE"),
        ],
    )
    async def test_what_cannot_be_kept_is_not_bought_again(
        self, tmp_path: Path, runpod: RunPodServer, data: str, code: str
    ) -> None:
        runpod.ends = completed({"images": [{"filename": "a.png", "data": data}]})
        async with studio(tmp_path, max_result_size_mb=1) as desk:
            job = await finished(desk, runpod)
        assert (job["status"], job["error_code"]) == ("failed", code)
        assert (len(runpod.orders), job["takes"]) == (1, [])
        kept = [path for path in (tmp_path / "uploads").rglob("*") if path.is_file()]
        assert kept == []


class TestFailures:
    async def test_its_words(self, desk: Studio, runpod: RunPodServer) -> None:
        runpod.ends = failed("CUDA out of memory. Tried to allocate 2 GiB", executionTime=900)
        job = await finished(desk, runpod, max_retries=0)
        assert (job["status"], job["error_code"]) == ("failed", "OUT_OF_MEMORY")
        assert "Tried to allocate" in job["error"]

    async def test_a_run_that_timed_out_is_tried_again(
        self, desk: Studio, runpod: RunPodServer
    ) -> None:
        runpod.ends = {"status": "TIMED_OUT"}
        await register(desk, runpod)
        job_id = await desk.job(await desk.clip(), max_retries=1)
        waiting = await desk.until(job_id, lambda job: job["retry_count"] == 1)
        assert waiting["error_code"] == "RUNPOD_TIMED_OUT"
        runpod.ends = completed(images(picture()))
        job = await desk.finished(job_id)
        assert (job["status"], len(runpod.orders)) == ("completed", 2)
        assert [attempt["outcome"] for attempt in job["attempts"]] == ["failed", "completed"]

    async def test_cancelled_in_the_console(self, desk: Studio, runpod: RunPodServer) -> None:
        runpod.ends = {"status": "CANCELLED"}
        job = await finished(desk, runpod)
        assert (job["status"], len(runpod.orders)) == ("failed", 1)
        assert "cancelled the run" in job["error"]

    async def test_nothing_to_show(self, desk: Studio, runpod: RunPodServer) -> None:
        runpod.ends = completed({"status": "success_no_images", "images": []})
        job = await finished(desk, runpod)
        assert (job["error_code"], len(runpod.orders)) == ("NO_OUTPUT", 1)

    async def test_a_result_that_is_gone(self, desk: Studio, runpod: RunPodServer) -> None:
        runpod.fault("status", Fault(404, {"error": "job not found"}), times=5)
        job = await finished(desk, runpod)
        assert (job["error_code"], len(runpod.orders)) == ("RUNPOD_RUN_GONE", 1)
        # The run was there all the time: a retry takes it over instead of buying another.
        await desk.post(f"/queue/jobs/{job['id']}/retry", {}, 200)
        again = await desk.finished(job["id"])
        assert (again["status"], len(runpod.orders)) == ("completed", 1)
        assert len({attempt["prompt_id"] for attempt in again["attempts"]}) == 1


class TestOrders:
    async def test_a_lost_answer_is_not_ordered_again(
        self, desk: Studio, runpod: RunPodServer
    ) -> None:
        runpod.fault("run", Fault(after=True, drop=True))
        job = await finished(desk, runpod)
        assert (job["status"], job["error_code"]) == ("failed", "RUNPOD_FATE_UNKNOWN")
        assert "not sent again by itself" in job["error"]
        assert len(runpod.orders) == 1

    @pytest.mark.parametrize(
        "fault",
        [
            Fault(502, b"<html>", after=True),
            Fault(200, b"no json", after=True),
            Fault(200, {"status": "IN_QUEUE"}, after=True),
        ],
    )
    async def test_an_answer_that_names_no_run(
        self, desk: Studio, runpod: RunPodServer, fault: Fault
    ) -> None:
        runpod.fault("run", fault)
        job = await finished(desk, runpod)
        assert (job["error_code"], len(runpod.orders)) == ("RUNPOD_FATE_UNKNOWN", 1)

    @pytest.mark.parametrize(
        "fault",
        [
            Fault(429, {"error": "too many requests"}, {"Retry-After": "1"}),
            Fault(503, b"<html>"),
            Fault(500, {"error": "no workers"}),
        ],
    )
    async def test_busy(self, desk: Studio, runpod: RunPodServer, fault: Fault) -> None:
        runpod.fault("run", fault)
        job = await finished(desk, runpod)
        assert (job["status"], len(runpod.orders)) == ("completed", 1)
        assert job["retry_count"] == 0
        first, _ = job["attempts"]
        assert first["outcome"] == "unreachable"

    async def test_a_request_that_runpod_refuses(self, desk: Studio, runpod: RunPodServer) -> None:
        runpod.fault("run", Fault(400, {"error": "input is malformed"}))
        job = await finished(desk, runpod)
        assert (job["status"], job["error_code"]) == ("failed", "RUNPOD_REFUSED")
        assert "input is malformed" in job["error"]

    async def test_looks_that_go_wrong_cost_nothing(
        self, desk: Studio, runpod: RunPodServer
    ) -> None:
        runpod.fault("status", Fault(500, b""), Fault(drop=True), Fault(200, b"{"), Fault(429))
        job = await finished(desk, runpod)
        assert (job["status"], len(job["attempts"]), len(runpod.orders)) == ("completed", 1, 1)

    async def test_no_more_at_once_than_it_may_have(
        self, desk: Studio, runpod: RunPodServer
    ) -> None:
        runpod.held = True
        await register(desk, runpod, max_concurrent=2)
        clip = await desk.clip()
        ids = [await desk.job(clip) for _ in range(4)]
        await eventually(lambda: runpod.count("status") > 6)
        assert len(runpod.orders) == 2
        runpod.held = False
        jobs = [await desk.finished(job_id) for job_id in ids]
        assert {job["status"] for job in jobs} == {"completed"}
        assert len(runpod.orders) == 4


class TestCancel:
    async def test_a_run(self, desk: Studio, runpod: RunPodServer) -> None:
        runpod.held = True
        await register(desk, runpod)
        job_id = await desk.job(await desk.clip())
        await eventually(lambda: runpod.count("status") > 2)
        await desk.post(f"/queue/jobs/{job_id}/cancel", {}, 200)
        assert (await desk.get(f"/queue/jobs/{job_id}"))["status"] == "cancelled"
        assert "run-1-u1" in runpod.cancelled

    async def test_while_it_is_ordered(self, desk: Studio, runpod: RunPodServer) -> None:
        runpod.held = True
        runpod.fault(
            "run", Fault(200, {"id": "run-1-u1", "status": "IN_QUEUE"}, after=True, hold=True)
        )
        await register(desk, runpod)
        job_id = await desk.job(await desk.clip())
        await eventually(lambda: len(runpod.orders) == 1)
        await desk.post(f"/queue/jobs/{job_id}/cancel", {}, 200)
        assert runpod.cancelled == []
        runpod.released.set()
        await eventually(lambda: runpod.cancelled == ["run-1-u1"])
        job = await desk.get(f"/queue/jobs/{job_id}")
        assert (job["status"], job["attempts"][0]["prompt_id"]) == ("cancelled", "run-1-u1")

    async def test_twice_and_with_runpod_away(self, desk: Studio, runpod: RunPodServer) -> None:
        runpod.held = True
        await register(desk, runpod)
        job_id = await desk.job(await desk.clip())
        await eventually(lambda: runpod.count("status") > 2)
        runpod.fault("cancel", Fault(500, b""), times=2)
        for _ in range(2):
            await desk.post(f"/queue/jobs/{job_id}/cancel", {}, 200)
        assert (await desk.get(f"/queue/jobs/{job_id}"))["status"] == "cancelled"

    async def test_removing_the_endpoint_stops_its_runs(
        self, desk: Studio, runpod: RunPodServer
    ) -> None:
        runpod.held = True
        server = await register(desk, runpod)
        job_id = await desk.job(await desk.clip())
        await eventually(lambda: runpod.count("status") > 2)
        answer = await desk.client.delete(f"/api/v1/comfyui/servers/{server}")
        assert answer.status_code == 200
        assert "run-1-u1" in runpod.cancelled
        job = await desk.get(f"/queue/jobs/{job_id}")
        assert job["status"] == "pending"


class TestElsewhere:
    async def test_own_servers_come_first(self, desk: Studio, runpod: RunPodServer) -> None:
        async with Simulator(SimulatorOptions()) as simulator:
            await register(desk, runpod, max_concurrent=8)
            await desk.server(simulator)
            job = await desk.finished(await desk.job(await desk.clip()))
        assert (job["server_name"], runpod.orders) == ("Sim", [])

    async def test_what_an_endpoint_lacks_goes_to_another_server(
        self, desk: Studio, runpod: RunPodServer
    ) -> None:
        runpod.ends = failed(LACKING)
        async with Simulator(SimulatorOptions()) as simulator:
            own = await desk.server(simulator, is_active=False)
            await register(desk, runpod)
            job_id = await desk.job(await desk.clip())
            waiting = await desk.until(job_id, lambda job: job["error_code"] is not None)
            assert (waiting["status"], waiting["error_code"]) == ("pending", "RUNPOD_LACKS_MODEL")
            answer = await desk.client.put(
                f"/api/v1/comfyui/servers/{own}", json={"is_active": True}
            )
            assert answer.status_code == 200
            job = await desk.finished(job_id)
        assert (job["status"], job["server_name"]) == ("completed", "Sim")
        assert (job["retry_count"], len(runpod.orders)) == (0, 1)

    async def test_nowhere_else_to_go(self, desk: Studio, runpod: RunPodServer) -> None:
        runpod.ends = failed(LACKING)
        job = await finished(desk, runpod)
        assert (job["status"], job["error_code"]) == ("failed", "RUNPOD_LACKS_MODEL")
        assert "Value not in list" in job["error"]
        # The model is there by now: a retry by hand may go to the same endpoint.
        runpod.ends = completed(images(picture()))
        await desk.post(f"/queue/jobs/{job['id']}/retry", {}, 200)
        assert (await desk.finished(job["id"]))["status"] == "completed"

    async def test_asked_for_this_endpoint_and_no_other(
        self, desk: Studio, runpod: RunPodServer
    ) -> None:
        runpod.ends = failed(LACKING)
        async with Simulator(SimulatorOptions()) as simulator:
            await desk.server(simulator)
            server = await register(desk, runpod)
            job = await desk.finished(await desk.job(await desk.clip(), server_id=server))
        assert (job["status"], job["error_code"]) == ("failed", "RUNPOD_LACKS_MODEL")

    async def test_too_large_for_runpod(self, desk: Studio, runpod: RunPodServer) -> None:
        graph = {"1": {"class_type": "SaveText", "inputs": {"text": "x" * 11_000_000}}}
        job = await finished(
            desk, runpod, params={"use_custom_workflow": True, "workflow_json": graph}
        )
        assert (job["error_code"], runpod.orders) == ("RUNPOD_TOO_LARGE", [])


class TestServer:
    async def test_what_is_known_of_it(self, desk: Studio, runpod: RunPodServer) -> None:
        server = await register(desk, runpod)
        info = await desk.get(f"/comfyui/servers/{server}/info")
        assert info["is_online"] is True
        assert info["server"]["url"] == f"{runpod.url}/{ENDPOINT}"
        (workers,) = info["devices"]
        assert (workers["type"], workers["ready"], workers["throttled"]) == ("serverless", 2, 3)
        assert (info["models"], info["queue_pending"]) == ([], 0)
        flows = await desk.get(f"/comfyui/servers/{server}/workflows")
        assert {"image", "video"} <= set(flows["generation_types"])

    async def test_strangers_runs_are_shown(self, desk: Studio, runpod: RunPodServer) -> None:
        runpod.runs["r-9"] = {"id": "r-9", "status": "IN_PROGRESS"}
        server = await register(desk, runpod)
        status = await desk.get("/queue/status")
        assert status["servers"][server]["queue_length"] == 1
        assert (await desk.get(f"/comfyui/servers/{server}/info"))["queue_running"] == 1

    async def test_a_wrong_key_waits_until_it_is_mended(
        self, desk: Studio, runpod: RunPodServer, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.DEBUG)
        wrong = "rpa_WR0NGKEY"
        server = await register(desk, runpod, api_key=wrong)
        job_id = await desk.job(await desk.clip())
        job = await desk.get(f"/queue/jobs/{job_id}")
        assert (job["status"], runpod.orders) == ("pending", [])
        assert (await desk.get(f"/comfyui/servers/{server}"))["is_online"] is False
        await desk.client.put(f"/api/v1/comfyui/servers/{server}", json={"api_key": KEY})
        assert (await desk.finished(job_id))["status"] == "completed"
        assert wrong not in caplog.text
        assert KEY not in caplog.text

    async def test_a_key_that_ends_while_it_works(self, desk: Studio, runpod: RunPodServer) -> None:
        runpod.fault("run", Fault(401, {"error": f"bad key {KEY}"}))
        job = await finished(desk, runpod)
        assert (job["status"], len(runpod.orders)) == ("completed", 1)
        assert KEY not in str(job)

    async def test_an_endpoint_that_is_not_there(self, desk: Studio, runpod: RunPodServer) -> None:
        server = await register(desk, runpod, endpoint_id="elsewhere")
        assert (await desk.get(f"/comfyui/servers/{server}"))["is_online"] is False
        answer = await desk.client.put(
            f"/api/v1/comfyui/servers/{server}", json={"endpoint_id": ENDPOINT}
        )
        assert answer.json()["url"] == f"{runpod.url}/{ENDPOINT}"
        assert answer.json()["is_online"] is True

    async def test_the_endpoint_must_be_named(self, desk: Studio, runpod: RunPodServer) -> None:
        body = {"name": "Cloud", "url": "https://api.runpod.ai", "server_type": "runpod"}
        refused = await desk.post("/comfyui/servers", body, 400)
        assert refused["error"]["code"] == "ENDPOINT_ID_MISSING"

    async def test_two_endpoints_of_one_host(self, desk: Studio, runpod: RunPodServer) -> None:
        await register(desk, runpod)
        other = await register(desk, runpod, name="Other", endpoint_id="other")
        found = await desk.get("/comfyui/servers")
        assert {server["endpoint_id"] for server in found} == {ENDPOINT, "other"}
        assert next(s for s in found if s["id"] == other)["url"] == f"{runpod.url}/other"
        body = {"name": "Again", "url": f"{runpod.url}/other", "server_type": "runpod"}
        await desk.post("/comfyui/servers", body, 409)
