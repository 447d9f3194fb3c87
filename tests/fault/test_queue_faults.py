"""What servers do to jobs in the field. Each job ends completed once, and no frame is lost."""

import asyncio
import re
import time
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
    async with studio(tmp_path) as running:
        yield running


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with Simulator(SimulatorOptions(seconds_per_step=0.03)) as running:
        yield running


def rendered(*simulators: Simulator) -> int:
    """How many prompts were rendered, each counted as often as it was."""
    return sum(sum(simulator.stats["rendered"].values()) for simulator in simulators)


async def run_one(desk: Studio, simulator: Simulator, **fields: Any) -> dict[str, Any]:
    await desk.server(simulator)
    clip = await desk.clip()
    job = await desk.finished(await desk.job(clip, params=SMALL, **fields))
    assert len(await desk.takes(clip)) == (job["status"] == "completed")
    return job


@pytest.mark.parametrize("fault", ["dropped_answer", "delayed_answer"])
async def test_a_lost_answer_is_looked_up_not_sent_again(
    desk: Studio, simulator: Simulator, fault: str
) -> None:
    simulator.set_fault(fault, times=1)
    job = await run_one(desk, simulator)
    assert job["status"] == "completed"
    assert rendered(simulator) == simulator.stats["accepted"] == 1


async def test_a_silent_websocket_only_costs_the_progress(
    desk: Studio, simulator: Simulator
) -> None:
    simulator.set_fault("silent_websocket")
    job = await run_one(desk, simulator)
    assert job["status"] == "completed"
    assert rendered(simulator) == 1


async def test_a_server_that_forgot_gets_the_prompt_again(
    desk: Studio, simulator: Simulator
) -> None:
    simulator.set_fault("lose_history", times=1)
    job = await run_one(desk, simulator)
    assert job["status"] == "completed"
    assert [attempt["outcome"] for attempt in job["attempts"]] == ["forgotten", "completed"]
    assert job["retry_count"] == 0


async def test_a_server_that_died_and_came_back_finishes_the_job(
    desk: Studio, simulator: Simulator
) -> None:
    await desk.server(simulator)
    job_id = await desk.job(await desk.clip(), params={**SMALL, "steps": 60})
    await desk.until(job_id, lambda job: job["progress"] > 0)
    await simulator.die()
    await asyncio.sleep(0.3)
    await simulator.restart()
    job = await desk.finished(job_id)
    assert job["status"] == "completed"
    assert job["attempts"][0]["outcome"] in {"forgotten", "lost"}
    assert job["retry_count"] == 0


async def test_a_dead_servers_job_goes_to_the_other_one(desk: Studio, simulator: Simulator) -> None:
    await desk.server(simulator, "Dies")
    job_id = await desk.job(await desk.clip(), params=SMALL)
    await desk.until(job_id, lambda job: job["status"] == "processing")
    async with Simulator() as other:
        await desk.server(other, "Lives")
        await simulator.die()
        job = await desk.finished(job_id)
        assert (job["status"], job["server_name"]) == ("completed", "Lives")
        assert job["attempts"][0]["outcome"] == "lost"
        assert "Dies" in job["attempts"][0]["words"]


async def test_a_server_that_was_out_of_reach_is_asked_before_anything_is_sent_again(
    desk: Studio, simulator: Simulator
) -> None:
    await desk.server(simulator)
    job_id = await desk.job(await desk.clip(), params={**SMALL, "steps": 30})
    await desk.until(job_id, lambda job: job["status"] == "processing")
    simulator.set_fault("history_500")
    await desk.until(job_id, lambda job: job["attempts"][0]["outcome"] == "lost")
    simulator.clear_faults()
    job = await desk.finished(job_id)
    assert [attempt["outcome"] for attempt in job["attempts"]] == ["lost", "completed"]
    assert len({attempt["prompt_id"] for attempt in job["attempts"]}) == 1
    assert rendered(simulator) == simulator.stats["accepted"] == 1


async def test_while_no_server_answers_the_job_waits(desk: Studio, simulator: Simulator) -> None:
    await desk.server(simulator)
    await simulator.die()
    job_id = await desk.job(await desk.clip(), params=SMALL)
    await asyncio.sleep(0.6)
    assert (await desk.get(f"/queue/jobs/{job_id}"))["status"] == "pending"
    await simulator.restart()
    assert (await desk.finished(job_id))["status"] == "completed"


@pytest.mark.parametrize(
    ("fault", "times"),
    [("truncated_download", 1), ("garbage_download", 1), ("history_500", 3)],
)
async def test_a_passing_fault_of_the_result_is_ridden_out(
    desk: Studio, simulator: Simulator, fault: str, times: int
) -> None:
    simulator.set_fault(fault, times=times)
    job = await run_one(desk, simulator)
    assert job["status"] == "completed"
    assert rendered(simulator) == 1


async def test_a_wrong_content_type_is_no_fault_of_the_picture(
    desk: Studio, simulator: Simulator
) -> None:
    simulator.set_fault("wrong_content_type")
    assert (await run_one(desk, simulator))["status"] == "completed"


async def test_an_execution_error_is_tried_again_then_told_in_comfyuis_words(
    desk: Studio, simulator: Simulator
) -> None:
    simulator.set_fault("execution_error", "the sampler tripped", times=1)
    job = await run_one(desk, simulator)
    assert (job["status"], job["retry_count"]) == ("completed", 1)
    simulator.set_fault("execution_error", "the sampler tripped")
    failing = await desk.job(await desk.clip(), params=SMALL, max_retries=0)
    job = await desk.finished(failing)
    assert (job["status"], job["error_code"]) == ("failed", "EXECUTION_ERROR")
    assert "the sampler tripped" in job["error"]


async def test_out_of_memory_says_so(desk: Studio, simulator: Simulator) -> None:
    simulator.set_fault("out_of_memory")
    job = await run_one(desk, simulator, max_retries=0)
    assert (job["status"], job["error_code"]) == ("failed", "OUT_OF_MEMORY")


async def test_a_graph_that_is_rejected_fails_at_once(desk: Studio, simulator: Simulator) -> None:
    simulator.set_fault("reject")
    job = await run_one(desk, simulator)
    assert (job["status"], len(job["attempts"]), job["retry_count"]) == ("failed", 1, 0)
    assert job["attempts"][0]["outcome"] == "rejected"


async def test_garbage_for_good_fails_and_leaves_no_file(
    desk: Studio, simulator: Simulator, tmp_path: Path
) -> None:
    simulator.set_fault("garbage_download")
    job = await run_one(desk, simulator, max_retries=0)
    assert job["status"] == "failed"
    assert [path for path in (tmp_path / "uploads").rglob("*") if path.is_file()] == []


async def test_a_stranger_who_interrupts_costs_a_retry_not_the_job(
    desk: Studio, simulator: Simulator
) -> None:
    await desk.server(simulator)
    job_id = await desk.job(await desk.clip(), params={**SMALL, "steps": 40})
    job = await desk.until(job_id, lambda job: job["progress"] > 0)
    async with desk.client.__class__(base_url=simulator.url) as stranger:
        await stranger.post("/interrupt")
    job = await desk.finished(job_id)
    assert job["status"] == "completed"
    assert [attempt["outcome"] for attempt in job["attempts"]] == ["interrupted", "completed"]


async def test_a_clip_deleted_while_it_renders_leaves_nothing(
    desk: Studio, simulator: Simulator, tmp_path: Path
) -> None:
    await desk.server(simulator)
    clip = await desk.clip()
    job_id = await desk.job(clip, params={**SMALL, "steps": 40})
    await desk.until(job_id, lambda job: job["progress"] > 0)
    assert (await desk.client.delete(f"/api/v1/clips/{clip['id']}")).status_code == 200
    assert (await desk.get(f"/queue/jobs/{job_id}"))["status"] == "cancelled"
    follow_up = await desk.finished(await desk.job(await desk.clip(), params=SMALL))
    assert follow_up["status"] == "completed"
    assert simulator.stats["interrupted"]
    assert not list((tmp_path / "uploads").glob(f"projects/*/{clip['id']}"))


async def test_an_inactive_server_takes_no_new_work_but_ends_what_it_has(
    desk: Studio, simulator: Simulator
) -> None:
    server_id = await desk.server(simulator)
    running = await desk.job(await desk.clip(), params={**SMALL, "steps": 30})
    await desk.until(running, lambda job: job["progress"] > 0)
    await desk.client.put(f"/api/v1/comfyui/servers/{server_id}", json={"is_active": False})
    waiting = await desk.job(await desk.clip(), params=SMALL)
    assert (await desk.finished(running))["status"] == "completed"
    assert (await desk.get(f"/queue/jobs/{waiting}"))["status"] == "pending"
    await desk.client.put(f"/api/v1/comfyui/servers/{server_id}", json={"is_active": True})
    assert (await desk.finished(waiting))["status"] == "completed"


async def test_a_network_that_blinks_costs_nothing(tmp_path: Path) -> None:
    """Longer than the WebSocket takes to try again, shorter than SERVER_LOST_SECONDS."""
    async with (
        Simulator(SimulatorOptions(seconds_per_step=0.1)) as simulator,
        studio(tmp_path, server_lost_seconds=20) as desk,
    ):
        road = Road(simulator.port)
        await road.open()
        await desk.post("/comfyui/servers", {"name": "Far away", "url": road.url})
        job_id = await desk.job(await desk.clip(), params={**SMALL, "steps": 30})
        await desk.until(job_id, lambda job: job["progress"] > 0)
        await road.close()
        await asyncio.sleep(3.5)
        await road.open()
        job = await desk.finished(job_id)
        await road.close()
        assert job["status"] == "completed"
        assert [attempt["outcome"] for attempt in job["attempts"]] == ["completed"]
        assert rendered(simulator) == 1


async def test_a_server_that_stays_dead_is_told_as_lost_not_as_our_fault(
    tmp_path: Path, simulator: Simulator
) -> None:
    async with studio(tmp_path, server_lost_seconds=4) as desk, Simulator() as other:
        await desk.server(simulator, "Dies")
        job_id = await desk.job(await desk.clip(), params={**SMALL, "steps": 90})
        await desk.until(job_id, lambda job: job["progress"] > 0)
        await simulator.die()
        await desk.server(other, "Lives")
        job = await desk.finished(job_id)
        assert (job["status"], job["server_name"], job["retry_count"]) == ("completed", "Lives", 0)
        assert [attempt["outcome"] for attempt in job["attempts"]] == ["lost", "completed"]


async def test_a_server_that_froze_is_lost_in_time_and_holds_up_no_cancel(tmp_path: Path) -> None:
    """It takes connections and answers nothing: a client would wait 15 s for each question."""
    async with (
        Simulator(SimulatorOptions(seconds_per_step=0.1)) as simulator,
        Simulator() as other,
        studio(tmp_path, server_lost_seconds=5) as desk,
    ):
        road = Road(simulator.port)
        await road.open()
        await desk.post("/comfyui/servers", {"name": "Freezes", "url": road.url})
        clip = await desk.clip()
        jobs = [await desk.job(clip, params={**SMALL, "steps": 200}) for _ in range(2)]
        await desk.until(jobs[0], lambda job: job["progress"] > 0)
        await desk.until(jobs[1], lambda job: job["status"] == "processing")
        road.is_deaf = True
        began = time.monotonic()
        await desk.post(f"/queue/jobs/{jobs[1]}/cancel", {}, 200)
        assert time.monotonic() - began < 6
        await desk.server(other, "Lives")
        moved = await desk.until(jobs[0], lambda job: len(job["attempts"]) > 1)
        await road.close()
        assert time.monotonic() - began < 14
        assert moved["attempts"][0]["outcome"] == "lost"
        assert re.search(r"'Freezes' did not answer for [5-9] s", moved["attempts"][0]["words"])
