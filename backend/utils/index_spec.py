"""What a repository asks of the database: indexes, as plain values."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class IndexSpec:
    """One index. `keys` are (field, 1 or -1); `partial` is a filter of the documents it holds.

    Without a name it is called as MongoDB would: `scene_id_1_order_-1`. `replaces` names indexes
    of earlier versions, which are dropped: each costs at every write.
    """

    keys: tuple[tuple[str, int], ...]
    unique: bool = False
    partial: Mapping[str, Any] | None = None
    name: str = ""
    replaces: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.name:
            parts = (f"{field}_{direction}" for field, direction in self.keys)
            object.__setattr__(self, "name", "_".join(parts))

    def options(self) -> dict[str, Any]:
        """Give the keyword arguments of create_index beside the keys."""
        chosen: dict[str, Any] = {"name": self.name}
        if self.unique:
            chosen["unique"] = True
        if self.partial is not None:
            chosen["partialFilterExpression"] = dict(self.partial)
        return chosen
