"""What a ComfyUI server can make, and what it lacks for the rest."""

from pydantic import Field

from backend.dtos.shared import example_ids
from backend.dtos.shared.common_dto import ResponseDTO
from backend.models.content import ContentType


class MissingDTO(ResponseDTO):
    folder: str = Field(
        description="Below models/, or 'nodes' for a node class.", examples=["text_encoders"]
    )
    name: str = Field(
        description="A file, a node class, or a sentence.",
        examples=["umt5_xxl_fp8_e4m3fn_scaled.safetensors"],
    )
    nearest: list[str] = Field(
        description="What the server has that looks like it.", examples=[["umt5_xxl.safetensors"]]
    )


class WorkflowDTO(ResponseDTO):
    id: str = Field(description="The model family's id.", examples=["wan_2_1"])
    name: str = Field(description="For people.", examples=["Wan 2.1 text to video"])
    generation_types: list[ContentType] = Field(description="What it makes.", examples=[["video"]])
    available: bool = Field(description="Whether the server can run it now.", examples=[True])
    models: list[str] = Field(
        description="The server's files that it can run with.",
        examples=[["wan2.1_t2v_1.3B_fp16.safetensors"]],
    )
    missing: list[MissingDTO] = Field(
        description="What the server lacks for it; empty when it is available."
    )


class ServerWorkflowsDTO(ResponseDTO):
    """Offline, nothing is claimed: no workflow is available and none lacks anything."""

    server_id: str = Field(description="The server's id.", examples=[example_ids.SERVER])
    server_name: str = Field(description="For people.", examples=["Studio 4090"])
    is_online: bool = Field(description="Whether it answered.", examples=[True])
    generation_types: list[ContentType] = Field(
        description="What it can make now.", examples=[["image", "video"]]
    )
    workflows: list[WorkflowDTO] = Field(description="One for each family that is known.")
