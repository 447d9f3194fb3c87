"""A graph as JSON text, which is how jobs and saved workflows keep it."""

from typing import Any

import orjson

from backend.utils.errors import WorkflowError


def as_object(workflow: dict[str, Any] | str) -> dict[str, Any]:
    """Read a graph that came as an object or as text. Raises WorkflowError when it is none."""
    try:
        graph = orjson.loads(workflow) if isinstance(workflow, str) else workflow
    except orjson.JSONDecodeError as error:
        raise WorkflowError(f"workflow_json is no JSON: {error.msg}.", errors=[]) from None
    if not isinstance(graph, dict):
        raise WorkflowError("workflow_json must be an object of nodes.", errors=[])
    return graph


def as_text(graph: dict[str, Any]) -> str:
    """Raises WorkflowError for what the text cannot hold."""
    try:
        return orjson.dumps(graph).decode()
    except orjson.JSONEncodeError:
        raise WorkflowError("workflow_json is nested too deeply.", errors=[]) from None
