"""Translates a job into a request to the workflow builders."""

import json
from typing import Any

from backend.models.job import Job
from backend.models.provenance import GraphPlan
from backend.models.render import FILE_PREFIX, LoraUse, RenderRequest

#: Params that a request knows under the same name.
_SAME = (
    "width", "height", "steps", "cfg", "sampler", "scheduler", "preset", "denoise", "family",
    "guidance", "shift", "clip_skip", "motion_bucket_id", "refiner", "vae", "init_image",
    "end_image", "mask", "input_reference_url",
)  # fmt: skip


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
        loras=tuple(
            LoraUse(lora["name"], lora["weight"], lora.get("clip_weight")) for lora in job.loras
        ),
        **{name: params.get(name) for name in _SAME},
        seed=params["seed"],
        frames=params.get("video_frames"),
        fps=params.get("video_fps"),
        reference_images=tuple(params.get("reference_images") or ()),
        batch_size=params.get("batch_size") or 1,
        workflow_json=json.loads(job.workflow_json) if job.workflow_json else None,
        plan=GraphPlan.model_validate_json(job.plan_json) if job.plan_json else None,
        attempt=attempt,
        filename_prefix=file_prefix(job.id, attempt),
    )


def file_prefix(job_id: str, attempt: int) -> str:
    """Give the prefix of an attempt's files at the server."""
    return f"{FILE_PREFIX}/{job_id}_{attempt}"
