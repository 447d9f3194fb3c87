"""Prometheus metrics: requests as they are answered, jobs as they end, queue and servers as asked.

One registry a container: nothing here is global, so that two apps in one process stay apart.
"""

import time
from collections.abc import Mapping

from fastapi import APIRouter, Request, Response
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from backend.api.http.strict_json import StrictJsonRoute
from backend.api.http.versioned_router import V1
from backend.dtos.shared.common_dto import ErrorDTO
from backend.models.job import Job, JobStatus
from backend.services.queue.dispatcher import Dispatcher
from backend.services.queue_manager import QueueManager
from backend.services.servers.fleet import Fleet
from backend.utils.errors import DatabaseUnavailableError

router = APIRouter(
    tags=["Metrics"], responses={"default": {"model": ErrorDTO}}, route_class=StrictJsonRoute
)

#: Folders of files: one name for all that is in them.
_MOUNTS = ("/uploads", "/app", "/static-offline-docs", "/static-live")
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_REQUEST_SECONDS = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60, 240)
_JOB_SECONDS = (0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600)
_SERVER = ("server_id", "server")


class Metrics:
    """What Prometheus reads. It is the queue's JobObserver too."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self.requests = Histogram(
            "storycanvas_http_request_seconds",
            "Seconds until a response began, by method, route template and status.",
            ("method", "route", "status"),
            buckets=_REQUEST_SECONDS,
            registry=self._registry,
        )
        self._job_seconds = Histogram(
            "storycanvas_job_seconds",
            "Seconds from sending a completed job to its take in the gallery.",
            ("server", "model"),
            buckets=_JOB_SECONDS,
            registry=self._registry,
        )
        self._jobs_ended = Counter(
            "storycanvas_jobs_ended",
            "Jobs that this process saw end, by server and status.",
            ("server", "status"),
            registry=self._registry,
        )
        self._depth = self._gauge("queue_jobs", "Jobs by status.", "status")
        self._online = self._gauge("server_online", "1: the server answers.", *_SERVER)
        self._running = self._gauge("server_running_jobs", "Our jobs at the server.", *_SERVER)
        self._queued = self._gauge(
            "server_queue_length", "Prompts in the server's own queue, strangers' too.", *_SERVER
        )

    def job_ended(self, job: Job, seconds: float | None) -> None:
        """Count a job as it stands at its end; `seconds` only for one that completed."""
        server = job.server_name or ""
        self._jobs_ended.labels(server, job.status).inc()
        if seconds is not None:
            model = str((job.render or {}).get("model_name") or "")
            self._job_seconds.labels(server, model).observe(seconds)

    async def exposition(self, queue: QueueManager, fleet: Fleet, dispatcher: Dispatcher) -> bytes:
        """Give everything as text; while the database is away, without the queue's depth."""
        try:
            totals: Mapping[JobStatus, int] = await queue.totals()
        except DatabaseUnavailableError:
            totals = {}
        # Nothing is awaited from here on, so that two readers do not see each other's halves.
        self._depth.clear()
        for status, number in totals.items():
            self._depth.labels(status).set(number)
        self._show_servers(fleet, dispatcher)
        return generate_latest(self._registry)

    def _show_servers(self, fleet: Fleet, dispatcher: Dispatcher) -> None:
        """Set what is known now; a server that was removed is not shown any more."""
        for gauge in (self._online, self._running, self._queued):
            gauge.clear()
        load = dispatcher.load
        for state in fleet.states:
            who = (state.server.id, state.server.name)
            queue = state.queue if state.online else None
            self._online.labels(*who).set(state.online)
            self._running.labels(*who).set(load[state.server.id])
            self._queued.labels(*who).set(len(queue.running) + len(queue.pending) if queue else 0)

    def _gauge(self, name: str, words: str, *labels: str) -> Gauge:
        return Gauge(f"storycanvas_{name}", words, labels, registry=self._registry)


class MetricsMiddleware:
    """Times each request until its response begins.

    A stream or a download takes as long as its reader does, which says nothing of us.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        status: int | None = None

        async def noting_send(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                _note(scope, status, time.perf_counter() - started)
            await send(message)

        try:
            await self._app(scope, receive, noting_send)
        finally:
            if status is None:
                _note(scope, 500, time.perf_counter() - started)


@router.get(
    "/metrics",
    summary="Metrics for Prometheus",
    response_class=Response,
    responses={200: {"description": "Text exposition.", "content": {"text/plain": {}}}},
)
async def read_metrics(request: Request) -> Response:
    """While the database is away, the depth of the queue is left out."""
    container = request.app.state.container
    metrics: Metrics = container.base.metrics
    queue = container.queue
    text = await metrics.exposition(queue.manager, container.fleet.fleet, queue.dispatcher)
    return Response(text, media_type=CONTENT_TYPE_LATEST)


def _note(scope: Scope, status: int, seconds: float) -> None:
    container = getattr(scope["app"].state, "container", None)
    if container is not None:
        method = scope["method"] if scope["method"] in _METHODS else "other"
        requests = container.base.metrics.requests
        requests.labels(method, route_of(scope), str(status)).observe(seconds)


def route_of(scope: Scope) -> str:
    """Name the route by its template, never by the path that was asked for: paths are endless."""
    path: str = scope["path"]
    route = scope.get("route")
    if route is None:
        mount = next((mount for mount in _MOUNTS if path.startswith(f"{mount}/")), None)
        return f"{mount}/{{path}}" if mount else "unmatched"
    template: str = route.path_format
    # FastAPI tells a route's template with or without its routers' prefix, depending on version.
    is_relative = path.startswith(V1) and not template.startswith(V1)
    return V1 + template if is_relative else template
