"""What happened so far, counted across deaths and restarts: /simulator/stats."""

from dataclasses import dataclass, field
from typing import Any


@dataclass
class Tally:
    """`rendered` counts runs that wrote a file; an answer from the cache is no render."""

    accepted: int = 0
    rejected: int = 0
    rendered: dict[str, int] = field(default_factory=dict)
    cached: list[str] = field(default_factory=list)
    #: Prompt ids as they started to run.
    order: list[str] = field(default_factory=list)
    interrupted: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    #: Models as they were loaded; repeats are swaps back.
    model_loads: list[str] = field(default_factory=list)
    deaths: int = 0

    def count_render(self, prompt_id: str) -> None:
        self.rendered[prompt_id] = self.rendered.get(prompt_id, 0) + 1

    def as_json(self) -> dict[str, Any]:
        return {name: _copy(value) for name, value in vars(self).items()}


def _copy(value: Any) -> Any:
    return value.copy() if isinstance(value, dict | list) else value
