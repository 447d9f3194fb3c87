"""Registered ComfyUI servers."""

from typing import Annotated, Any

from pydantic import Field, StringConstraints

from backend.dtos.server_workflows_dto import MissingDTO
from backend.dtos.shared import example_ids
from backend.dtos.shared.common_dto import (
    OMITTED,
    Name,
    RequestDTO,
    ResponseDTO,
    Timestamp,
    request_example,
)
from backend.models.comfyui_server import ServerType

Url = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2000)]
Concurrency = Annotated[int, Field(ge=1, le=64)]
#: It travels in a header: visible ASCII, so that nothing can end the line. "" is no key.
Secret = Annotated[
    str, StringConstraints(strip_whitespace=True, max_length=4000, pattern=r"^[!-~]*$")
]
#: It becomes part of a path.
EndpointId = Annotated[
    str, StringConstraints(strip_whitespace=True, max_length=200, pattern=r"^[A-Za-z0-9._-]*$")
]


class ServerCreateDTO(RequestDTO):
    name: Name = Field(description="1 to 200 characters.", examples=["Studio 4090"])
    url: Url = Field(
        description="http or https, without credentials. For runpod https://api.runpod.ai, and "
        "the endpoint's id here or in endpoint_id.",
        examples=["http://127.0.0.1:8188"],
    )
    server_type: ServerType = Field(
        default=ServerType.STANDARD,
        description="standard: ComfyUI itself; runpod: a serverless endpoint of RunPod, which "
        "costs money for each job.",
        examples=["standard"],
    )
    api_key: Secret | None = Field(
        default=None,
        description="Sent along as a bearer token. Write-only: never answered.",
        examples=[None],
    )
    endpoint_id: EndpointId | None = Field(
        default=None, description="RunPod's id of the endpoint.", examples=[None]
    )
    is_active: bool = Field(default=True, description="false: takes no new work.", examples=[True])
    max_concurrent: Concurrency = Field(
        default=1, description="How many prompts of ours it may hold at once.", examples=[1]
    )


class ServerUpdateDTO(RequestDTO):
    """Fields left out stay as they are; null clears the key and the endpoint."""

    model_config = request_example(name="Studio 4090, rack 2", max_concurrent=2)

    name: Name = Field(
        default=OMITTED, description="1 to 200 characters.", examples=["Studio 4090, rack 2"]
    )
    url: Url = Field(
        default=OMITTED,
        description="http or https, without credentials.",
        examples=["http://127.0.0.1:8189"],
    )
    server_type: ServerType = Field(
        default=OMITTED, description="standard or runpod.", examples=["standard"]
    )
    api_key: Secret | None = Field(
        default=None, description="Write-only; null clears it.", examples=["rpa_ABCDEF123456"]
    )
    endpoint_id: EndpointId | None = Field(
        default=None, description="RunPod's id of the endpoint; null clears it.", examples=[None]
    )
    is_active: bool = Field(
        default=OMITTED, description="false: takes no new work.", examples=[True]
    )
    max_concurrent: Concurrency = Field(
        default=OMITTED, description="How many prompts of ours it may hold at once.", examples=[2]
    )


class ServerResponseDTO(ResponseDTO):
    id: str = Field(description="The server's id.", examples=[example_ids.SERVER])
    name: str = Field(description="For people.", examples=["Studio 4090"])
    url: str = Field(description="Without a slash at its end.", examples=["http://127.0.0.1:8188"])
    server_type: ServerType = Field(description="standard or runpod.", examples=["standard"])
    has_api_key: bool = Field(description="Whether a key is stored for it.", examples=[False])
    endpoint_id: str | None = Field(description="RunPod's id of the endpoint.", examples=[None])
    is_active: bool = Field(description="Whether it takes new work.", examples=[True])
    max_concurrent: int = Field(
        description="How many prompts of ours it may hold at once.", examples=[1]
    )
    is_online: bool = Field(description="Whether it answered last time.", examples=[True])
    created_at: Timestamp = Field(description="UTC.", examples=[example_ids.MOMENT])
    updated_at: Timestamp = Field(description="UTC.", examples=[example_ids.MOMENT])


class ServerModelDTO(ResponseDTO):
    name: str = Field(description="The file.", examples=["sd_xl_base_1.0.safetensors"])
    type: str = Field(description="Its family, or 'unknown'.", examples=["sdxl"])


class ServerLoraDTO(ResponseDTO):
    name: str = Field(description="The file.", examples=["people/mara_sdxl.safetensors"])
    type: str = Field(
        description="The family that its name, else its folder, says it was made for, or "
        "'unknown'.",
        examples=["sdxl"],
    )


class ServerVaeDTO(ResponseDTO):
    name: str = Field(description="The file.", examples=["sdxl_vae.safetensors"])
    type: str = Field(
        description="The first family that uses it, as far as its name says, or 'unknown'.",
        examples=["sdxl"],
    )


class ServerDetailDTO(ServerResponseDTO):
    """A server with what can be chosen there, as last seen; empty while it is offline."""

    models: list[ServerModelDTO] = Field(description="Its checkpoints and diffusion models.")
    loras: list[ServerLoraDTO] = Field(description="Its LoRAs.")


class FamilyLackDTO(ResponseDTO):
    """What keeps a server from some kinds of a family, for the model that comes closest."""

    kinds: list[str] = Field(description="What it cannot do.", examples=[["image_to_video"]])
    model: str = Field(
        description="A file of the server; where it has none, the official one.",
        examples=["wan2.1_i2v_480p_14B_fp16.safetensors"],
    )
    missing: list[MissingDTO] = Field(description="Node classes and files that it lacks for that.")


class ServerFamilyDTO(ResponseDTO):
    family: str = Field(description="The family's id.", examples=["wan_2_1"])
    name: str = Field(description="For people.", examples=["Wan 2.1"])
    can_run: bool = Field(description="Whether it can do any of it now.", examples=[True])
    kinds: list[str] = Field(
        description="What it can do: what is made, from what.", examples=[["text_to_video"]]
    )
    models: list[str] = Field(
        description="The server's files of that family.",
        examples=[["wan2.1_t2v_1.3B_fp16.safetensors"]],
    )
    lacks: list[FamilyLackDTO] = Field(description="What is missing for the other kinds.")


class ServerInfoHeadDTO(ResponseDTO):
    """What a server has, without the files that there are most of."""

    server: ServerResponseDTO = Field(description="The server as it is registered.")
    is_online: bool = Field(description="Whether it answered now.", examples=[True])
    text_encoders: list[str] = Field(
        description="Its text encoder files. Most serve several families, so they have no type.",
        examples=[["clip_l.safetensors"]],
    )
    samplers: list[str] = Field(description="KSampler's samplers.", examples=[["euler"]])
    schedulers: list[str] = Field(description="KSampler's schedulers.", examples=[["normal"]])
    version: str | None = Field(description="Of ComfyUI.", examples=["0.3.60"])
    devices: list[dict[str, Any]] = Field(
        description="What it computes on; memory is in bytes. A RunPod endpoint tells how many "
        "workers are idle, ready, running, initializing, throttled and unhealthy.",
        examples=[
            [
                {
                    "name": "cuda:0 NVIDIA GeForce RTX 4090",
                    "type": "cuda",
                    "vram_total": 25_756_696_576,
                    "vram_free": 24_000_000_000,
                }
            ]
        ],
    )
    queue_running: int = Field(description="Prompts that run there, anybody's.", examples=[1])
    queue_pending: int = Field(description="Prompts that wait there, anybody's.", examples=[0])
    latency_ms: float | None = Field(
        description="Milliseconds that its answer took.", examples=[12.5]
    )
    supported_model_types: list[str] = Field(
        description="Families that it has models of.", examples=[["sdxl", "wan_2_1"]]
    )
    families: list[ServerFamilyDTO] = Field(
        description="Every family that is known: what the server can run of it, and what it lacks "
        "for the rest. Empty offline, and for RunPod, which cannot be asked."
    )


class ServerInfoDTO(ServerInfoHeadDTO):
    """What a server has; offline it is empty and `is_online` false."""

    models: list[ServerModelDTO] = Field(description="Its checkpoints and diffusion models.")
    loras: list[ServerLoraDTO] = Field(description="Its LoRAs.")
    vaes: list[ServerVaeDTO] = Field(description="Its VAEs.")
