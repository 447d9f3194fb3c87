"""Batches."""

from typing import Annotated

from pydantic import Field

from backend.dtos.generation_dto import RENDER, RenderOrderDTO
from backend.dtos.shared import example_ids
from backend.dtos.shared.common_dto import ResourceId, ResponseDTO, Timestamp, request_example
from backend.dtos.shared.media_address import MediaUrl
from backend.models.content import ContentType


class BatchCreateDTO(RenderOrderDTO):
    model_config = request_example(clip_ids=[example_ids.CLIP], generation_type="image", **RENDER)

    clip_ids: Annotated[list[ResourceId], Field(min_length=1, max_length=10_000)] = Field(
        description="1 to 10,000 clips; a repeated one counts once.",
        examples=[[example_ids.CLIP]],
    )
    generation_type: ContentType = Field(
        default=ContentType.IMAGE, description="image or video.", examples=["image"]
    )


class BatchResultDTO(ResponseDTO):
    content_id: str = Field(
        description="The take in the clip's gallery.", examples=[example_ids.TAKE]
    )
    url: MediaUrl = Field(
        description="Where it is served.", examples=[f"{example_ids.MEDIA}/7c2b/51aa.png"]
    )


class BatchRowDTO(ResponseDTO):
    clip_id: str = Field(description="The clip.", examples=[example_ids.CLIP])
    job_id: str | None = Field(
        description="Its job; null when it got none.", examples=[example_ids.JOB]
    )
    status: str = Field(description="The job's status.", examples=["completed"])
    result: BatchResultDTO | None = Field(description="What came of it; null before that.")
    error: str | None = Field(description="Why it failed.", examples=[None])


class BatchSummaryDTO(ResponseDTO):
    id: str = Field(description="The batch's id.", examples=[example_ids.BATCH])
    status: str = Field(
        description="pending, processing, completed, failed or cancelled; completed as soon as "
        "nothing is left to do and something succeeded.",
        examples=["processing"],
    )
    total: int = Field(description="Clips in the batch.", examples=[6])
    completed: int = Field(description="Jobs that gave a take.", examples=[2])
    failed: int = Field(description="Failed jobs, and clips that got none.", examples=[0])
    cancelled: int = Field(description="Cancelled jobs.", examples=[0])
    started_at: Timestamp = Field(description="When the batch came.", examples=[example_ids.MOMENT])
    updated_at: Timestamp = Field(
        description="When its own record changed last.", examples=[example_ids.MOMENT]
    )


class BatchResponseDTO(BatchSummaryDTO):
    job_ids: list[str] = Field(
        description="In the order of the clips.", examples=[[example_ids.JOB]]
    )
    results: list[BatchRowDTO] = Field(description="In the order of the clips.")


class BatchListDTO(ResponseDTO):
    batches: list[BatchSummaryDTO] = Field(description="Newest first, without their rows.")
    total: int = Field(description="How many there are, beyond this page.", examples=[1])
