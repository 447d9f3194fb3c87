"""A graph in ComfyUI's API format while it is put together."""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

#: Where pictures of ours lie: only those are sent to a server.
UPLOADS = "/uploads/"
Graph = dict[str, dict[str, Any]]
#: `[node id, output slot]`: how an input takes what another node gives.
Link = list[Any]


@dataclass(frozen=True)
class InputImage:
    """A picture that must be at the server before the graph runs.

    `source` is where we have it (`/uploads/…`). The graph holds `placeholder_of(source)` until
    the server has named its copy.
    """

    node_id: str
    input_name: str
    source: str


@dataclass(frozen=True)
class BuiltGraph:
    """A finished graph: the node that saves, and the pictures that it loads."""

    graph: Graph
    output: str
    images: tuple[InputImage, ...] = ()


class GraphBuilder:
    """Numbers nodes from 1 in the order in which they are added, as the official graphs do."""

    def __init__(self) -> None:
        self.nodes: Graph = {}
        self._images: dict[str, InputImage] = {}

    def add(self, class_type: str, **inputs: Any) -> str:
        node_id = str(len(self.nodes) + 1)
        self.nodes[node_id] = {"class_type": class_type, "inputs": inputs}
        return node_id

    def load_image(self, source: str) -> str:
        """Load a picture; one that is loaded already is not loaded twice."""
        if source not in self._images:
            node_id = self.add("LoadImage", image=placeholder_of(source))
            self._images[source] = InputImage(node_id, "image", source)
        return self._images[source].node_id

    def finished(self, output: str) -> BuiltGraph:
        return BuiltGraph(self.nodes, output, tuple(self._images.values()))


def link(node_id: str, slot: int = 0) -> Link:
    return [node_id, slot]


def placeholder_of(source: str) -> str:
    """Stand for a picture that no server has yet; the same for the same source."""
    return f"storycanvas_{blake2b(source.encode(), digest_size=8).hexdigest()}.png"


def with_names(images: tuple[InputImage, ...], graph: Graph, names: Mapping[str, str]) -> Graph:
    """Give the graph with each picture under the name that a server gave its copy."""
    named = dict(graph)
    for image in images:
        node = graph[image.node_id]
        inputs = {**node["inputs"], image.input_name: names[image.source]}
        named[image.node_id] = {**node, "inputs": inputs}
    return named
