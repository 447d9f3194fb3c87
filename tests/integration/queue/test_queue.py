"""The rest of the queue: cancel, retry, delete, clear, a project's jobs, workers that pull."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from backend.comfyui_simulator.options import SimulatorOptions
from backend.comfyui_simulator.simulator import Simulator
from tests.studio import Studio, free_port, studio

SMALL = {"steps": 40, "width": 64, "height": 64}


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Studio]:
    async with studio(tmp_path, worker_lease_seconds=1.5) as running:
        yield running


@pytest.fixture
async def slow() -> AsyncIterator[Simulator]:
    async with Simulator(SimulatorOptions(seconds_per_step=0.05)) as running:
        yield running


async def post(desk: Studio, path: str, status: int = 200, **body: Any) -> dict[str, Any]:
    return await desk.post(f"/queue{path}", body, status)


async def status_of(desk: Studio, job_id: str) -> str:
    return str((await desk.get(f"/queue/jobs/{job_id}"))["status"])


async def totals(desk: Studio) -> dict[str, int]:
    status = await desk.get("/queue/status")
    return {name: n for name, n in status.items() if name.endswith("_jobs") and n}


class TestCancel:
    async def test_a_waiting_job(self, desk: Studio) -> None:
        job_id = await desk.job(await desk.clip())
        answer = await post(desk, f"/jobs/{job_id}/cancel")
        assert (answer["status"], answer["job_id"]) == ("cancelled", job_id)
        assert await totals(desk) == {"cancelled_jobs": 1, "total_jobs": 1}

    async def test_a_running_one_is_interrupted_and_no_other_is_hurt(
        self, desk: Studio, slow: Simulator
    ) -> None:
        await desk.server(slow, max_concurrent=2)
        doomed, kept = [await desk.job(await desk.clip(), params=SMALL) for _ in range(2)]
        await desk.until(doomed, lambda job: job["progress"] > 0)
        await post(desk, f"/jobs/{doomed}/cancel")
        assert (await desk.finished(kept))["status"] == "completed"
        assert len(slow.stats["interrupted"]) == 1
        assert len(slow.stats["rendered"]) == 1

    async def test_twice_is_the_same_as_once(self, desk: Studio) -> None:
        job_id = await desk.job(await desk.clip())
        answers = await asyncio.gather(
            *(desk.client.post(f"/api/v1/queue/jobs/{job_id}/cancel") for _ in range(4))
        )
        assert {answer.status_code for answer in answers} == {200}
        assert await totals(desk) == {"cancelled_jobs": 1, "total_jobs": 1}

    async def test_a_completed_one_is_409(self, desk: Studio) -> None:
        async with Simulator() as quick:
            await desk.server(quick)
            job_id = await desk.job(await desk.clip(), params={**SMALL, "steps": 1})
            await desk.finished(job_id)
        await post(desk, f"/jobs/{job_id}/cancel", 409)


class TestRetry:
    async def test_a_failed_job_runs_again_with_all_its_retries(
        self, desk: Studio, slow: Simulator
    ) -> None:
        await desk.server(slow)
        slow.set_fault("reject", times=1)
        job_id = await desk.job(await desk.clip(), params={**SMALL, "steps": 1})
        assert (await desk.finished(job_id))["status"] == "failed"
        answer = await post(desk, f"/jobs/{job_id}/retry")
        assert answer["status"] == "pending"
        job = await desk.finished(job_id)
        assert (job["status"], job["error"], len(job["attempts"])) == ("completed", None, 2)

    async def test_only_what_failed_or_was_cancelled(self, desk: Studio) -> None:
        job_id = await desk.job(await desk.clip())
        await post(desk, f"/jobs/{job_id}/retry", 409)
        await post(desk, f"/jobs/{job_id}/cancel")
        answers = await asyncio.gather(
            *(desk.client.post(f"/api/v1/queue/jobs/{job_id}/retry") for _ in range(4))
        )
        assert sorted(answer.status_code for answer in answers) == [200, 409, 409, 409]
        assert await totals(desk) == {"pending_jobs": 1, "queued_jobs": 1, "total_jobs": 1}


class TestDeleteAndClear:
    async def test_a_waiting_job_is_deleted(self, desk: Studio) -> None:
        job_id = await desk.job(await desk.clip())
        answer = await desk.client.delete(f"/api/v1/queue/jobs/{job_id}")
        assert answer.json()["deleted"] == 1
        assert (await desk.client.get(f"/api/v1/queue/jobs/{job_id}")).status_code == 404
        assert await totals(desk) == {}

    async def test_a_running_one_is_409(self, desk: Studio, slow: Simulator) -> None:
        await desk.server(slow)
        job_id = await desk.job(await desk.clip(), params=SMALL)
        await desk.until(job_id, lambda job: job["status"] == "processing")
        answer = await desk.client.delete(f"/api/v1/queue/jobs/{job_id}")
        assert (answer.status_code, answer.json()["error"]["code"]) == (409, "JOB_WRONG_STATE")

    async def test_clear_takes_what_is_over_and_leaves_the_rest(self, desk: Studio) -> None:
        clip = await desk.clip()
        kept, *doomed = [await desk.job(clip) for _ in range(4)]
        for job_id in doomed:
            await post(desk, f"/jobs/{job_id}/cancel")
        answer = (await desk.client.delete("/api/v1/queue/clear")).json()
        assert answer["deleted_count"] == 3
        assert answer["status_filter"] == ["completed", "failed", "cancelled"]
        assert [job["id"] for job in await desk.get("/queue/jobs")] == [kept]
        assert await totals(desk) == {"pending_jobs": 1, "queued_jobs": 1, "total_jobs": 1}

    async def test_clear_by_status(self, desk: Studio) -> None:
        await desk.job(await desk.clip())
        answer = await desk.client.delete("/api/v1/queue/clear?status=failed")
        assert answer.json()["deleted_count"] == 0
        refused = await desk.client.delete("/api/v1/queue/clear?status=processing")
        assert refused.status_code == 400
        assert (await desk.client.delete("/api/v1/queue/clear?status=x")).status_code == 422
        for nothing in ("", "%20", ","):
            answer = await desk.client.delete(f"/api/v1/queue/clear?status={nothing}")
            assert answer.json()["status_filter"] == ["completed", "failed", "cancelled"]
        answer = await desk.client.delete("/api/v1/queue/clear?status=pending")
        assert answer.json()["deleted_count"] == 1


async def test_a_projects_jobs_come_with_their_totals(desk: Studio) -> None:
    mine, other = await desk.clip(), await desk.clip()
    job_ids = [await desk.job(mine) for _ in range(3)]
    await desk.job(other)
    await post(desk, f"/jobs/{job_ids[0]}/cancel")
    shown = await desk.get(f"/queue/projects/{mine['project_id']}/jobs?limit=2")
    assert [job["id"] for job in shown["jobs"]] == [job_ids[2], job_ids[1]]
    assert shown["total_jobs"] == 3
    assert {name: n for name, n in shown["by_status"].items() if n} == {
        "pending": 2,
        "cancelled": 1,
    }
    assert (await desk.client.get("/api/v1/queue/projects/x/jobs")).status_code == 404


class TestWorkers:
    async def worker(self, desk: Studio, **fields: Any) -> str:
        await post(desk, "/servers/node-7/register", server_name="Node 7", **fields)
        return "node-7"

    async def next(self, desk: Studio, worker: str = "node-7") -> dict[str, Any] | None:
        answer = await desk.client.get(f"/api/v1/queue/servers/{worker}/next")
        assert answer.status_code in {200, 204}, answer.text
        return answer.json() if answer.status_code == 200 else None

    async def test_it_takes_jobs_in_turn_up_to_its_capacity(self, desk: Studio) -> None:
        clip = await desk.clip()
        low = await desk.job(clip)
        high = await desk.job(clip, priority=5)
        assert (await desk.client.get("/api/v1/queue/servers/node-7/next")).status_code == 404
        await self.worker(desk, max_concurrent=2)
        first, second, third = [await self.next(desk) for _ in range(3)]
        assert first
        assert second
        assert (first["id"], second["id"], third) == (high, low, None)
        assert (first["status"], first["server_name"]) == ("processing", "Node 7")
        assert first["lease_expires_at"]
        load = (await desk.get("/queue/status"))["servers"]["node-7"]
        assert (load["mode"], load["current_jobs"], load["max_concurrent"]) == ("pull", 2, 2)

    async def test_two_workers_never_get_the_same_job(self, desk: Studio) -> None:
        clip = await desk.clip()
        job_ids = {await desk.job(clip) for _ in range(6)}
        names = [f"node-{number}" for number in range(6)]
        for name in names:
            await post(desk, f"/servers/{name}/register")
        leased = await asyncio.gather(*(self.next(desk, name) for name in names))
        assert {job["id"] for job in leased if job} <= job_ids
        assert len({job["id"] for job in leased if job}) == len([job for job in leased if job])

    async def test_its_result_hangs_in_the_gallery(self, desk: Studio, tmp_path: Path) -> None:
        clip = await desk.clip()
        job_id = await desk.job(clip)
        await self.worker(desk)
        await self.next(desk)
        made = tmp_path / "uploads" / "faces" / "made.png"
        made.parent.mkdir(parents=True)
        Image.new("RGB", (32, 16), "red").save(made)
        answer = await post(
            desk, f"/jobs/{job_id}/complete", success=True, result_url="/uploads/faces/made.png"
        )
        assert answer["status"] == "completed"
        [take] = await desk.takes(clip)
        assert (take["width"], take["height"], take["server_name"]) == (32, 16, "Node 7")
        assert (await desk.client.get(take["url"])).content == made.read_bytes()
        job = await desk.get(f"/queue/jobs/{job_id}")
        assert (job["result_url"], job["content_id"]) == (take["url"], take["id"])

    @pytest.mark.parametrize(
        ("url", "status"),
        [
            ("/uploads/../../etc/passwd", 400),
            ("/uploads/.incoming/x", 400),
            ("file:///etc/passwd", 400),
            ("http://user:pass@example.com/x.png", 400),
            ("http://127.0.0.1:9/x.png", 503),
            ("http://169.254.169.254/latest", 503),
            ("http://[::1", 400),
            (f"http://{'a' * 64}.example/x.png", 400),
            ("http://a..b/x.png", 400),
            ("http://[64:ff9b::10.0.0.1]/x.png", 503),
        ],
    )
    async def test_a_result_that_may_not_be_read_is_refused_and_the_lease_stays(
        self, desk: Studio, url: str, status: int
    ) -> None:
        job_id = await desk.job(await desk.clip())
        await self.worker(desk)
        await self.next(desk)
        await post(desk, f"/jobs/{job_id}/complete", status, success=True, result_url=url)
        assert await status_of(desk, job_id) == "processing"

    async def test_a_result_that_cannot_be_had_is_not_blamed_on_comfyui(
        self, desk: Studio, tmp_path: Path
    ) -> None:
        gone = f"http://127.0.0.1:{free_port()}"
        await desk.post("/comfyui/servers", {"name": "Off", "url": gone})
        (tmp_path / "uploads" / "junk.png").write_bytes(b"no picture")
        job_id = await desk.job(await desk.clip())
        await self.worker(desk)
        await self.next(desk)
        path = f"/api/v1/queue/jobs/{job_id}/complete"
        said, codes = [], []
        for url in (f"{gone}/take.png", "http://127.0.0.1:9/take.png", "/uploads/junk.png"):
            answer = await desk.client.post(path, json={"success": True, "result_url": url})
            said.append((answer.status_code, answer.json()["detail"]))
            codes.append(answer.json()["error"]["code"])
        assert [status for status, _ in said] == [503, 503, 502]
        assert codes[:2] == ["URL_UNREACHABLE", "URL_UNREACHABLE"]
        reached = "The host of result_url can't be reached: "
        assert said[0][1].startswith(reached)
        assert said[1][1].startswith(f"{reached}refused to connect")
        assert said[2][1].startswith("'Node 7' gave an unusable file")
        assert await status_of(desk, job_id) == "processing"

    async def test_success_without_a_result_and_by_query(self, desk: Studio) -> None:
        job_id = await desk.job(await desk.clip())
        await self.worker(desk)
        await self.next(desk)
        path = f"/api/v1/queue/jobs/{job_id}/complete"
        assert (await desk.client.post(path)).status_code == 422
        assert (await desk.client.post(f"{path}?success=true")).json()["status"] == "completed"
        assert (await desk.client.post(f"{path}?success=true")).status_code == 409

    async def test_a_failure_is_retried_then_told(self, desk: Studio) -> None:
        job_id = await desk.job(await desk.clip(), max_retries=0)
        await self.worker(desk)
        await self.next(desk)
        await post(desk, f"/jobs/{job_id}/complete", success=False, error="the fan fell off")
        job = await desk.get(f"/queue/jobs/{job_id}")
        assert (job["status"], job["error"]) == ("failed", "the fan fell off")

    async def test_a_lease_that_ran_out_goes_to_someone_else(self, desk: Studio) -> None:
        job_id = await desk.job(await desk.clip())
        await self.worker(desk)
        await self.next(desk)
        job = await desk.until(job_id, lambda job: job["status"] == "pending")
        assert job["attempts"][0]["outcome"] == "lost"
        late = await desk.client.post(f"/api/v1/queue/jobs/{job_id}/complete?success=true")
        assert (late.status_code, late.json()["error"]["code"]) == (409, "JOB_NOT_LEASED")
        async with Simulator() as quick:
            await desk.server(quick)
            assert (await desk.finished(job_id))["status"] == "completed"

    async def test_a_heartbeat_keeps_the_lease(self, desk: Studio) -> None:
        job_id = await desk.job(await desk.clip())
        await self.worker(desk)
        await self.next(desk)
        for _ in range(6):
            await asyncio.sleep(0.4)
            await self.worker(desk)
            assert await status_of(desk, job_id) == "processing"

    async def test_a_worker_that_went_offline_gets_nothing(self, desk: Studio) -> None:
        await desk.job(await desk.clip())
        await self.worker(desk, is_online=False)
        assert await self.next(desk) is None

    async def test_cancelling_its_job_makes_its_answer_late(self, desk: Studio) -> None:
        job_id = await desk.job(await desk.clip())
        await self.worker(desk)
        await self.next(desk)
        await post(desk, f"/jobs/{job_id}/cancel")
        await post(desk, f"/jobs/{job_id}/complete", 409, success=True)

    async def test_a_comfyui_server_is_set_not_enlisted(
        self, desk: Studio, slow: Simulator
    ) -> None:
        server_id = await desk.server(slow)
        answer = await post(
            desk, f"/servers/{server_id}/register", is_online=False, max_concurrent=3
        )
        assert (answer["mode"], answer["is_online"], answer["max_concurrent"]) == ("push", False, 3)
        [server] = await desk.get("/comfyui/servers")
        assert (server["is_active"], server["max_concurrent"]) == (False, 3)
        refused = await desk.client.get(f"/api/v1/queue/servers/{server_id}/next")
        assert (refused.status_code, refused.json()["error"]["code"]) == (409, "SERVER_IS_PUSHED")


async def test_what_a_removed_server_has_rendered_still_comes_home(
    desk: Studio, slow: Simulator
) -> None:
    """Meanwhile the job says that it is nearly done."""
    server = await desk.server(slow)
    slow.set_fault("slow_download", 300)
    clip = await desk.clip()
    job_id = await desk.job(clip, params={**SMALL, "steps": 4}, server_id=server)
    coming = await desk.until(job_id, lambda job: job["progress"] == 0.99)
    assert (coming["current_node"], coming["progress_step"]) == (None, None)
    answer = await desk.client.delete(f"/api/v1/comfyui/servers/{server}")
    assert answer.status_code == 200
    slow.clear_faults()
    done = await desk.finished(job_id)
    assert (done["status"], len(done["attempts"])) == ("completed", 1)
    assert len(await desk.takes(clip)) == 1


async def test_a_server_that_is_switched_off_takes_nothing_more(
    tmp_path: Path, slow: Simulator
) -> None:
    """Though a check of it began before that, with the document as it was."""
    async with studio(tmp_path, server_check_seconds=0.1) as desk:
        server_id = await desk.server(slow)
        clip = await desk.clip()
        for _ in range(8):
            await desk.client.put(f"/api/v1/comfyui/servers/{server_id}", json={"is_active": False})
            job_id = await desk.job(clip, params=SMALL)
            await asyncio.sleep(0.12)
            assert (await desk.get(f"/queue/jobs/{job_id}"))["status"] == "pending"
            await post(desk, f"/jobs/{job_id}/cancel")
            await desk.client.put(f"/api/v1/comfyui/servers/{server_id}", json={"is_active": True})
