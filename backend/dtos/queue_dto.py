"""The queue."""

from typing import Annotated, Any

import orjson
from pydantic import AliasChoices, BeforeValidator, Field

from backend.dtos.generation_dto import RENDER, RenderOrderDTO
from backend.dtos.shared import example_ids
from backend.dtos.shared.common_dto import (
    OMITTED,
    RequestDTO,
    ResourceId,
    ResponseDTO,
    Timestamp,
    request_example,
)
from backend.dtos.shared.media_address import AnyForm, LinkedObject, MediaUrl
from backend.models.content import ContentType
from backend.models.job import JobStatus, Outcome

ModelName = Annotated[str, Field(min_length=1, max_length=500)]
WorkerName = Annotated[str, Field(min_length=1, max_length=100)]


def _unpacked(workflow: object) -> object:
    """A graph is kept as JSON text."""
    return orjson.loads(workflow) if isinstance(workflow, str) else workflow


class JobCreateDTO(RenderOrderDTO):
    model_config = request_example(
        clip_id=example_ids.CLIP, generation_type="image", priority=0, **RENDER
    )

    clip_id: ResourceId = Field(
        description="The clip that gets the take: one of yours.", examples=[example_ids.CLIP]
    )
    project_id: ResourceId | None = Field(
        default=None, description="Left out: the clip's project.", examples=[example_ids.PROJECT]
    )
    generation_type: ContentType = Field(
        default=ContentType.IMAGE,
        description="image or video; `job_type` is taken too.",
        validation_alias=AliasChoices("generation_type", "job_type"),
        examples=["image"],
    )
    priority: Annotated[int, Field(ge=-100, le=100)] = Field(
        default=0, description="Higher goes first.", examples=[0]
    )
    max_retries: Annotated[int, Field(ge=0, le=20)] = Field(
        default=OMITTED, description="Left out: QUEUE_MAX_RETRIES.", examples=[2]
    )


class JobCreatedDTO(ResponseDTO):
    job_id: str = Field(description="The job's id.", examples=[example_ids.JOB])
    status: JobStatus = Field(description="Where it stands.", examples=["pending"])
    message: str = Field(description="In words.", examples=["The job is in the queue."])
    queue_position: int | None = Field(
        description="1 is next; null when it is not waiting.", examples=[1]
    )


class AttemptDTO(ResponseDTO):
    """One sending of the job to a server."""

    number: int = Field(description="1 is the first.", examples=[1])
    server_id: str = Field(description="Where it was sent.", examples=[example_ids.SERVER])
    server_name: str = Field(description="What that was called then.", examples=["Studio 4090"])
    prompt_id: str = Field(
        description="Its id at the ComfyUI server.",
        examples=["3f1e2d4c-5b6a-4798-8a9b-0c1d2e3f0001"],
    )
    started_at: Timestamp = Field(description="UTC.", examples=[example_ids.MOMENT])
    ended_at: Timestamp | None = Field(
        description="Null while it runs.", examples=["2026-03-01T12:00:08.250Z"]
    )
    outcome: Outcome | None = Field(description="How it ended.", examples=["completed"])
    words: str | None = Field(description="What happened, in a sentence.", examples=["Rendered."])


class JobResultDTO(ResponseDTO):
    url: MediaUrl = Field(
        description="Where it is served.", examples=[f"{example_ids.MEDIA}/7c2b/51aa.png"]
    )
    thumbnail_url: MediaUrl | None = Field(
        description="A small picture of it.", examples=[f"{example_ids.MEDIA}/7c2b/51aa_t.webp"]
    )


class JobResponseDTO(ResponseDTO):
    id: str = Field(description="The job's id.", examples=[example_ids.JOB])
    job_id: str = Field(description="The same as `id`.", examples=[example_ids.JOB])
    project_id: str | None = Field(
        description="Its clip's or character's project; null: of a character of every project.",
        examples=[example_ids.PROJECT],
    )
    clip_id: str | None = Field(
        description="The clip that gets the take; null: a character does.",
        examples=[example_ids.CLIP],
    )
    character_id: str | None = Field(
        description="The character whose picture it makes, and who gets the take; null: a clip's.",
        examples=[None],
    )
    batch_id: str | None = Field(
        description="The batch it belongs to.", examples=[example_ids.BATCH]
    )
    generation_type: ContentType = Field(description="image or video.", examples=["image"])
    job_type: ContentType = Field(description="The same as `generation_type`.", examples=["image"])
    status: JobStatus = Field(
        description="pending, processing, completed, failed or cancelled.",
        examples=["processing"],
    )
    priority: int = Field(description="Higher goes first.", examples=[0])
    server_id: str | None = Field(
        description="Where it runs, or ran last.", examples=[example_ids.SERVER]
    )
    server_name: str | None = Field(description="What that is called.", examples=["Studio 4090"])
    prompt: str = Field(
        description="What is to be seen.", examples=["a red car under neon, rain, 35 mm"]
    )
    negative_prompt: str = Field(description="What is not.", examples=["text, watermark"])
    model: str | None = Field(
        description="As asked for; null: the first one that fits.",
        examples=["sd_xl_base_1.0.safetensors"],
    )
    params: LinkedObject = Field(
        description="As asked for, and `prompt` once more.",
        examples=[{"width": 1024, "height": 576, "steps": 20}],
    )
    loras: list[dict[str, Any]] = Field(
        description="As asked for.", examples=[[{"name": "film_grain.safetensors", "weight": 0.6}]]
    )
    ignored_params: list[str] = Field(
        description="Parameters that were sent and that nobody reads.", examples=[["clip_skip"]]
    )
    progress: float = Field(ge=0, le=1, description="1 is done.", examples=[0.45])
    progress_step: int | None = Field(description="Of the node that runs.", examples=[9])
    progress_total: int | None = Field(description="Steps of that node.", examples=[20])
    current_node: str | None = Field(
        description="The node that runs, by its id in the graph.", examples=["3"]
    )
    queue_position: int | None = Field(
        description="1 is next; null when it is not waiting.", examples=[None]
    )
    eta_seconds: float | None = Field(
        description="Seconds until it should be done; null when nobody knows.", examples=[None]
    )
    retry_count: int = Field(description="Tries after the first.", examples=[0])
    max_retries: int = Field(description="How many there may be.", examples=[2])
    error: str | None = Field(
        description="Why it failed, or what went wrong last time.", examples=[None]
    )
    error_code: str | None = Field(description="The same for programs.", examples=[None])
    result_url: MediaUrl | None = Field(
        description="Where its first take is served.",
        examples=[f"{example_ids.MEDIA}/7c2b/51aa.png"],
    )
    result: JobResultDTO | None = Field(description="Its first take; null until it is completed.")
    content_id: str | None = Field(
        description="That take in the gallery.", examples=[example_ids.TAKE]
    )
    assignment_reason: str | None = Field(
        description="Why it runs where it runs, or why it waits.",
        examples=["Studio 4090 has the model loaded."],
    )
    attempts: list[AttemptDTO] = Field(description="Oldest first.")
    seq: int = Field(description="Grows with every change of the job.", examples=[7])
    lease_expires_at: Timestamp | None = Field(
        default=None, description="Until when an external worker holds it.", examples=[None]
    )
    created_at: Timestamp = Field(description="UTC.", examples=[example_ids.MOMENT])
    started_at: Timestamp | None = Field(
        description="When it was sent last.", examples=[example_ids.MOMENT]
    )
    completed_at: Timestamp | None = Field(description="When it ended.", examples=[None])


class LeasedJobDTO(JobResponseDTO):
    """A job as a worker gets it: with everything that is needed to make it."""

    workflow_json: Annotated[dict[str, Any] | None, BeforeValidator(_unpacked)] = Field(
        description="A graph of the user in ComfyUI's API format, to run instead of one of your"
        " own; `{{prompt}}`, `{{seed}}` and such, in inputs or in nodes' titles, stand for the"
        " job's values.",
        examples=[None],
    )


class ServerLoadDTO(ResponseDTO):
    server_name: str = Field(description="For people.", examples=["Studio 4090"])
    is_online: bool = Field(description="Whether it answers.", examples=[True])
    mode: str = Field(
        description="push: StoryCanvas sends; pull: an external worker asks.", examples=["push"]
    )
    current_jobs: int = Field(description="Jobs of ours that it has.", examples=[1])
    max_concurrent: int = Field(description="How many it may have.", examples=[1])
    queue_length: int = Field(
        description="Everything in its own queue, strangers' work too.", examples=[1]
    )
    average_job_time: float | None = Field(
        description="Seconds; null before the first job.", examples=[8.2]
    )
    total_completed: int = Field(description="Jobs that it completed.", examples=[412])
    total_failed: int = Field(description="Jobs that failed there.", examples=[3])
    last_heartbeat: Timestamp | None = Field(
        description="When it answered last.", examples=[example_ids.MOMENT]
    )
    loaded_model: str | None = Field(
        description="The model it rendered with last.", examples=["sd_xl_base_1.0.safetensors"]
    )
    circuit: str = Field(
        description="open: it failed too often, and gets nothing for a while.",
        examples=["closed"],
    )


class QueueStatusDTO(ResponseDTO):
    pending_jobs: int = Field(description="Jobs that wait.", examples=[4])
    queued_jobs: int = Field(description="The same as `pending_jobs`.", examples=[4])
    processing_jobs: int = Field(description="Jobs that run.", examples=[1])
    completed_jobs: int = Field(description="Jobs that gave a take.", examples=[412])
    failed_jobs: int = Field(description="Jobs that failed.", examples=[3])
    cancelled_jobs: int = Field(description="Jobs that were cancelled.", examples=[0])
    total_jobs: int = Field(description="All of them.", examples=[420])
    active_servers: int = Field(description="Servers that are online and take work.", examples=[1])
    servers: dict[str, ServerLoadDTO] = Field(
        description="ComfyUI servers and external workers, by id."
    )


class ProjectJobsDTO(ResponseDTO):
    project_id: str = Field(description="The project.", examples=[example_ids.PROJECT])
    total_jobs: int = Field(description="All its jobs, beyond this page.", examples=[6])
    by_status: dict[str, int] = Field(
        description="How many there are of each status.", examples=[{"completed": 6}]
    )
    jobs: list[JobResponseDTO] = Field(description="One page, newest first.")


class RegisterServerDTO(RequestDTO):
    """Sent again it is the heartbeat of an external worker."""

    server_name: Annotated[str, Field(max_length=200)] | None = Field(
        default=None,
        description="What people call it; a ComfyUI server keeps its name.",
        examples=["Render node 7"],
    )
    is_online: bool = Field(default=True, description="false: takes no new work.", examples=[True])
    max_concurrent: Annotated[int, Field(ge=1, le=64)] = Field(
        default=1, description="How many jobs it may hold at once.", examples=[1]
    )
    generation_types: Annotated[list[ContentType], Field(max_length=10)] | None = Field(
        default=None,
        description="An external worker gets only jobs of these kinds; null: of every kind. Left"
        " out of a heartbeat: as it said before.",
        examples=[["image"]],
    )
    models: Annotated[list[ModelName], Field(max_length=1000)] | None = Field(
        default=None,
        description="The models that an external worker has: file names, or families such as"
        " sdxl. It gets jobs that name one of them, or none; null: every job. Left out of a"
        " heartbeat: as it said before.",
        examples=[["sd_xl_base_1.0.safetensors", "wan_2_1"]],
    )
    custom_workflows: bool = Field(
        default=True,
        description="false: an external worker gets no jobs with a graph of the user. Left out of"
        " a heartbeat: as it said before.",
        examples=[True],
    )
    job_ids: Annotated[list[ResourceId], Field(max_length=64)] | None = Field(
        default=None,
        description="The jobs that an external worker has in hand: only their leases are renewed."
        " Left out: those of all jobs it was given.",
        examples=[[example_ids.JOB]],
    )


class ServerRegisteredDTO(ResponseDTO):
    message: str = Field(description="In words.", examples=["'Node 7' is registered."])
    server_id: str = Field(description="The id it registered with.", examples=["node-7"])
    server_name: str = Field(description="What people call it.", examples=["Node 7"])
    is_online: bool = Field(description="Whether it takes work.", examples=[True])
    max_concurrent: int = Field(description="Jobs it may hold at once.", examples=[1])
    mode: str = Field(
        description="push: a ComfyUI server, which is sent its jobs; pull: it asks for them.",
        examples=["pull"],
    )


class CompleteJobDTO(RequestDTO):
    model_config = request_example(success=False, error="out of memory")

    success: bool = Field(description="Whether it worked.", examples=[True])
    result_url: Annotated[str, Field(min_length=1, max_length=2000), AnyForm] | None = Field(
        default=None,
        description="Where the result is: under /uploads/, on a registered server or on the"
        " open internet.",
        examples=["/uploads/faces/51aa.png"],
    )
    error: Annotated[str, Field(max_length=2000)] | None = Field(
        default=None, description="What went wrong.", examples=["out of memory"]
    )
    server_id: WorkerName | None = Field(
        default=None,
        description="The worker that reports. If another one has the job by now, the report is"
        " late; without this it counts for whoever has it.",
        examples=["render-node-7"],
    )


class JobMessageDTO(ResponseDTO):
    message: str = Field(description="In words.", examples=["The job was cancelled."])
    job_id: str = Field(description="The job.", examples=[example_ids.JOB])
    status: JobStatus = Field(description="Where it stands now.", examples=["cancelled"])


class JobsClearedDTO(ResponseDTO):
    message: str = Field(description="In words.", examples=["6 jobs were cleared."])
    deleted_count: int = Field(description="How many went.", examples=[6])
    status_filter: list[str] = Field(
        description="Which statuses were cleared.", examples=[["completed", "failed", "cancelled"]]
    )
