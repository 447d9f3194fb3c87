"""The queue and the history, in memory, with the real server's habits."""

import heapq
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from backend.comfyui_simulator.errors import InternalError

#: The real server's MAXIMUM_HISTORY_SIZE.
MAXIMUM_HISTORY = 10_000


@dataclass(frozen=True)
class QueuedPrompt:
    """One queued prompt; compared by number, then by prompt_id."""

    number: float
    prompt_id: str
    graph: dict[str, Any]
    extra_data: dict[str, Any]
    outputs: tuple[str, ...]

    def __lt__(self, other: "QueuedPrompt") -> bool:
        return (self.number, self.prompt_id) < (other.number, other.prompt_id)

    @property
    def client_id(self) -> str | None:
        return self.extra_data.get("client_id")

    def as_json(self) -> list[Any]:
        return [self.number, self.prompt_id, self.graph, self.extra_data, list(self.outputs)]


class PromptQueue:
    """`changed` is called after each change of length, as queue_updated is."""

    def __init__(self, changed: Callable[[], None]) -> None:
        self._changed = changed
        self._pending: list[QueuedPrompt] = []
        self._next_number = 0
        self.running: QueuedPrompt | None = None
        self.history: dict[str, dict[str, Any]] = {}

    def __len__(self) -> int:
        """Pending and running."""
        return len(self._pending) + (self.running is not None)

    @property
    def has_pending(self) -> bool:
        return bool(self._pending)

    def number(self, body: Any) -> float:
        """The next number; a rejected prompt uses one up too, an explicit one uses none."""
        if "number" in body:
            try:
                return float(body["number"])
            except (TypeError, ValueError) as error:
                raise InternalError(str(error)) from error
        number = self._next_number
        self._next_number += 1
        front = isinstance(body, dict) and body.get("front")
        return -number if front else number

    def put(self, item: QueuedPrompt) -> None:
        """Queue it. Same number and id as a queued one: InternalError, and queued all the same."""
        twin = any(one.number == item.number for one in self.twins(item.prompt_id))
        heapq.heappush(self._pending, item)
        if twin:
            raise InternalError("'<' not supported between instances of 'dict' and 'dict'")
        self._changed()

    def twins(self, prompt_id: str) -> Iterator[QueuedPrompt]:
        return (item for item in self._pending if item.prompt_id == prompt_id)

    def get(self) -> QueuedPrompt:
        item = self.running = heapq.heappop(self._pending)
        self._changed()
        return item

    def finish(self, entry: dict[str, Any]) -> None:
        if self.running is not None:
            if len(self.history) > MAXIMUM_HISTORY:
                self.history.pop(next(iter(self.history)))
            self.history[self.running.prompt_id] = entry
        self.running = None
        self._changed()

    def delete(self, prompt_id: str) -> None:
        """Drop one pending job. The running one and unknown ids stay untouched, without a word."""
        found = next(self.twins(prompt_id), None)
        if found is None:
            return
        self._pending = [item for item in self._pending if item is not found]
        heapq.heapify(self._pending)
        self._changed()

    def wipe(self) -> None:
        self._pending = []
        self._changed()

    def forget(self) -> None:
        """Lose history and pending jobs, as a restart does."""
        self.history.clear()
        self.wipe()

    def as_json(self) -> dict[str, Any]:
        """The raw heap: queue_pending is not sorted."""
        return {
            "queue_running": [] if self.running is None else [self.running.as_json()],
            "queue_pending": [item.as_json() for item in self._pending],
        }

    def history_page(self, max_items: int | None, offset: int) -> dict[str, Any]:
        """The newest `max_items`, or those from index `offset` on; oldest first."""
        if offset < 0:
            offset = 0 if max_items is None else max(0, len(self.history) - max_items)
        found = list(self.history.items())[offset:]
        return dict(found if max_items is None else found[: max(1, max_items)])
