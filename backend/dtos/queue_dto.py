"""The queue."""

from typing import Annotated, Any

from pydantic import AliasChoices, Field

from backend.dtos.common_dto import OMITTED, RequestDTO, ResourceId, ResponseDTO, Timestamp
from backend.dtos.generation_dto import RenderOrderDTO
from backend.models.content import ContentType
from backend.models.job import JobStatus, Outcome


class JobCreateDTO(RenderOrderDTO):
    clip_id: ResourceId
    project_id: ResourceId | None = Field(default=None, description="Left out: the clip's project.")
    generation_type: ContentType = Field(
        default=ContentType.IMAGE,
        validation_alias=AliasChoices("generation_type", "job_type"),
        examples=["image"],
    )
    priority: Annotated[int, Field(ge=-100, le=100)] = Field(
        default=0, description="Higher goes first."
    )
    max_retries: Annotated[int, Field(ge=0, le=20)] = Field(
        default=OMITTED, description="Left out: QUEUE_MAX_RETRIES."
    )


class JobCreatedDTO(ResponseDTO):
    job_id: str
    status: JobStatus
    message: str
    queue_position: int | None = Field(description="1 is next; null when it is not waiting.")


class AttemptDTO(ResponseDTO):
    """One sending of the job to a server."""

    number: int
    server_id: str
    server_name: str
    prompt_id: str = Field(description="Its id at the ComfyUI server.")
    started_at: Timestamp
    ended_at: Timestamp | None
    outcome: Outcome | None
    words: str | None = Field(description="What happened, in a sentence.")


class JobResponseDTO(ResponseDTO):
    id: str
    job_id: str = Field(description="The same as `id`.")
    project_id: str
    clip_id: str
    batch_id: str | None
    generation_type: ContentType
    job_type: ContentType = Field(description="The same as `generation_type`.")
    status: JobStatus
    priority: int
    server_id: str | None
    server_name: str | None
    prompt: str
    negative_prompt: str
    model: str | None
    params: dict[str, Any]
    loras: list[dict[str, Any]]
    ignored_params: list[str]
    progress: float = Field(ge=0, le=1)
    progress_step: int | None
    progress_total: int | None
    current_node: str | None
    queue_position: int | None = Field(description="1 is next; null when it is not waiting.")
    eta_seconds: float | None
    retry_count: int
    max_retries: int
    error: str | None
    error_code: str | None
    result_url: str | None
    content_id: str | None
    assignment_reason: str | None
    attempts: list[AttemptDTO]
    seq: int = Field(description="Grows with every change of the job.")
    lease_expires_at: Timestamp | None = Field(
        default=None, description="Until when an external worker holds it."
    )
    created_at: Timestamp
    started_at: Timestamp | None
    completed_at: Timestamp | None


class ServerLoadDTO(ResponseDTO):
    server_name: str
    is_online: bool
    mode: str = Field(description="push: StoryCanvas sends; pull: an external worker asks.")
    current_jobs: int
    max_concurrent: int
    queue_length: int = Field(description="Everything in its own queue, strangers' work too.")
    average_job_time: float | None = Field(description="Seconds; null before the first job.")
    total_completed: int
    total_failed: int
    last_heartbeat: Timestamp | None
    loaded_model: str | None
    circuit: str


class QueueStatusDTO(ResponseDTO):
    pending_jobs: int
    queued_jobs: int = Field(description="The same as `pending_jobs`.")
    processing_jobs: int
    completed_jobs: int
    failed_jobs: int
    cancelled_jobs: int
    total_jobs: int
    active_servers: int = Field(description="Servers that are online and take work.")
    servers: dict[str, ServerLoadDTO]


class ProjectJobsDTO(ResponseDTO):
    project_id: str = Field(description="The project.", examples=["0d3c9a52"])
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
    success: bool = Field(description="Whether it worked.", examples=[True])
    result_url: Annotated[str, Field(min_length=1, max_length=2000)] | None = Field(
        default=None,
        description="Where the result is: under /uploads/, on a registered server or on the"
        " open internet.",
        examples=["/uploads/faces/51aa.png"],
    )
    error: Annotated[str, Field(max_length=2000)] | None = Field(
        default=None, description="What went wrong.", examples=["out of memory"]
    )


class JobMessageDTO(ResponseDTO):
    message: str = Field(description="In words.", examples=["The job was cancelled."])
    job_id: str = Field(description="The job.", examples=["9c41"])
    status: JobStatus = Field(description="Where it stands now.", examples=["cancelled"])


class JobsClearedDTO(ResponseDTO):
    message: str = Field(description="In words.", examples=["6 jobs were cleared."])
    deleted_count: int = Field(description="How many went.", examples=[6])
    status_filter: list[str] = Field(
        description="Which statuses were cleared.", examples=[["completed", "failed", "cancelled"]]
    )
