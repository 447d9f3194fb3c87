"""Whether a prompt was answered from ComfyUI's cache. Pure."""

from collections.abc import Mapping, Set
from typing import Any


def nothing_rendered(graph: Mapping[str, Any], outputs: Set[str], cached: Set[str]) -> bool:
    """Tell whether all that its outputs stand on was there already.

    An output of another file name is written anew, from what is in the cache: that renders
    nothing either. Nodes that no output stands on never run, and are never told as cached.
    """
    if not cached or not outputs:
        return False
    behind = _behind(graph, outputs)
    return outputs <= cached or (bool(behind) and behind <= cached)


def _behind(graph: Mapping[str, Any], outputs: Set[str]) -> set[str]:
    """The nodes that these take from, near and far, without themselves."""
    found: set[str] = set()
    left = list(outputs)
    while left:
        node = graph.get(left.pop())
        inputs = node.get("inputs") if isinstance(node, Mapping) else None
        for value in inputs.values() if isinstance(inputs, Mapping) else ():
            source = value[0] if isinstance(value, list) and len(value) == 2 else None
            if isinstance(source, str) and source in graph and source not in found:
                found.add(source)
                left.append(source)
    return found - outputs
