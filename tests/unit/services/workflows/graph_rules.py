"""ComfyUI's rules for a graph, and beyond them what it accepts and then fails or floors."""

from collections.abc import Iterator

from backend.comfyui_simulator.nodes import InputSpec, NodeSet
from backend.comfyui_simulator.validation import validate
from backend.services.workflows.graph import Graph

_LITERALS = {"INT", "FLOAT", "STRING", "BOOLEAN", "COMBO"}


def faults_of(graph: Graph, nodes: NodeSet) -> list[str]:
    """List all that is wrong; empty for a graph that a server takes and runs as it stands."""
    verdict = validate(graph, nodes, file_exists=lambda name: name == "example.png")
    refused = [str(verdict.error)] if verdict.error else []
    return [*refused, *(str(error) for error in verdict.node_errors.values()),
            *_surprises(graph, nodes)]  # fmt: skip


def _surprises(graph: Graph, nodes: NodeSet) -> Iterator[str]:
    used = {
        value[0]
        for node in graph.values()
        for value in node["inputs"].values()
        if isinstance(value, list)
    }
    for node_id, node in graph.items():
        class_type = node["class_type"]
        if node_id not in used and not nodes.is_output(class_type):
            yield f"{node_id} {class_type}: nothing uses it"
        specs = {spec.name: spec for spec in nodes.inputs(class_type)}
        for name, value in node["inputs"].items():
            if name not in specs:
                yield f"{node_id} {class_type}.{name}: unknown input"
            elif not isinstance(value, list):
                yield from (f"{node_id} {class_type}.{w}" for w in _wrong(specs[name], value))


def _wrong(spec: InputSpec, value: object) -> Iterator[str]:
    options = spec.extra.get("options")
    if spec.kind == "COMBO" and isinstance(options, list) and value not in options:
        yield f"{spec.name}: {value!r} is no option"
    if isinstance(spec.kind, str) and spec.kind not in _LITERALS:
        yield f"{spec.name}: a literal where a link is needed"
    if spec.kind == "INT" and (not isinstance(value, int) or isinstance(value, bool)):
        yield f"{spec.name}: {value!r} is no whole number"
    if spec.kind == "FLOAT" and not isinstance(value, int | float):
        yield f"{spec.name}: {value!r} is no number"
    step = spec.extra.get("step")
    if spec.kind == "INT" and isinstance(step, int) and step > 1 and isinstance(value, int):
        base = 1 if spec.name == "length" else 0
        if (value - base) % step and not (spec.name == "length" and value == 4096):
            yield f"{spec.name}: {value} is off the step {step}"
