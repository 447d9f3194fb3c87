"""As many jobs wait as may: more is refused whole, and what is not a job comes through."""

import asyncio
from pathlib import Path
from typing import Any

from tests.integration.generation.test_batches import clips
from tests.studio import Studio, studio

JOBS = "/api/v1/queue/jobs"


async def refused(desk: Studio, path: str, body: dict[str, Any] | None = None) -> str:
    """Give the sentence of a refusal."""
    response = await desk.client.post(f"/api/v1{path}", json=body)
    assert (response.status_code, response.json()["error"]["code"]) == (429, "QUEUE_FULL")
    assert int(response.headers["Retry-After"]) > 0
    return str(response.json()["detail"])


async def test_a_full_queue_takes_jobs_again_once_there_is_room(tmp_path: Path) -> None:
    async with studio(tmp_path, queue_max_pending=3) as desk:
        clip_ids = await clips(desk, 4)
        queued = [await desk.job({"id": clip_id}) for clip_id in clip_ids[:3]]
        wish = {"clip_id": clip_ids[3], "prompt": "rain"}
        assert "QUEUE_MAX_PENDING" in await refused(desk, "/queue/jobs", wish)
        await refused(desk, "/generate", wish)
        await desk.client.post(f"{JOBS}/{queued[0]}/cancel")
        await desk.post("/queue/jobs", wish)
        await refused(desk, f"/queue/jobs/{queued[0]}/retry")
        assert (await desk.get("/queue/status"))["pending_jobs"] == 3


async def test_a_batch_gets_in_whole_or_not_at_all(tmp_path: Path) -> None:
    async with studio(tmp_path, queue_max_pending=5) as desk:
        clip_ids = await clips(desk, 4)
        await desk.job({"id": clip_ids[0]})
        await desk.job({"id": clip_ids[1]})
        words = await refused(desk, "/generate/batch", {"clip_ids": clip_ids})
        assert "2 jobs wait, 4 more" in words
        assert (await desk.get("/generate/batches"))["total"] == 0
        await desk.post("/generate/batch", {"clip_ids": [*clip_ids[:3], "nobody"]})
        assert (await desk.get("/queue/status"))["pending_jobs"] == 5


async def test_one_project_leaves_room_for_others(tmp_path: Path) -> None:
    async with studio(tmp_path, queue_max_pending_per_project=2) as desk:
        [first, second, third] = await clips(desk, 3)
        await desk.post("/generate/batch", {"clip_ids": [first, second]})
        wish = {"clip_id": third, "prompt": "rain"}
        assert "QUEUE_MAX_PENDING_PER_PROJECT" in await refused(desk, "/queue/jobs", wish)
        await desk.job(await desk.clip())


async def test_of_many_at_once_no_more_get_in_than_there_is_room_for(tmp_path: Path) -> None:
    async with studio(tmp_path, queue_max_pending=4) as desk:
        [clip_id] = await clips(desk, 1)
        wish = {"clip_id": clip_id, "prompt": "rain"}
        answers = await asyncio.gather(*(desk.client.post(JOBS, json=wish) for _ in range(12)))
        codes = sorted(answer.status_code for answer in answers)
        assert codes == [201] * 4 + [429] * 8


async def test_a_clip_is_made_though_its_job_has_no_room(tmp_path: Path) -> None:
    async with studio(tmp_path, queue_max_pending=1) as desk:
        first = await desk.clip(image_prompt="rain", auto_generate=True)
        second = await desk.clip(image_prompt="rain", auto_generate=True)
        assert (len(first["queued_job_ids"]), second["queued_job_ids"]) == (1, [])
        assert (await desk.get(f"/clips/{second['id']}"))["image_prompt"] == "rain"


async def test_a_known_idempotency_key_needs_no_room(tmp_path: Path) -> None:
    async with studio(tmp_path, queue_max_pending=1) as desk:
        [clip_id] = await clips(desk, 1)
        wish = {"clip_id": clip_id, "prompt": "rain"}
        headers = {"Idempotency-Key": "one"}
        answers = [await desk.client.post(JOBS, json=wish, headers=headers) for _ in range(2)]
        assert answers[0].json()["job_id"] == answers[1].json()["job_id"]
