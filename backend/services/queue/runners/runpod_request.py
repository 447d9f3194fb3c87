"""From a job to what is sent to a RunPod endpoint: the graph, the pictures it loads. Pure.

An endpoint cannot be asked which nodes and models it has, so it is taken to have what the job
names. A job that names no model gets the files below; the endpoint says soon enough if it does
not have them, and the job goes elsewhere.
"""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import orjson

from backend.models.content import ContentType
from backend.models.job import Job
from backend.models.render import RenderRequest
from backend.services.comfyui.catalog import ServerCatalog
from backend.services.queue.render_request import render_request
from backend.services.workflows import BuiltWorkflow, build_workflow, requirements
from backend.services.workflows.custom import prepare
from backend.utils.errors import UnprocessableError

#: What /run takes at most [RunPod's manual of endpoint operations].
MAX_BODY = 10 * 1024 * 1024
#: The SDXL image of worker-comfyui brings exactly this checkpoint; the other is ComfyUI's own.
_DEFAULT_MODELS: Mapping[ContentType, str] = MappingProxyType(
    {
        ContentType.IMAGE: "sd_xl_base_1.0.safetensors",
        ContentType.VIDEO: "wan2.1_t2v_1.3B_fp16.safetensors",
    }
)


@dataclass(frozen=True)
class WorkerPicture:
    """A picture for the worker's input folder, under the name that a LoadImage node gives it."""

    name: str
    content: bytes


@dataclass(frozen=True)
class RunOrder:
    """`body` is what is POSTed to /run, `built` what it will make."""

    body: bytes
    built: BuiltWorkflow


def run_order(job: Job, attempt: int, pictures: Sequence[WorkerPicture] = ()) -> RunOrder:
    """Make the order of an attempt.

    Raises WorkflowError for a graph that makes no sense, UnprocessableError RUNPOD_TOO_LARGE for
    one that /run would not take.
    """
    request = render_request(job, attempt)
    if request.model is None and request.workflow_json is None and request.plan is None:
        request = request.model_copy(update={"model": _DEFAULT_MODELS[request.kind]})
    built = build_workflow(request, assumed_catalog(request))
    body = orjson.dumps({"input": _input(built.graph, pictures)})
    if len(body) > MAX_BODY:
        raise UnprocessableError(
            f"RunPod takes requests of at most {MAX_BODY} bytes; this one has {len(body)}.",
            code="RUNPOD_TOO_LARGE",
            limit=MAX_BODY,
        )
    return RunOrder(body, built)


def assumed_catalog(request: RenderRequest) -> ServerCatalog:
    """Give the catalog of a server that has what the request names, and nothing else is known."""
    needs = requirements(request)
    options: dict[tuple[str, str], tuple[str, ...]] = {}
    for need in needs.files:
        place = (need.class_type, need.input_name)
        options[place] = (*options.get(place, ()), need.names[0])
    return ServerCatalog(
        node_classes=needs.node_classes, output_nodes=_outputs(request), options=options
    )


def _input(graph: Mapping[str, Any], pictures: Sequence[WorkerPicture]) -> dict[str, Any]:
    told: dict[str, Any] = {"workflow": graph}
    if pictures:
        told["images"] = [
            {"name": picture.name, "image": base64.b64encode(picture.content).decode()}
            for picture in pictures
        ]
    return told


def _outputs(request: RenderRequest) -> frozenset[str]:
    """Give the classes of a custom graph that end it: no other node takes anything from them."""
    if request.workflow_json is None:
        return frozenset()
    graph = prepare(request)
    used = {
        value[0]
        for node in graph.values()
        for value in node["inputs"].values()
        if isinstance(value, list) and len(value) == 2 and isinstance(value[0], str)
    }
    return frozenset(node["class_type"] for name, node in graph.items() if name not in used)
