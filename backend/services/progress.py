"""How far a prompt is, from what its WebSocket tells: a pure fold over events."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from backend.services.comfyui_messages import (
    NodesFinished,
    NodeStarted,
    ProgressEvent,
    StepDone,
)

#: A sampler's steps take nearly all of the time; other nodes count as one step each.
_SAMPLER_WEIGHT = 20.0


@dataclass(frozen=True)
class Progress:
    """`nodes` maps node ids to classes; `step` of `total` is the current node's.

    `fraction` runs from 0 to 1 and never falls.
    """

    nodes: Mapping[str, str]
    finished: frozenset[str] = frozenset()
    node: str | None = None
    step: int | None = None
    total: int | None = None
    fraction: float = 0.0

    @property
    def node_name(self) -> str | None:
        """The class of the node that runs, such as KSampler."""
        return self.nodes.get(self.node or "")

    def after(self, event: ProgressEvent, prompt_id: str) -> "Progress":
        """Fold one event in; another prompt's events change nothing."""
        if event.prompt_id not in {None, prompt_id}:
            return self
        match event:
            case StepDone():
                moved = replace(
                    self, node=event.node_id, step=int(event.value), total=int(event.max)
                )
            case NodeStarted():
                moved = replace(self, node=event.node_id, step=None, total=None)
            case NodesFinished():
                moved = replace(self, finished=self.finished | event.node_ids)
            case _:
                return self
        return replace(moved, fraction=max(self.fraction, moved.estimate()))

    def estimate(self) -> float:
        weights = {node_id: _weight(kind) for node_id, kind in self.nodes.items()}
        done = sum(weight for node_id, weight in weights.items() if node_id in self.finished)
        if self.node and self.node not in self.finished and self.step and self.total:
            done += weights.get(self.node, 1.0) * min(1.0, self.step / self.total)
        return round(min(0.99, done / (sum(weights.values()) or 1.0)), 4)


def _weight(class_type: str) -> float:
    return _SAMPLER_WEIGHT if "Sampler" in class_type else 1.0
