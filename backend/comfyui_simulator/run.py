"""One job's run: what is cached, how far each node is, what the owner is told, what is kept."""

import time
from collections.abc import Mapping
from typing import Any

from backend.comfyui_simulator.errors import NodeError
from backend.comfyui_simulator.prompt_queue import QueuedPrompt
from backend.comfyui_simulator.sockets import Hub

#: Output of an output node, `{"images": […]}`, or None for nodes that show nothing.
Shown = dict[str, Any] | None
#: What the last prompt's nodes gave, by signature.
Cache = dict[str, Shown]

TRACEBACK = ['  File "comfyui_simulator/worker.py", in execute (simulated)\n']


class PromptRun:
    """The messages of one execution and the history entry they end in."""

    def __init__(self, item: QueuedPrompt, graph: Mapping[str, Any], hub: Hub) -> None:
        self.item = item
        self.graph = graph
        self._hub = hub
        #: Whether a sampler really runs; faults strike there, else at the output node.
        self.samples = False
        self.messages: list[list[Any]] = []
        self.executed: list[str] = []
        self.shown: dict[str, dict[str, Any]] = {}
        self._states: dict[str, dict[str, Any]] = {}

    @property
    def prompt_id(self) -> str:
        return self.item.prompt_id

    def class_of(self, node_id: str) -> str:
        return str(self.graph[node_id]["class_type"])

    def note(self, event: str, data: dict[str, Any], *, to_all: bool = False) -> None:
        """Tell the owner, and keep it for the history. Without an owner: kept only."""
        data = {**data, "prompt_id": self.prompt_id, "timestamp": int(time.time() * 1000)}
        self.messages.append([event, data])
        if self.item.client_id is not None or to_all:
            self._hub.tell(event, data, self.item.client_id)

    def start(self, cached: list[str]) -> None:
        self.note("execution_start", {})
        self.note("execution_cached", {"nodes": cached})

    def reuse(self, node_id: str, shown: Shown) -> None:
        """A cached output node: `executed` with the old file names, then finished."""
        if shown is not None:
            self._tell_executed(node_id, shown)
        self._progress_state(node_id, 1, 1, "finished")

    def begin(self, node_id: str) -> None:
        self._progress_state(node_id, 0.0, 1.0, "running")
        if self.item.client_id is not None:
            self._hub.last_node = node_id
            data = {"node": node_id, "display_node": node_id, "prompt_id": self.prompt_id}
            self._hub.tell("executing", data, self.item.client_id)

    def step(self, node_id: str, value: int, steps: int) -> None:
        self._progress_state(node_id, value, steps, "running")
        data = {"value": value, "max": steps, "prompt_id": self.prompt_id, "node": node_id}
        self._hub.tell("progress", data, self.item.client_id)

    def preview(self, node_id: str, image: bytes) -> None:
        self._hub.preview(image, self._names(node_id))

    def end(self, node_id: str, shown: Shown) -> None:
        if shown is not None:
            self._tell_executed(node_id, shown)
        state = self._states[node_id]
        self._progress_state(node_id, max(state["value"], state["max"]), state["max"], "finished")
        self.executed.append(node_id)

    def interrupt(self, node_id: str) -> None:
        """Goes to everyone when the job has no owner."""
        data = {"node_id": node_id, "node_type": self.class_of(node_id), "executed": self.executed}
        self.note("execution_interrupted", data, to_all=True)

    def fail(self, node_id: str, error: NodeError) -> None:
        inputs = self.graph[node_id]["inputs"].items()
        data = {
            "node_id": node_id,
            "node_type": self.class_of(node_id),
            "executed": self.executed,
            "exception_message": f"{error.message}\n",
            "exception_type": error.kind,
            "traceback": TRACEBACK,
            "current_inputs": {name: [value] for name, value in inputs},
            "current_outputs": list(self.graph),
        }
        self.note("execution_error", data)

    def entry(self, *, success: bool) -> dict[str, Any]:
        """The history entry. Outputs of nodes that ended before an error stay in it."""
        return {
            "prompt": self.item.as_json(),
            "outputs": self.shown,
            "status": {
                "status_str": "success" if success else "error",
                "completed": success,
                "messages": self.messages,
            },
            "meta": {
                node_id: {
                    "node_id": node_id,
                    "display_node": node_id,
                    "parent_node": None,
                    "real_node_id": node_id,
                }
                for node_id in self.shown
            },
        }

    def _tell_executed(self, node_id: str, shown: dict[str, Any]) -> None:
        self.shown[node_id] = shown
        if self.item.client_id is not None:
            data = {"node": node_id, "display_node": node_id, "output": shown}
            self._hub.tell("executed", data | {"prompt_id": self.prompt_id}, self.item.client_id)

    def _progress_state(self, node_id: str, value: float, most: float, state: str) -> None:
        self._states[node_id] = {
            "value": value,
            "max": most,
            "state": state,
            **self._names(node_id),
        }
        data = {"prompt_id": self.prompt_id, "nodes": self._states}
        self._hub.tell("progress_state", data, self.item.client_id)

    def _names(self, node_id: str) -> dict[str, Any]:
        return {
            "node_id": node_id,
            "prompt_id": self.prompt_id,
            "display_node_id": node_id,
            "parent_node_id": None,
            "real_node_id": node_id,
        }
