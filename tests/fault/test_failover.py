"""What one server does wrong another one makes good, and the job tells what happened."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from backend.comfyui_simulator.options import SimulatorOptions
from backend.comfyui_simulator.simulator import Simulator
from tests.road import Road
from tests.studio import Studio, studio

SMALL = {"steps": 10, "width": 64, "height": 64}


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Studio]:
    async with studio(tmp_path, job_stall_seconds=1) as running:
        yield running


@pytest.fixture
async def bad() -> AsyncIterator[Simulator]:
    async with Simulator(SimulatorOptions(seconds_per_step=0.03)) as running:
        yield running


@pytest.fixture
async def good() -> AsyncIterator[Simulator]:
    async with Simulator(SimulatorOptions(seconds_per_step=0.03)) as running:
        yield running


def rendered(*simulators: Simulator) -> int:
    return sum(sum(simulator.stats["rendered"].values()) for simulator in simulators)


async def begun_at(desk: Studio, bad: Simulator, **fields: Any) -> tuple[dict[str, Any], str]:
    """A job that is at the bad server, the only one there is so far."""
    await desk.server(bad, "Bad")
    clip = await desk.clip()
    job_id = await desk.job(clip, params=SMALL, **fields)
    await desk.until(job_id, lambda job: job["attempts"] != [])
    return clip, job_id


def outcomes(job: dict[str, Any]) -> list[tuple[str, str]]:
    return [(attempt["server_name"], attempt["outcome"]) for attempt in job["attempts"]]


async def test_a_server_that_hangs_is_left_and_its_prompt_interrupted(
    desk: Studio, bad: Simulator, good: Simulator
) -> None:
    bad.set_fault("hang", 60)
    clip, job_id = await begun_at(desk, bad)
    await desk.server(good, "Good")
    job = await desk.finished(job_id)
    assert outcomes(job) == [("Bad", "hung"), ("Good", "completed")]
    assert "made no progress for 1 s" in job["attempts"][0]["words"]
    assert len(await desk.takes(clip)) == 1
    bad.clear_faults()


async def test_a_late_result_becomes_an_extra_take(
    desk: Studio, bad: Simulator, good: Simulator
) -> None:
    """Cut off mid-job, it finishes while nobody sees it; the frame it made is not lost."""
    road = Road(bad.port)
    await road.open()
    await desk.post("/comfyui/servers", {"name": "Far", "url": road.url})
    clip = await desk.clip()
    job_id = await desk.job(clip, params={**SMALL, "steps": 40})
    await desk.until(job_id, lambda job: job["progress"] > 0)
    await road.close()
    await desk.server(good, "Good")
    job = await desk.finished(job_id)
    assert outcomes(job) == [("Far", "lost"), ("Good", "completed")]
    while not bad.stats["rendered"]:
        await asyncio.sleep(0.02)
    await road.open()
    deadline = asyncio.get_running_loop().time() + 15
    while len(takes := await desk.takes(clip)) < 2:
        assert asyncio.get_running_loop().time() < deadline
        await asyncio.sleep(0.05)
    await road.close()
    assert {take["server_name"] for take in takes} == {"Far", "Good"}
    assert [take["server_name"] for take in takes if take["is_selected"]] == ["Good"]
    assert (await desk.get(f"/queue/jobs/{job_id}"))["result_url"] == job["result_url"]


async def test_a_prompt_that_still_waits_at_a_lost_server_is_withdrawn(
    desk: Studio, bad: Simulator, good: Simulator
) -> None:
    road = Road(bad.port)
    await road.open()
    await desk.post("/comfyui/servers", {"name": "Far", "url": road.url})
    clip = await desk.clip()
    bad.set_fault("slow", 40)
    job_id = await desk.job(clip, params=SMALL)
    await desk.until(job_id, lambda job: job["attempts"] != [] and bad.stats["accepted"] == 1)
    await road.close()
    await desk.server(good, "Good")
    assert (await desk.finished(job_id))["server_name"] == "Good"
    await road.open()
    deadline = asyncio.get_running_loop().time() + 15
    while bad.stats["interrupted"] == 0:
        assert asyncio.get_running_loop().time() < deadline
        await asyncio.sleep(0.05)
    await road.close()
    assert len(await desk.takes(clip)) == 1


async def test_a_full_disk_there_sends_the_job_elsewhere(
    desk: Studio, bad: Simulator, good: Simulator
) -> None:
    bad.set_fault("execution_error", "[Errno 28] No space left on device")
    await desk.server(good, "Good", is_active=False)
    good_id = next(
        server["id"] for server in await desk.get("/comfyui/servers") if server["name"] == "Good"
    )
    _, job_id = await begun_at(desk, bad)
    await desk.client.put(f"/api/v1/comfyui/servers/{good_id}", json={"is_active": True})
    job = await desk.finished(job_id)
    assert outcomes(job) == [("Bad", "failed"), ("Good", "completed")]
    assert rendered(bad, good) == 1


async def test_out_of_memory_goes_once_to_a_larger_server(desk: Studio, bad: Simulator) -> None:
    larger = SimulatorOptions(seconds_per_step=0.03, vram_gb=48)
    async with Simulator(larger) as large:
        bad.set_fault("out_of_memory")
        await desk.server(large, "Large", is_active=False)
        large_id = next(
            server["id"] for server in await desk.get("/comfyui/servers")
            if server["name"] == "Large"
        )  # fmt: skip
        _, job_id = await begun_at(desk, bad, max_retries=0)
        await desk.client.put(f"/api/v1/comfyui/servers/{large_id}", json={"is_active": True})
        job = await desk.finished(job_id)
        assert outcomes(job) == [("Bad", "failed"), ("Large", "completed")]


async def test_out_of_memory_without_a_larger_server_fails_and_says_so(
    desk: Studio, bad: Simulator, good: Simulator
) -> None:
    bad.set_fault("out_of_memory")
    good.set_fault("out_of_memory")
    await desk.server(good, "Good")
    _, job_id = await begun_at(desk, bad)
    job = await desk.finished(job_id)
    assert (job["status"], job["error_code"]) == ("failed", "OUT_OF_MEMORY")
    assert job["error"].endswith("No larger server is registered.")
    assert len(job["attempts"]) == 1


async def test_the_next_prompt_waits_at_the_server_before_the_running_one_ends(
    desk: Studio, good: Simulator
) -> None:
    await desk.server(good, "Good")
    clip = await desk.clip()
    job_ids = [await desk.job(clip, params=SMALL) for _ in range(6)]
    most = 0
    for job_id in job_ids:
        while (await desk.get(f"/queue/jobs/{job_id}"))["status"] != "completed":
            most = max(most, good.stats["accepted"] - rendered(good))
            await asyncio.sleep(0.02)
    assert most == 2
    assert rendered(good) == len(job_ids)


async def test_what_waits_ahead_is_taken_back_for_a_server_that_stands_idle(
    desk: Studio, bad: Simulator, good: Simulator
) -> None:
    bad.set_fault("slow", 20)
    await desk.server(bad, "Slow")
    clip = await desk.clip()
    # Of full size: what is expected to take seconds, not milliseconds, is worth taking back.
    job_ids = [await desk.job(clip, params={"steps": 10}) for _ in range(2)]
    while bad.stats["accepted"] < 2:
        await asyncio.sleep(0.02)
    await desk.server(good, "Quick")
    job = await desk.finished(job_ids[1])
    assert outcomes(job) == [("Slow", "taken_back"), ("Quick", "completed")]
    assert job["retry_count"] == 0
    await desk.post(f"/queue/jobs/{job_ids[0]}/cancel", {}, status=200)


async def test_a_server_that_keeps_failing_is_left_alone_and_tried_again(
    desk: Studio, bad: Simulator
) -> None:
    bad.set_fault("prompt_500")
    server_id = await desk.server(bad, "Bad")
    clip = await desk.clip()
    job_ids = [await desk.job(clip, params=SMALL, max_retries=20) for _ in range(3)]
    deadline = asyncio.get_running_loop().time() + 20
    circuit = ""
    while circuit != "open":
        circuit = (await desk.get("/queue/status"))["servers"][server_id]["circuit"]
        assert asyncio.get_running_loop().time() < deadline
        await asyncio.sleep(0.05)
    bad.clear_faults()
    for job_id in job_ids:
        assert (await desk.finished(job_id, 40))["status"] == "completed"
    circuit = (await desk.get("/queue/status"))["servers"][server_id]["circuit"]
    assert circuit == "closed"


async def test_a_server_that_is_switched_off_ends_what_runs_and_no_more(
    desk: Studio, bad: Simulator, good: Simulator
) -> None:
    bad.set_fault("slow", 8)
    server_id = await desk.server(bad, "Off")
    clip = await desk.clip()
    job_ids = [await desk.job(clip, params=SMALL) for _ in range(3)]
    while bad.stats["accepted"] < 2:
        await asyncio.sleep(0.02)
    await desk.client.put(f"/api/v1/comfyui/servers/{server_id}", json={"is_active": False})
    await desk.server(good, "On")
    jobs = [await desk.finished(job_id) for job_id in job_ids]
    assert [job["server_name"] for job in jobs] == ["Off", "On", "On"]
    assert outcomes(jobs[1]) == [("Off", "taken_back"), ("On", "completed")]
    assert rendered(bad) == 1
