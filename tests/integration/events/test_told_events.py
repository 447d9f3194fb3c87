"""What is told when jobs, batches and servers do something, through a simulator that renders."""

from pathlib import Path
from typing import Any

import httpx
import pytest

from backend.comfyui_simulator.options import SimulatorOptions
from backend.comfyui_simulator.simulator import Simulator
from backend.models.content import ContentType
from backend.models.job import Job, JobStatus
from backend.server import create_app
from backend.services.queue.job_events import kind_of
from backend.utils.clock import utc_now
from tests.listening import eventually, listening, on_a_port
from tests.studio import Studio, quick_settings


def a_job(status: JobStatus) -> Job:
    return Job(
        id="j", project_id="p", scene_id="s", clip_id="c", status=status,
        generation_type=ContentType.IMAGE, created_at=utc_now(),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("before", "after", "kind"),
    [
        (None, "pending", "job.queued"),
        ("pending", "pending", None),
        ("pending", "processing", "job.started"),
        ("processing", "processing", None),
        ("processing", "pending", "job.requeued"),
        ("failed", "pending", "job.requeued"),
        ("processing", "completed", "job.completed"),
        ("pending", "failed", "job.failed"),
        ("pending", "cancelled", "job.cancelled"),
        (None, "completed", "job.completed"),
    ],
)
def test_what_a_move_is_called(before: str | None, after: str, kind: str | None) -> None:
    was = a_job(JobStatus(before)) if before else None
    assert kind_of(was, a_job(JobStatus(after))) == kind


async def test_a_batch_from_queue_to_gallery(tmp_path: Path) -> None:
    app = create_app(quick_settings(tmp_path))
    async with (
        on_a_port(app) as base,
        httpx.AsyncClient(base_url=base, timeout=20) as client,
        Simulator(SimulatorOptions()) as simulator,
        listening(base) as all_of_it,
    ):
        desk = Studio(client)
        server = await desk.server(simulator)
        clip = await desk.clip(image_prompt="a red car")
        async with listening(base, f"?clip_id={clip['id']}&types=job") as jobs:
            await eventually(lambda: jobs.of("hello"))
            order = {"clip_ids": [clip["id"]], "params": {"steps": 12}}
            batch = await desk.post("/generate/batch", order)
            await jobs.until("job.completed", 1)
        kinds = [event["type"] for event in jobs.events[1:]]
        assert kinds[:2] == ["job.queued", "job.started"]
        assert set(kinds[2:-1]) <= {"job.progress"}
        done = jobs.events[-1]
        assert (done["project_id"], done["batch_id"], done["server_id"]) == (
            clip["project_id"], batch["id"], server,
        )  # fmt: skip
        assert done["data"]["status"] == "completed"
        (added,) = all_of_it.of("content.added")
        (take,) = await desk.takes(clip)
        assert added["data"] == {
            "content_id": take["id"], "content_type": "image", "url": take["url"],
            "thumbnail_url": take["thumbnail_url"],
        }  # fmt: skip
        await all_of_it.until("batch.updated", 1)
        assert {event["batch_id"] for event in all_of_it.of("batch.updated")} == {batch["id"]}
        await desk.client.delete(f"/api/v1/queue/jobs/{done['job_id']}")
        await all_of_it.until("job.removed", 1)


async def test_progress_is_told_while_a_job_runs(tmp_path: Path) -> None:
    app = create_app(quick_settings(tmp_path))
    async with on_a_port(app) as base, listening(base, "?types=job.progress") as stream:
        container: Any = app.state.container
        await eventually(lambda: stream.of("hello"))
        (job,) = await container.base.repositories.jobs.enqueue([a_job(JobStatus.PENDING)])
        running = await container.base.repositories.jobs.move(job, JobStatus.PROCESSING, attempt=1)
        for step in range(1, 50):
            await container.base.repositories.jobs.note(
                running, progress=step / 50, progress_step=step
            )
        await container.base.repositories.jobs.note(running, lease_expires_at=None)
        await eventually(lambda: stream.events[-1]["data"].get("progress_step") == 49, seconds=5)
        assert len(stream.events) < 20


async def test_servers_come_and_go(tmp_path: Path) -> None:
    app = create_app(quick_settings(tmp_path))
    async with (
        on_a_port(app) as base,
        httpx.AsyncClient(base_url=base, timeout=20) as client,
        listening(base, "?types=server") as stream,
    ):
        await eventually(lambda: stream.of("hello"))
        desk = Studio(client)
        async with Simulator(SimulatorOptions()) as simulator:
            server = await desk.server(simulator)
            await desk.client.put(f"/api/v1/comfyui/servers/{server}", json={"name": "B"})
            await stream.until("server.changed", 2)
        await stream.until("server.offline", 1)
        await desk.client.delete(f"/api/v1/comfyui/servers/{server}")
        await stream.until("server.changed", 3)
        names = [event["data"].get("name") for event in stream.of("server.changed")]
        assert names == ["Sim", "B", None]
        assert {event["server_id"] for event in stream.events[1:]} == {server}
        assert stream.of("server.changed")[-1]["data"] == {"removed": True}


async def test_very_many_jobs_are_told_as_one_change(tmp_path: Path) -> None:
    app = create_app(quick_settings(tmp_path))
    async with on_a_port(app) as base, listening(base, "?types=job,batch") as stream:
        await eventually(lambda: stream.of("hello"))
        container: Any = app.state.container
        jobs = [
            a_job(JobStatus.PENDING).model_copy(update={"id": str(number), "batch_id": "b"})
            for number in range(101)
        ]
        await container.base.repositories.jobs.enqueue(jobs)
        await stream.until("batch.updated", 1)
        assert not stream.of("job.queued")
        await container.queue.manager.clear([JobStatus.PENDING])
        await stream.until("job.removed", 1)
        assert stream.of("job.removed")[0]["data"] == {"status": "pending"}
