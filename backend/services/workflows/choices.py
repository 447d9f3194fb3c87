"""Finds choices that a server accepts unchecked and that fail when the node runs. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any

from backend.services.comfyui.catalog import ServerCatalog, nearest
from backend.services.workflows.graph import Graph
from backend.utils.errors import WorkflowError


def check_unchecked(graph: Graph, catalog: ServerCatalog) -> None:
    """Refuse values that are none of a new-style COMBO's options, as old-style lists are refused.

    ComfyUI 0.3.64 accepts any, and the node fails after all before it was rendered. Later
    versions refuse them too. Raises WorkflowError in the words of a refusal.
    """
    faults = [fault for node_id, node in graph.items() for fault in _faults(node_id, node, catalog)]
    if faults:
        where = f"node {faults[0]['loc'][1]} ({faults[0]['class_type']})"
        more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
        words = f"This workflow can't be used: {where}: {faults[0]['msg']}{more}."
        raise WorkflowError(words, errors=faults)


def _faults(
    node_id: str, node: Mapping[str, Any], catalog: ServerCatalog
) -> Iterator[dict[str, Any]]:
    class_type = node["class_type"]
    for name, value in node["inputs"].items():
        place = (class_type, name)
        if place not in catalog.unchecked or place in catalog.uploads:
            continue
        offered = catalog.choices(class_type, name)
        if offered and isinstance(value, str) and value not in offered:
            close = ", ".join(nearest(value, offered) or offered[:8])
            yield {
                "loc": ["workflow", node_id, name],
                "msg": f"Value not in list: {name}: '{value}' is none of this server's: {close}",
                "type": "value_not_in_list",
                "class_type": class_type,
            }
