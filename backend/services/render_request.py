"""What a job asks to be rendered, in the terms of the workflow builders."""

import json
from typing import Any

from backend.models.job import Job
from backend.models.render import RenderRequest


def render_request(job: Job, attempt: int) -> RenderRequest:
    """`attempt` is part of the file name, so that a repeat writes a file of its own.

    Without that a server would answer a repeat from its cache with the old file's name, which
    may be the file that was broken or gone.
    """
    params: dict[str, Any] = job.params
    return RenderRequest(
        kind=job.generation_type,
        prompt=job.prompt,
        negative_prompt=job.negative_prompt,
        model=job.model,
        loras=tuple((lora["name"], lora["weight"]) for lora in job.loras),
        width=params.get("width"),
        height=params.get("height"),
        steps=params.get("steps"),
        cfg=params.get("cfg"),
        sampler=params.get("sampler"),
        scheduler=params.get("scheduler"),
        seed=params["seed"],
        frames=params.get("video_frames"),
        fps=params.get("video_fps"),
        preset=params.get("preset"),
        denoise=params.get("denoise"),
        batch_size=params.get("batch_size") or 1,
        workflow_json=json.loads(job.workflow_json) if job.workflow_json else None,
        filename_prefix=f"storycanvas/{job.id}_{attempt}",
    )
