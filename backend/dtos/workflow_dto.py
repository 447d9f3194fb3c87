"""Saved workflows."""

from typing import Any, Literal

from pydantic import Field

from backend.dtos.generation_dto import WorkflowJson
from backend.dtos.shared import example_ids
from backend.dtos.shared.common_dto import (
    OMITTED,
    Name,
    RequestDTO,
    ResourceId,
    ResponseDTO,
    Timestamp,
    request_example,
)
from backend.dtos.shared.kept_params import Description

_GRAPH: dict[str, Any] = {
    "1": {
        "class_type": "EmptyImage",
        "inputs": {"width": "{{width}}", "height": "{{height}}", "batch_size": 1, "color": 0},
    },
    "2": {
        "class_type": "SaveImage",
        "inputs": {"images": ["1", 0], "filename_prefix": "{{filename_prefix}}"},
    },
}
_NAME = "Two-pass portrait"
_ABOUT = "Takes a picture; made for faces."


class WorkflowCreateDTO(RequestDTO):
    model_config = request_example(
        project_id=example_ids.PROJECT, name=_NAME, description=_ABOUT, workflow_json=_GRAPH
    )

    project_id: ResourceId = Field(
        description="Clips of this project may use it.", examples=[example_ids.PROJECT]
    )
    name: Name = Field(description="1 to 200 characters.", examples=[_NAME])
    description: Description = Field(default="", description="For people.", examples=[_ABOUT])
    workflow_json: WorkflowJson = Field(
        description="A graph in ComfyUI's API format, as an object or as text, of at most"
        " 1,000,000 bytes. `{{prompt}}` and such, in inputs or in nodes' titles, stand for the"
        " request's values.",
        examples=[_GRAPH],
    )


class WorkflowUpdateDTO(RequestDTO):
    """Fields left out stay as they are. Queued jobs keep the graph that they came with."""

    model_config = request_example(name=_NAME, workflow_json=_GRAPH)

    name: Name = Field(default=OMITTED, description="1 to 200 characters.", examples=[_NAME])
    description: Description = Field(default=OMITTED, description="For people.", examples=[_ABOUT])
    workflow_json: WorkflowJson = Field(
        default=OMITTED, description="Replaces the whole graph.", examples=[_GRAPH]
    )


class BindingDTO(ResponseDTO):
    node_id: str = Field(description="The node's id in the graph.", examples=["1"])
    class_type: str = Field(description="The node's class.", examples=["EmptyImage"])
    title: str | None = Field(
        description="The node's title, where the export has one.", examples=["Canvas"]
    )
    input_name: str = Field(description="The input that is filled in.", examples=["width"])
    bound_to: str = Field(
        description="What fills it in: prompt, negative_prompt, seed, width, height, steps, cfg,"
        " image or filename_prefix.",
        examples=["width"],
    )
    by: Literal["input", "title"] = Field(
        description="Where the placeholder stands.", examples=["input"]
    )


class NeededFileDTO(ResponseDTO):
    folder: str = Field(
        description="Below the server's models/; … where the input does not tell.",
        examples=["checkpoints"],
    )
    name: str = Field(description="As the graph names it.", examples=["sd_xl_base_1.0.safetensors"])


class WorkflowSummaryDTO(ResponseDTO):
    id: str = Field(description="Opaque.", examples=[example_ids.WORKFLOW])
    project_id: str = Field(description="Whose it is.", examples=[example_ids.PROJECT])
    name: str = Field(description="1 to 200 characters.", examples=[_NAME])
    description: str = Field(description="For people.", examples=[_ABOUT])
    bindings: list[BindingDTO] = Field(
        description="What the request fills in, in the order of the graph."
    )
    unknown_placeholders: list[str] = Field(
        description="Names in double braces that nothing fills in: often a slip of the pen.",
        examples=[["promt"]],
    )
    node_classes: list[str] = Field(
        description="What a server must have installed.", examples=[["EmptyImage", "SaveImage"]]
    )
    files: list[NeededFileDTO] = Field(description="Model files that the graph names.")
    created_at: Timestamp = Field(description="UTC.", examples=[example_ids.MOMENT])
    updated_at: Timestamp = Field(description="UTC.", examples=[example_ids.MOMENT])


class WorkflowResponseDTO(WorkflowSummaryDTO):
    workflow_json: dict[str, Any] = Field(
        description="The graph, placeholders and all.", examples=[_GRAPH]
    )
