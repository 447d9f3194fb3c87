"""Decides which jobs an external worker can make, by what it says of itself. Pure."""

from datetime import datetime
from typing import Any

from backend.models.job import Job
from backend.models.worker import Worker
from backend.services.comfyui.catalog import resolve_file
from backend.services.families.detection import detect_family


def why_not(job: Job, worker: Worker, now: datetime) -> str | None:
    """Say why a worker may not have a pending job now; None when it may."""
    who = f"'{worker.name}'"
    kinds = worker.generation_types
    reasons = (
        (job.provider is not None, "It is for the video provider."),
        (job.plan_json is not None, "Its graph is sent as it is, and only to a ComfyUI server."),
        (job.not_before is not None and job.not_before > now, "It waits before its next try."),
        (job.pinned_server_id not in {None, worker.id}, "It was asked for another server."),
        (
            kinds is not None and job.generation_type not in kinds,
            f"{who} makes no {job.generation_type}s.",
        ),
        (
            job.workflow_json is not None and not worker.custom_workflows,
            f"{who} runs no workflows of users.",
        ),
        (not _has_model(job, worker), f"{who} does not have '{job.model}'."),
    )
    return next((words for holds, words in reasons if holds), None)


def facts_for_worker(job: Job) -> dict[str, Any]:
    """What a worker's take says of how it was made: what was asked for, for nobody else knows."""
    family = detect_family(job.model) if job.model else None
    return {
        "model_name": job.model,
        "model_type": family.id if family else None,
        "seed": job.params.get("seed"),
    }


def _has_model(job: Job, worker: Worker) -> bool:
    """A job that names no model leaves the choice to whoever makes it, and so does a graph."""
    if worker.models is None or job.model is None or job.workflow_json is not None:
        return True
    family = detect_family(job.model)
    by_family = family is not None and family.id in worker.models
    return by_family or resolve_file(job.model, worker.models) is not None
