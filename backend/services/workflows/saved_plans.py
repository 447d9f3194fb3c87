"""Makes a graph independent of its job to keep it with takes, and makes it anew from that. Pure.

Two things of a graph that is sent are no part of it: where its server writes the result, which
names the job so that no answer comes from a cache with a file that is gone, and what the server
calls its copies of our pictures. So the graph that is kept, and hashed, has the plain file prefix
and the placeholders of pictures; the same wish makes the same graph for every job and server.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import orjson

from backend.models.provenance import GraphFile, GraphPlan
from backend.models.render import FILE_PREFIX
from backend.services.comfyui.catalog import ServerCatalog
from backend.services.workflows import custom
from backend.services.workflows.files import FileNeed
from backend.services.workflows.graph import Graph, InputImage

_PREFIX_INPUT = "filename_prefix"
#: What stands for the folder of an input that only its own node knows.
_UNKNOWN_FOLDER = "…"


def graph_hash(graph: Graph) -> str:
    """SHA-256 of the graph as JSON in UTF-8 with sorted keys and no blanks."""
    return hashlib.sha256(canonical(graph)).hexdigest()


def canonical(graph: Graph) -> bytes:
    return orjson.dumps(graph, option=orjson.OPT_SORT_KEYS)


def neutral(graph: Graph, prefix: str) -> Graph:
    """Put the plain file prefix where a job's own stands."""
    return {node_id: _replaced(node, prefix) for node_id, node in graph.items()}


def with_prefix(graph: Graph, prefix: str) -> Graph:
    """Give results a job's own file prefix, where nobody asked for another one."""
    return {
        node_id: _with_inputs(node, {_PREFIX_INPUT: prefix})
        if node["inputs"].get(_PREFIX_INPUT) == FILE_PREFIX
        else node
        for node_id, node in graph.items()
    }


def renamed(graph: Graph, catalog: ServerCatalog, *, prefix: str, ending: str) -> Graph:
    """Have results that a user named written under another name: a repeat must be no repetition.

    ComfyUI would answer from its cache with the old file's name, and that may be the file that
    is gone. Names with the job's `prefix` in them differ already.
    """
    return {
        node_id: _with_inputs(node, {_PREFIX_INPUT: f"{name}{ending}"})
        if node["class_type"] in catalog.output_nodes
        and isinstance(name := node["inputs"].get(_PREFIX_INPUT), str)
        and prefix not in name
        else node
        for node_id, node in graph.items()
    }


def needs_of(plan: GraphPlan) -> tuple[frozenset[str], tuple[FileNeed, ...]]:
    """What a server must have to send it as it is: node classes, and files of exactly these names.

    A file of nearly that name would be another graph, and may be another picture.
    """
    classes = frozenset(node["class_type"] for node in plan.graph.values())
    return classes, tuple(replace(need, exact=True) for need in custom.file_needs(plan.graph))


def inputs_of(plan: GraphPlan) -> tuple[InputImage, ...]:
    return tuple(InputImage(use.node_id, use.input_name, use.source) for use in plan.pictures)


def files_of(graph: Graph) -> tuple[GraphFile, ...]:
    """The model files that a graph names, each once, in its order."""
    needs = custom.file_needs(graph)
    return tuple(dict.fromkeys(GraphFile(folder=_folder(n), name=n.names[0]) for n in needs))


def first_literal(graph: Graph, kinds: tuple[type, ...], names: Iterable[str]) -> Any:
    """Give the first literal input of one of these names and types."""
    wanted = tuple(names)
    for node in graph.values():
        for name in wanted:
            value = node["inputs"].get(name)
            if isinstance(value, kinds) and not isinstance(value, bool):
                return value
    return None


def _folder(need: FileNeed) -> str | None:
    if need.class_type == "CLIPVisionLoader":
        return "clip_vision"
    return need.folder if need.folder != _UNKNOWN_FOLDER else None


def _with_inputs(node: dict[str, Any], inputs: dict[str, Any]) -> dict[str, Any]:
    return {**node, "inputs": {**node["inputs"], **inputs}}


def _replaced(value: Any, prefix: str) -> Any:
    if isinstance(value, dict):
        return {key: _replaced(item, prefix) for key, item in value.items()}
    if isinstance(value, list):
        return [_replaced(item, prefix) for item in value]
    return value.replace(prefix, FILE_PREFIX) if isinstance(value, str) else value
