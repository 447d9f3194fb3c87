"""How takes were made, and made again."""

from typing import Any

from pydantic import Field

from backend.dtos.shared import example_ids
from backend.dtos.shared.common_dto import RequestDTO, ResourceId, ResponseDTO
from backend.dtos.shared.media_address import MediaUrl

_GRAPH = {
    "1": {
        "class_type": "CheckpointLoaderSimple",
        "inputs": {"ckpt_name": "sd_xl_base_1.0.safetensors"},
    }
}


class GraphFileDTO(ResponseDTO):
    folder: str | None = Field(
        description="Below the server's models/; null: only its own node knows.",
        examples=["checkpoints"],
    )
    name: str = Field(
        description="As that server spells it.", examples=["sd_xl_base_1.0.safetensors"]
    )


class ProvenanceDTO(ResponseDTO):
    """How a take was made. Seed, size and server stand in the take itself."""

    graph_hash: str = Field(
        description="SHA-256 of the graph as JSON with sorted keys and no blanks. Takes of the "
        "same hash come from the same graph.",
        examples=["9f2b4c0d8a1e7f3655d0c9b8a7f6e5d4c3b2a19088776655443322110ffeeddc"],
    )
    family: str = Field(
        description="The model's family; custom: a graph of your own.", examples=["sdxl"]
    )
    kind: str | None = Field(
        description="What was made from what; null for a graph of your own.",
        examples=["text_to_image"],
    )
    files: list[GraphFileDTO] = Field(
        description="Every model file that the graph names: checkpoint, LoRAs, VAE, text encoders."
    )
    steps: int | None = Field(description="Sampling steps.", examples=[25])
    cfg: float | None = Field(description="How closely the prompt was followed.", examples=[7.0])
    sampler: str | None = Field(description="KSampler's sampler_name.", examples=["euler"])
    scheduler: str | None = Field(description="KSampler's scheduler.", examples=["normal"])
    server_version: str | None = Field(
        description="Of ComfyUI, when the graph was sent; null: it does not tell.",
        examples=["0.3.64"],
    )
    from_cache: bool | None = Field(
        description="Whether ComfyUI answered from its cache and rendered nothing; null: it does "
        "not tell.",
        examples=[False],
    )


class PictureUseDTO(ResponseDTO):
    node_id: str = Field(description="The node that loads it.", examples=["4"])
    input_name: str = Field(description="Its input.", examples=["image"])
    source: MediaUrl = Field(
        description="Where the picture is served.", examples=[f"{example_ids.FACES}/5.png"]
    )


class TakeGraphDTO(ResponseDTO):
    """The graph of a take, and what of it is no file of the server."""

    workflow: dict[str, Any] | None = Field(
        description="The graph in ComfyUI's API format, with the plain file prefix and "
        "placeholders for pictures; null: nobody knows it.",
        examples=[_GRAPH],
    )
    workflow_pictures: list[PictureUseDTO] = Field(
        description="The pictures that the graph loads, and where they are.", examples=[[]]
    )


class RegenerateDTO(RequestDTO):
    server_id: ResourceId | None = Field(
        default=None,
        description="'auto' or left out: the balancer picks.",
        examples=[example_ids.SERVER],
    )
