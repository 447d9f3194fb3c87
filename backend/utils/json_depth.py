"""How deeply JSON is nested, told without recursion: recursion is what deep values break."""

from typing import Any


def deeper_than(value: Any, levels: int) -> bool:
    """Whether objects and lists lie within one another more than so often."""
    level: list[Any] = [value]
    for _ in range(levels + 1):
        level = [child for parent in level for child in _children(parent)]
        if not level:
            return False
    return True


def _children(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []
