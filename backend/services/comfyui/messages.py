"""What ComfyUI says, read into values. Pure: no network, and no trust in the shape of anything.

Shapes are those of ComfyUI 0.3.64 (execution.py, server.py) and of the few older ones that differ.
A part that is missing or of another type reads as absent; only an answer that has lost its
meaning raises UpstreamError.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from backend.services.comfyui.prompt_cache import nothing_rendered
from backend.utils.errors import UpstreamError, WorkflowError

#: Where nodes put files: core uses `images` even for video; VideoHelperSuite uses `gifs`.
_FILE_KEYS = ("images", "gifs", "videos")
#: PyTorch's own words for CUDA, HIP, MPS and plain memory.
_OUT_OF_MEMORY = ("out of memory", "not enough memory", "allocation on device")


class PromptState(StrEnum):
    SUCCESS = "success"
    ERROR = "error"
    INTERRUPTED = "interrupted"


@dataclass(frozen=True)
class OutputFile:
    """A file on the server, as /view wants it named. Never a path on this machine."""

    filename: str
    subfolder: str = ""
    type: str = "output"
    node_id: str = ""
    animated: bool = False


@dataclass(frozen=True)
class ExecutionFailure:
    """The node that raised, in ComfyUI's words."""

    node_id: str
    node_type: str
    message: str
    out_of_memory: bool = False


@dataclass(frozen=True)
class PromptOutcome:
    """How a prompt ended. `cached`: nothing was rendered, the server had it all.

    `seconds` is how long it ran by the server's own clock, if it told.
    """

    state: PromptState
    files: tuple[OutputFile, ...] = ()
    error: ExecutionFailure | None = None
    cached: bool = False
    seconds: float | None = None


@dataclass(frozen=True)
class ServerQueue:
    """Prompt ids; `pending` is in the order in which they will run."""

    running: tuple[str, ...] = ()
    pending: tuple[str, ...] = ()

    def __contains__(self, prompt_id: object) -> bool:
        return prompt_id in self.running or prompt_id in self.pending


@dataclass(frozen=True)
class Device:
    """Memory is in bytes."""

    name: str
    type: str
    vram_total: int = 0
    vram_free: int = 0


@dataclass(frozen=True)
class SystemStats:
    version: str | None
    devices: tuple[Device, ...] = ()
    simulator: bool = False


@dataclass(frozen=True)
class StepDone:
    """Step `value` of `max` of a node is done."""

    prompt_id: str
    node_id: str
    value: float
    max: float


@dataclass(frozen=True)
class NodeStarted:
    """`prompt_id` is None when the socket was opened while the node already ran."""

    prompt_id: str | None
    node_id: str


@dataclass(frozen=True)
class NodesFinished:
    """Every node of the prompt that has finished so far, or that the server had cached."""

    prompt_id: str
    node_ids: frozenset[str] = field(default_factory=frozenset)


@dataclass(frozen=True)
class PromptFinished:
    """The server is through with the prompt, whatever the outcome; /history knows it by now."""

    prompt_id: str | None


ProgressEvent = StepDone | NodeStarted | NodesFinished | PromptFinished


def parse_history(prompt_id: str, answer: object) -> PromptOutcome | None:
    """Read /history/{id}; None when the server has no outcome (yet)."""
    if not isinstance(answer, Mapping):
        raise UpstreamError("ComfyUI's history is not an object.")
    if prompt_id not in answer:
        return None
    entry = answer[prompt_id]
    if not isinstance(entry, Mapping):
        raise UpstreamError("ComfyUI's history entry is not an object.")
    return _outcome(entry)


def _outcome(entry: Mapping[str, Any]) -> PromptOutcome:
    status = _mapping(entry.get("status"))
    messages = tuple(_messages(status.get("messages")))
    outputs = _mapping(entry.get("outputs"))
    files = _preferred(_files(outputs))
    state = _state(status, {name for name, _ in messages}, has_files=bool(files))
    return PromptOutcome(
        state=state,
        files=files,
        error=_failure(messages) if state is PromptState.ERROR else None,
        cached=nothing_rendered(
            _graph(entry), _output_nodes(entry, outputs), _cached_nodes(messages)
        ),
        seconds=_seconds(messages),
    )


def _seconds(messages: Iterable[tuple[str, Mapping[str, Any]]]) -> float | None:
    """From execution_start to the last message: both carry milliseconds since 1970."""
    times = [
        stamp
        for _, data in messages
        if isinstance(stamp := data.get("timestamp"), int | float) and not isinstance(stamp, bool)
    ]
    return (max(times) - min(times)) / 1000 if len(times) > 1 else None


def _state(status: Mapping[str, Any], told: set[str], *, has_files: bool) -> PromptState:
    if "execution_interrupted" in told:
        return PromptState.INTERRUPTED  # its status_str says "error" as well
    words = status.get("status_str")
    if words == "success" or (words is None and has_files):
        return PromptState.SUCCESS
    return PromptState.ERROR


def _messages(value: object) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for message in _list(value):
        if isinstance(message, list) and len(message) == 2 and isinstance(message[0], str):
            yield message[0], _mapping(message[1])


def _files(outputs: Mapping[str, Any]) -> Iterator[OutputFile]:
    for node_id, output in outputs.items():
        shown = _mapping(output)
        for key in _FILE_KEYS:
            animated = key != "images" or any(_list(shown.get("animated")))
            for item in _list(shown.get(key)):
                file = _mapping(item)
                if isinstance(file.get("filename"), str) and file["filename"]:
                    yield OutputFile(
                        filename=file["filename"],
                        subfolder=_text(file.get("subfolder")),
                        type=_text(file.get("type")) or "output",
                        node_id=node_id,
                        animated=animated,
                    )


def _preferred(files: Iterable[OutputFile]) -> tuple[OutputFile, ...]:
    """Drop previews (type temp) when there are real results; drop repeats, keep the order."""
    distinct = tuple(dict.fromkeys(files))
    return tuple(file for file in distinct if file.type == "output") or distinct


def _failure(messages: Iterable[tuple[str, Mapping[str, Any]]]) -> ExecutionFailure:
    told = next((data for name, data in messages if name == "execution_error"), {})
    kind = _text(told.get("exception_type"))
    words = _text(told.get("exception_message")).strip()
    return ExecutionFailure(
        node_id=_text(told.get("node_id")),
        node_type=_text(told.get("node_type")),
        message=words or kind or "ComfyUI reports an error without a reason.",
        out_of_memory=kind.endswith("OutOfMemoryError")
        or any(sign in words.lower() for sign in _OUT_OF_MEMORY),
    )


def _output_nodes(entry: Mapping[str, Any], outputs: Mapping[str, Any]) -> set[str]:
    item = _list(entry.get("prompt"))
    wanted = {node for node in _list(item[4]) if isinstance(node, str)} if len(item) > 4 else set()
    return wanted or set(outputs)


def _graph(entry: Mapping[str, Any]) -> Mapping[str, Any]:
    item = _list(entry.get("prompt"))
    return _mapping(item[2]) if len(item) > 2 else {}


def _cached_nodes(messages: Iterable[tuple[str, Mapping[str, Any]]]) -> set[str]:
    return {
        node
        for name, data in messages
        if name == "execution_cached"
        for node in _list(data.get("nodes"))
        if isinstance(node, str)
    }


def parse_queue(answer: object) -> ServerQueue:
    """Read /queue. ComfyUI lists its pending heap as it lies in memory, so it is sorted here."""
    if not isinstance(answer, Mapping) or "queue_running" not in answer:
        raise UpstreamError("ComfyUI's queue is not what it should be.")
    pending = sorted(_items(answer.get("queue_pending")))
    return ServerQueue(
        running=tuple(prompt_id for _, prompt_id in _items(answer["queue_running"])),
        pending=tuple(prompt_id for _, prompt_id in pending),
    )


def _items(value: object) -> Iterator[tuple[float, str]]:
    for item in _list(value):
        if isinstance(item, list) and len(item) > 1 and isinstance(item[1], str):
            yield _number(item[0]), item[1]


def parse_system_stats(answer: object) -> SystemStats:
    """Read /system_stats. StoryCanvas's simulator marks itself; the real thing never does."""
    if not isinstance(answer, Mapping) or not isinstance(answer.get("system"), Mapping):
        raise UpstreamError("This does not answer like a ComfyUI server.")
    system = answer["system"]
    return SystemStats(
        version=_text(system.get("comfyui_version")) or None,
        devices=tuple(_device(_mapping(item)) for item in _list(answer.get("devices"))),
        simulator=(system.get("simulator") or answer.get("simulator")) is True,
    )


def _device(item: Mapping[str, Any]) -> Device:
    return Device(
        name=_text(item.get("name")),
        type=_text(item.get("type")),
        vram_total=int(_number(item.get("vram_total"))),
        vram_free=int(_number(item.get("vram_free"))),
    )


def node_errors_of(answer: object) -> Mapping[str, Any]:
    """Give the `node_errors` of an answer to /prompt; older servers say [] for none."""
    return _mapping(_mapping(answer).get("node_errors"))


def rejection(answer: object) -> WorkflowError:
    """Turn ComfyUI's refusal of a graph into one error that keeps its exact words."""
    told = node_errors_of(answer).items()
    errors = [fault for node_id, node in told for fault in _faults(node_id, node)]
    errors = errors or [_general_fault(_mapping(answer).get("error"))]
    return WorkflowError(_sentence(errors), errors=errors)


def _general_fault(told: object) -> dict[str, Any]:
    fault = _mapping(told)
    words = (_text(fault.get("message")), _text(fault.get("details")))
    return {
        "loc": ["workflow"],
        "msg": " ".join(filter(None, words)) or _text(told) or "no reason given",
        "type": _text(fault.get("type")) or "rejected",
        "class_type": None,
    }


def _faults(node_id: str, told: object) -> Iterator[dict[str, Any]]:
    node = _mapping(told)
    for item in _list(node.get("errors")):
        fault = _mapping(item)
        name = _text(_mapping(fault.get("extra_info")).get("input_name"))
        words = (_text(fault.get("message")), _text(fault.get("details")))
        yield {
            "loc": ["workflow", node_id, name] if name else ["workflow", node_id],
            "msg": ": ".join(filter(None, words)),
            "type": _text(fault.get("type")) or "rejected",
            "class_type": _text(node.get("class_type")) or None,
        }


def _sentence(errors: list[dict[str, Any]]) -> str:
    first = errors[0]
    where = f" at node {first['loc'][1]}" if len(first["loc"]) > 1 else ""
    where += f" ({first['class_type']})" if where and first["class_type"] else ""
    where += f", input '{first['loc'][2]}'" if len(first["loc"]) > 2 else ""
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    return f"ComfyUI refused the workflow{where}: {first['msg']}{more}"


def parse_event(message: object) -> ProgressEvent | None:
    """Read one text frame of /ws; None for what says nothing about progress."""
    kind = _mapping(message).get("type")
    data = _mapping(_mapping(message).get("data"))
    prompt_id = _text(data.get("prompt_id"))
    if kind == "executing":
        return _executing(data, prompt_id or None)
    if not prompt_id:
        return None
    if kind == "progress":
        return _step(data, prompt_id)
    if kind == "progress_state":
        return _finished(_finished_nodes(data), prompt_id)
    if kind == "execution_cached":
        return _finished({n for n in _list(data.get("nodes")) if isinstance(n, str)}, prompt_id)
    return None


def _executing(data: Mapping[str, Any], prompt_id: str | None) -> ProgressEvent | None:
    if "node" not in data:
        return None
    if data["node"] is None:
        return PromptFinished(prompt_id)
    return NodeStarted(prompt_id, _text(data["node"]))


def _step(data: Mapping[str, Any], prompt_id: str) -> StepDone | None:
    most = _number(data.get("max"))
    if most <= 0:
        return None
    return StepDone(prompt_id, _text(data.get("node")), _number(data.get("value")), most)


def _finished_nodes(data: Mapping[str, Any]) -> set[str]:
    nodes = _mapping(data.get("nodes")).items()
    return {node for node, told in nodes if _mapping(told).get("state") == "finished"}


def _finished(nodes: set[str], prompt_id: str) -> NodesFinished | None:
    return NodesFinished(prompt_id, frozenset(nodes)) if nodes else None


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _text(value: object) -> str:
    if isinstance(value, str):
        return value
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else ""


def _number(value: object) -> float:
    """Read a number; what is none, or not finite, counts as 0."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return 0.0
    return float(value) if abs(value) < 2**63 else 0.0
