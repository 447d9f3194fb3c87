"""Routes are named by template, with either way FastAPI has of telling it."""

from types import SimpleNamespace
from typing import Any

import pytest

from backend.api.http.metrics import MetricsMiddleware, route_of


@pytest.mark.parametrize(
    ("path", "template", "expected"),
    [
        ("/api/v1/clips/1", "/clips/{clip_id}", "/api/v1/clips/{clip_id}"),
        ("/api/v1/clips/1", "/api/v1/clips/{clip_id}", "/api/v1/clips/{clip_id}"),
        ("/api/v1/", "/", "/api/v1/"),
        ("/metrics", "/metrics", "/metrics"),
        ("/api/projects/1/export/edl", "/api/projects/{p}/export/edl", None),
        ("/uploads/a/b.png", None, "/uploads/{path}"),
        ("/static-offline-docs/x.js", None, "/static-offline-docs/{path}"),
        ("/uploads", None, "unmatched"),
        ("/etc/passwd", None, "unmatched"),
    ],
)
def test_route_of(path: str, template: str | None, expected: str | None) -> None:
    scope: dict[str, Any] = {"path": path}
    if template is not None:
        scope["route"] = SimpleNamespace(path_format=template)
    assert route_of(scope) == (expected or template)


async def test_other_traffic_passes_and_nothing_is_needed() -> None:
    seen: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope["type"])
        if scope["type"] == "http":
            await send({"type": "http.response.start", "status": 200, "headers": []})

    async def send(message: Any) -> None:
        seen.append(message["type"])

    async def receive() -> Any:
        return {}

    wrapped = MetricsMiddleware(app)
    await wrapped({"type": "lifespan"}, receive, send)
    bare = SimpleNamespace(state=SimpleNamespace())
    await wrapped({"type": "http", "path": "/", "method": "GET", "app": bare}, receive, send)
    assert seen == ["lifespan", "http", "http.response.start"]
