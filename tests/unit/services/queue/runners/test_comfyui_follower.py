"""How often the progress of running prompts is written down."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

from backend.models.comfyui_server import ComfyUIServer
from backend.models.content import ContentType
from backend.models.job import Attempt, Job, JobStatus
from backend.services.comfyui.messages import ProgressEvent, ServerQueue, StepDone
from backend.services.queue.runners.comfyui_follower import PromptMonitor, PromptTimeouts
from backend.utils.clock import utc_now

SERVER = ComfyUIServer(id="s", name="S", url="", created_at=utc_now(), updated_at=utc_now())


class Jobs:
    """The repository: counts what is noted of each job."""

    def __init__(self) -> None:
        self.notes: Counter[str] = Counter()
        self.latest: dict[str, dict[str, Any]] = {}
        self.seconds = 0.0

    async def find_by_id(self, job_id: str) -> Job:
        return job(job_id)

    async def note(self, noted: Job, **changes: Any) -> bool:
        self.notes[noted.id] += 1
        self.latest[noted.id] = changes
        return True


class Client:
    """A server whose prompts run on, and tell of a step every 10 ms."""

    async def queue(self, server: ComfyUIServer) -> ServerQueue:
        return ServerQueue(running=("prompt",))

    async def history(self, server: ComfyUIServer, prompt_id: str) -> None:
        return None

    async def progress(self, server: ComfyUIServer, client_id: str) -> AsyncIterator[ProgressEvent]:
        step = 0
        while True:
            step += 1
            yield StepDone(prompt_id="prompt", node_id="3", value=step, max=10_000)
            await asyncio.sleep(0.01)


def job(job_id: str) -> Job:
    place: dict[str, Any] = {"project_id": "p", "scene_id": "s", "clip_id": "c"}
    return Job(
        id=job_id,
        **place,
        generation_type=ContentType.IMAGE,
        prompt="a car",
        status=JobStatus.PROCESSING,
        render={"nodes": {"3": "KSampler"}},
        created_at=utc_now(),
    )


async def notes_of(prompts: int, seconds: float) -> Jobs:
    jobs = Jobs()
    monitor = PromptMonitor(
        jobs,  # type: ignore[arg-type]
        Client(),  # type: ignore[arg-type]
        patience=PromptTimeouts(poll=1.0, lost=10.0, stall=10.0),
        on_start=lambda job_id: None,
        clock=utc_now,
    )
    attempt = Attempt(
        number=1,
        server_id="s",
        server_name="S",
        prompt_id="prompt",
        client_id="client",
        started_at=utc_now(),
    )
    following = [
        asyncio.create_task(monitor.follow(job(f"job-{number}"), attempt, SERVER))
        for number in range(prompts)
    ]
    began = time.monotonic()
    await asyncio.sleep(seconds)
    jobs.seconds = time.monotonic() - began
    for task in following:
        task.cancel()
    await asyncio.gather(*following, return_exceptions=True)
    return jobs


async def test_one_prompt_is_noted_every_half_second() -> None:
    jobs = await notes_of(1, 1.3)
    assert 1 <= jobs.notes["job-0"] <= jobs.seconds / 0.5
    told = jobs.latest["job-0"]
    assert told["current_node"] == "KSampler"
    assert 1 < told["progress_step"] <= jobs.seconds / 0.01


async def test_many_share_twenty_notes_a_second() -> None:
    jobs = await notes_of(30, 1.8)
    assert len(jobs.notes) == 30
    assert max(jobs.notes.values()) <= jobs.seconds / (30 / 20)
