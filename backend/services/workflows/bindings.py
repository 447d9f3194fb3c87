"""Where a graph takes values of the request: `{{prompt}}` in an input, or in a node's title.

A title binds the node's own input for that value, so that a graph can be marked in ComfyUI's
editor in places where no text can be typed: a seed, a size, the file of LoadImage. Pure.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any, Literal

#: What the request fills in, and the inputs that a title may mean by it, the first of them first.
_INPUTS: Mapping[str, tuple[str, ...]] = {
    "prompt": ("prompt", "text", "positive", "string", "value"),
    "negative_prompt": ("negative_prompt", "text", "negative", "prompt", "string", "value"),
    "seed": ("seed", "noise_seed", "value"),
    "width": ("width", "value"),
    "height": ("height", "value"),
    "steps": ("steps", "value"),
    "cfg": ("cfg", "value"),
    "image": ("image",),
    "filename_prefix": ("filename_prefix",),
}
NAMES = frozenset(_INPUTS)
PLACEHOLDER = re.compile(r"\{\{\s*(\w+)\s*\}\}")

Nodes = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Binding:
    """One input of one node, and the value of the request that goes there."""

    node_id: str
    class_type: str
    title: str | None
    input_name: str
    bound_to: str
    by: Literal["input", "title"]


def bindings_of(nodes: Nodes) -> Iterator[Binding]:
    """List what the request fills in, in the order of the graph.."""
    for node_id, node in nodes.items():
        titled = _bound_by_title(node)
        for name, bound_to in titled.items():
            yield Binding(node_id, node["class_type"], title_of(node), name, bound_to, "title")
        for name, value in node["inputs"].items():
            for bound_to in () if name in titled else dict.fromkeys(names_in(value)):
                if bound_to in NAMES:
                    where = (node_id, node["class_type"], title_of(node), name)
                    yield Binding(*where, bound_to, "input")


def unknown_names(nodes: Nodes) -> list[str]:
    """List placeholders that nothing fills in: often a slip of the pen."""
    values = (node["inputs"].values() for node in nodes.values())
    found = chain.from_iterable(map(names_in, chain.from_iterable(values)))
    return sorted({name for name in found if name not in NAMES})


def with_titles_bound(nodes: Nodes) -> Nodes:
    """Write what titles bind into the inputs, as placeholders."""
    bound: dict[str, Mapping[str, Any]] = {}
    for node_id, node in nodes.items():
        titled = {name: f"{{{{{bound_to}}}}}" for name, bound_to in _bound_by_title(node).items()}
        bound[node_id] = {**node, "inputs": {**node["inputs"], **titled}} if titled else node
    return bound


def idle_title(node: Mapping[str, Any]) -> str | None:
    """Give the placeholder in a node's title that the node has no input for."""
    bound = _bound_by_title(node).values()
    return next((name for name in _names_in_title(node) if name not in bound), None)


def image_inputs(nodes: Nodes) -> list[tuple[str, str]]:
    """List node id and input of every `{{image}}` that stands alone; titles are bound already."""
    return [
        (node_id, name)
        for node_id, node in nodes.items()
        for name, value in node["inputs"].items()
        if isinstance(value, str) and _whole(value) == "image"
    ]


def mixed_image(node: Mapping[str, Any]) -> str | None:
    """Give the input that has `{{image}}` amid other text, where no file's name can go."""
    for name, value in node["inputs"].items():
        if "image" in names_in(value) and not (isinstance(value, str) and _whole(value)):
            return str(name)
    return None


def title_of(node: Mapping[str, Any]) -> str | None:
    meta = node.get("_meta")
    title = meta.get("title") if isinstance(meta, Mapping) else None
    return title if isinstance(title, str) else None


def names_in(value: Any) -> Iterator[str]:
    """Give the name of every placeholder in a value, however it is nested."""
    if isinstance(value, str):
        yield from PLACEHOLDER.findall(value)
    elif isinstance(value, Mapping | list):
        for item in value.values() if isinstance(value, Mapping) else value:
            yield from names_in(item)


def _whole(text: str) -> str | None:
    """The name, when a text is one placeholder and nothing else."""
    found = PLACEHOLDER.fullmatch(text.strip())
    return found[1] if found else None


def _names_in_title(node: Mapping[str, Any]) -> list[str]:
    found = dict.fromkeys(PLACEHOLDER.findall(title_of(node) or ""))
    return [name for name in found if name in NAMES]


def _bound_by_title(node: Mapping[str, Any]) -> dict[str, str]:
    """Map inputs to what the title binds them to; what comes from another node is left alone."""
    bound: dict[str, str] = {}
    for name in _names_in_title(node):
        own = (each for each in _INPUTS[name] if each not in bound)
        free = (each for each in own if each in node["inputs"])
        chosen = next((each for each in free if not isinstance(node["inputs"][each], list)), None)
        if chosen is not None:
            bound[chosen] = name
    return bound
