"""POST /prompt's verdict on a graph, as ComfyUI 0.3.64 gives it.

The rules are the measured ones: which mistakes are refused, in which words, and which pass although
they are wrong (unknown inputs, text where an image link is due, any value of a new-style COMBO).
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from backend.comfyui_simulator.errors import InternalError
from backend.comfyui_simulator.nodes import InputSpec, NodeSet

Graph = dict[str, Any]
PromptProblem = dict[str, Any]

#: Classes that check one input themselves: the file must exist. Input and noun of the message.
FILE_INPUTS = {
    "LoadImage": ("image", "image"),
    "LoadImageMask": ("image", "image"),
    "LoadImageOutput": ("image", "image"),
    "LoadLatent": ("latent", "latent"),
    "LoadAudio": ("audio", "audio"),
    "LoadVideo": ("file", "video"),
}
#: What a crooked graph can make the checks raise; the real server reports these per node.
CROOKED = (KeyError, IndexError, TypeError, AttributeError, ValueError)
#: Combos longer than this are not quoted in errors.
LONGEST_QUOTED_LIST = 20
CONVERSIONS: dict[str, Callable[[Any], Any]] = {
    "INT": int,
    "FLOAT": float,
    "STRING": str,
    "BOOLEAN": bool,
}


@dataclass(frozen=True)
class ValidationVerdict:
    """`error` is None when at least one output may run; `outputs` are those that may."""

    error: PromptProblem | None = None
    node_errors: dict[str, Any] = field(default_factory=dict)
    outputs: tuple[str, ...] = ()


def problem(kind: str, message: str, details: str, **extra: Any) -> PromptProblem:
    return {"type": kind, "message": message, "details": details, "extra_info": extra}


def validate(
    graph: Any, nodes: NodeSet, *, file_exists: Callable[[str], bool], only: list[str] | None = None
) -> ValidationVerdict:
    """Judge a graph; numbers given as text are converted in place, as the server does.

    `only` are the partial_execution_targets. Raises InternalError where the server answers 500.
    """
    try:
        outputs = find_outputs(graph, nodes, only)
    except (TypeError, IndexError) as error:
        raise InternalError(str(error)) from error
    if isinstance(outputs, ValidationVerdict):
        return outputs
    return _Check(graph, nodes, file_exists).run(outputs)


def find_outputs(
    graph: Any, nodes: NodeSet, only: list[str] | None
) -> list[str] | ValidationVerdict:
    outputs = []
    for node_id in graph:
        node = graph[node_id]
        if "class_type" not in node:
            text = "Cannot execute because a node is missing the class_type property."
            return ValidationVerdict(problem("invalid_prompt", text, f"Node ID '#{node_id}'"))
        class_type = node["class_type"]
        if class_type not in nodes:
            text = f"Cannot execute because node {class_type} does not exist."
            return ValidationVerdict(problem("invalid_prompt", text, f"Node ID '#{node_id}'"))
        if nodes.is_output(class_type) and (only is None or node_id in only):
            outputs.append(node_id)
    if not outputs:
        return ValidationVerdict(problem("prompt_no_outputs", "Prompt has no outputs", ""))
    return outputs


class _Check:
    """One run over one graph; remembers the verdict of each node it met."""

    def __init__(self, graph: Graph, nodes: NodeSet, file_exists: Callable[[str], bool]) -> None:
        self.graph = graph
        self.nodes = nodes
        self.file_exists = file_exists
        self.done: dict[str, tuple[bool, list[PromptProblem]]] = {}

    def run(self, outputs: list[str]) -> ValidationVerdict:
        good: list[str] = []
        bad: list[PromptProblem] = []
        node_errors: dict[str, Any] = {}
        for node_id in outputs:
            valid, problems = self.output(node_id)
            if valid:
                good.append(node_id)
                continue
            bad += problems
            self.blame(node_id, node_errors)
        if good:
            return ValidationVerdict(None, node_errors, tuple(good))
        details = "\n".join(f"{one['message']}: {one['details']}" for one in bad)
        text = "Prompt outputs failed validation"
        return ValidationVerdict(
            problem("prompt_outputs_failed_validation", text, details), node_errors
        )

    def output(self, node_id: str) -> tuple[bool, list[PromptProblem]]:
        try:
            return self.node(node_id, frozenset())
        except CROOKED as error:
            text = "Exception when validating node"
            one = problem("exception_during_validation", text, str(error), **named(error))
            self.done[node_id] = (False, [one])
            return self.done[node_id]

    def blame(self, output: str, node_errors: dict[str, Any]) -> None:
        for node_id, (valid, problems) in self.done.items():
            if valid or not problems:
                continue
            entry = node_errors.setdefault(
                node_id,
                {
                    "errors": problems,
                    "dependent_outputs": [],
                    "class_type": self.graph[node_id]["class_type"],
                },
            )
            entry["dependent_outputs"].append(output)

    def node(self, node_id: str, above: frozenset[str]) -> tuple[bool, list[PromptProblem]]:
        if node_id in self.done:
            return self.done[node_id]
        if node_id in above:
            # A cycle ends the server's recursion without a word: invalid, no errors.
            return False, []
        inputs = self.graph[node_id]["inputs"]
        class_type = self.graph[node_id]["class_type"]
        problems: list[PromptProblem] = []
        valid = True
        for spec in self.nodes.inputs(class_type):
            if spec.name not in inputs:
                problems += [missing(spec.name)] if spec.required else []
            elif isinstance(inputs[spec.name], list):
                fault = self.link(inputs[spec.name], spec, above | {node_id})
                valid = valid and fault is None
                problems += fault or []
            else:
                problems += self.literal(inputs, spec, class_type)
        problems += self.own_check(class_type, inputs)
        self.done[node_id] = (valid and not problems, problems)
        return self.done[node_id]

    def link(
        self, link: list[Any], spec: InputSpec, above: frozenset[str]
    ) -> list[PromptProblem] | None:
        """Return None when the link is good; an empty list when the fault lies further up."""
        if len(link) != 2:
            text = "Bad linked input, must be a length-2 list of [node_id, slot_index]"
            return [problem("bad_linked_input", text, spec.name, **quoted(spec, link))]
        source, slot = link
        received = self.nodes.outputs(self.graph[source]["class_type"])[slot]
        if not types_match(received, spec.kind):
            return [mismatch(spec, received, link)]
        try:
            valid, _ = self.node(source, above)
        except CROOKED as error:
            self.done[source] = (False, [inner(spec, error, link)])
            return []
        return None if valid else []

    def literal(
        self, inputs: dict[str, Any], spec: InputSpec, class_type: str
    ) -> list[PromptProblem]:
        value = inputs[spec.name]
        if isinstance(value, dict) and "__value__" in value:
            value = inputs[spec.name] = value["__value__"]
        if isinstance(spec.kind, str) and spec.kind in CONVERSIONS:
            try:
                value = inputs[spec.name] = CONVERSIONS[spec.kind](value)
            except (TypeError, ValueError, OverflowError) as error:
                return [unconverted(spec, value, error)]
        if FILE_INPUTS.get(class_type, ("", ""))[0] == spec.name:
            return []
        return out_of_bounds(spec, value)

    def own_check(self, class_type: str, inputs: dict[str, Any]) -> list[PromptProblem]:
        if class_type not in FILE_INPUTS:
            return []
        name, noun = FILE_INPUTS[class_type]
        if name not in inputs:
            raise TypeError(f"{class_type}.VALIDATE_INPUTS() missing 1 required argument: '{name}'")
        value = inputs[name]
        if not isinstance(value, str):
            text = f"'{type(value).__name__}' object has no attribute 'endswith'"
            raise AttributeError(text)  # noqa: TRY004 - the class is quoted in the answer
        if self.file_exists(value):
            return []
        text = "Custom validation failed for node"
        details = f"{name} - Invalid {noun} file: {value}"
        return [problem("custom_validation_failed", text, details, input_name=name)]


def types_match(received: Any, wanted: Any) -> bool:
    if received == wanted or "*" in (received, wanted):
        return True
    if not isinstance(received, str) or not isinstance(wanted, str):
        return False
    return not set(received.split(",")).isdisjoint(wanted.split(","))


def named(error: Exception) -> dict[str, Any]:
    return {
        "exception_message": str(error),
        "exception_type": type(error).__name__,
        "traceback": ['  File "comfyui_simulator/validation.py"\n'],
    }


def quoted(spec: InputSpec, value: Any) -> dict[str, Any]:
    return {"input_name": spec.name, "input_config": spec.config, "received_value": value}


def missing(name: str) -> PromptProblem:
    return problem("required_input_missing", "Required input is missing", name, input_name=name)


def mismatch(spec: InputSpec, received: Any, link: list[Any]) -> PromptProblem:
    return problem(
        "return_type_mismatch",
        "Return type mismatch between linked nodes",
        f"{spec.name}, received_type({received}) mismatch input_type({spec.kind})",
        input_name=spec.name,
        input_config=spec.config,
        received_type=received,
        linked_node=link,
    )


def inner(spec: InputSpec, error: Exception, link: list[Any]) -> PromptProblem:
    """Found under the node that failed, yet naming the input of the node that asked."""
    return problem(
        "exception_during_inner_validation",
        "Exception when validating inner node",
        str(error),
        input_name=spec.name,
        input_config=spec.config,
        linked_node=link,
        **named(error),
    )


def unconverted(spec: InputSpec, value: Any, error: Exception) -> PromptProblem:
    return problem(
        "invalid_input_type",
        f"Failed to convert an input value to a {spec.kind} value",
        f"{spec.name}, {value}, {error}",
        exception_message=str(error),
        **quoted(spec, value),
    )


def out_of_bounds(spec: InputSpec, value: Any) -> list[PromptProblem]:
    low, high = spec.extra.get("min"), spec.extra.get("max")
    if low is not None and value < low:
        text = f"Value {value} smaller than min of {low}"
        return [problem("value_smaller_than_min", text, spec.name, **quoted(spec, value))]
    if high is not None and value > high:
        text = f"Value {value} bigger than max of {high}"
        return [problem("value_bigger_than_max", text, spec.name, **quoted(spec, value))]
    if isinstance(spec.kind, list) and value not in spec.kind:
        return [not_listed(spec, value)]
    return []


def not_listed(spec: InputSpec, value: Any) -> PromptProblem:
    long = len(spec.kind) > LONGEST_QUOTED_LIST
    choice = f"(list of length {len(spec.kind)})" if long else f"{spec.kind}"
    extra = quoted(spec, value) | ({"input_config": None} if long else {})
    details = f"{spec.name}: '{value}' not in {choice}"
    return problem("value_not_in_list", "Value not in list", details, **extra)
