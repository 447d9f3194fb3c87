"""A graph in ComfyUI's API format while it is put together."""

from typing import Any

Graph = dict[str, dict[str, Any]]
#: `[node id, output slot]`: how an input takes what another node gives.
Link = list[Any]


class GraphBuilder:
    """Numbers nodes from 1 in the order in which they are added, as the official graphs do."""

    def __init__(self) -> None:
        self.nodes: Graph = {}

    def add(self, class_type: str, **inputs: Any) -> str:
        node_id = str(len(self.nodes) + 1)
        self.nodes[node_id] = {"class_type": class_type, "inputs": inputs}
        return node_id


def link(node_id: str, slot: int = 0) -> Link:
    return [node_id, slot]
