"""RunPod's queue-based endpoints on loopback, with faults on demand, and a bucket beside them.

It speaks the shape of its manual and of worker-comfyui, and counts every run that it accepts:
each of them would cost money. What it renders are real files.
"""

import asyncio
import base64
import itertools
from collections import defaultdict, deque
from collections.abc import Mapping, Sequence
from typing import Any, Self

from aiohttp import web

from tests.openai_gateway import Fault
from tests.unit.services.media.media_samples import picture

KEY = "rpa_TEST5ECRETKEY0FTHEENDP0INT"
ENDPOINT = "abc123xyz"


def base64_of(content: bytes) -> str:
    return base64.b64encode(content).decode()


def images(*contents: bytes, name: str = "ComfyUI_0000{}_.png") -> dict[str, Any]:
    """What worker-comfyui gives since its version 5."""
    return {
        "images": [
            {"filename": name.format(number), "type": "base64", "data": base64_of(content)}
            for number, content in enumerate(contents, 1)
        ]
    }


def completed(output: object, **extra: Any) -> dict[str, Any]:
    return {"status": "COMPLETED", "output": output, **extra}


def failed(error: object, **extra: Any) -> dict[str, Any]:
    return {"status": "FAILED", "error": error, **extra}


class RunPodServer:
    """`waiting` are the states that a run shows look by look, before `ends` is what it is."""

    def __init__(self) -> None:
        self._runner: web.AppRunner | None = None
        self._port = 0
        self.reset()

    def reset(self) -> None:
        """Forget everything, faults included."""
        self.waiting: Sequence[str | Mapping[str, Any]] = ("IN_QUEUE", "IN_PROGRESS")
        self.ends: Mapping[str, Any] = completed(
            images(picture()), delayTime=2188, executionTime=1500
        )
        #: The bodies of the runs that were accepted, in order.
        self.orders: list[dict[str, Any]] = []
        #: Orders whose body never came to its end.
        self.broken_off = 0
        self.cancelled: list[str] = []
        self.runs: dict[str, dict[str, Any]] = {}
        self.bucket: dict[str, bytes] = {}
        self.calls: list[tuple[str, str]] = []
        self.released = asyncio.Event()
        #: Runs stay as they are until this is set: nothing ends.
        self.held = False
        self._faults: defaultdict[str, deque[Fault]] = defaultdict(deque)
        self._looks: defaultdict[str, int] = defaultdict(int)
        self._numbers = itertools.count(1)

    @property
    def root(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    @property
    def url(self) -> str:
        return f"{self.root}/v2"

    def count(self, action: str) -> int:
        return sum(1 for name, _ in self.calls if name == action)

    def fault(self, action: str, *faults: Fault, times: int = 1) -> None:
        """Let the next calls go wrong: run, status, cancel, health or bucket."""
        self._faults[action].extend(faults * times)

    def put(self, name: str, content: bytes) -> str:
        """Lay a file into the bucket; gives its URL, signed as S3 does."""
        self.bucket[name] = content
        return f"{self.root}/bucket/{name}?X-Amz-Signature=5ecret"

    async def start(self, port: int = 0) -> None:
        app = web.Application(client_max_size=64 * 1024 * 1024)
        app.router.add_post("/v2/{endpoint}/run", self._run)
        app.router.add_get("/v2/{endpoint}/status/{id}", self._status)
        app.router.add_post("/v2/{endpoint}/cancel/{id}", self._cancel)
        app.router.add_get("/v2/{endpoint}/health", self._health)
        app.router.add_get("/bucket/{name}", self._bucket)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", port).start()
        self._port = self._runner.addresses[0][1]

    async def stop(self) -> int:
        """Close the port; gives it, so that a test may open it again."""
        self.released.set()
        if self._runner is not None:
            await self._runner.cleanup()
        return self._port

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def _run(self, request: web.Request) -> web.StreamResponse:
        fault = await self._begin(request, "run")
        if fault is not None and fault.late:
            await self.released.wait()
        elif fault is not None and not fault.after:
            return await self._go_wrong(request, fault)
        try:
            self.orders.append(await request.json())
        except (ConnectionError, web.RequestPayloadError):
            self.broken_off += 1
            raise
        run_id = f"run-{next(self._numbers)}-u1"
        self.runs[run_id] = {"id": run_id, "status": "IN_QUEUE"}
        if fault is not None and fault.after:
            return await self._go_wrong(request, fault)
        return web.json_response(self.runs[run_id])

    async def _status(self, request: web.Request) -> web.StreamResponse:
        fault = await self._begin(request, "status")
        if fault is not None:
            return await self._go_wrong(request, fault)
        run_id = request.match_info["id"]
        if run_id not in self.runs:
            return web.json_response({"error": "job not found"}, status=404)
        self._advance(run_id)
        return web.json_response(self.runs[run_id])

    def _advance(self, run_id: str) -> None:
        run = self.runs[run_id]
        look = self._looks[run_id]
        if run["status"] == "CANCELLED":
            return
        if look < len(self.waiting):
            told = self.waiting[look]
            run.update({"status": told} if isinstance(told, str) else told)
            self._looks[run_id] += 1
        elif not self.held:
            run.update(self.ends)

    async def _cancel(self, request: web.Request) -> web.StreamResponse:
        fault = await self._begin(request, "cancel")
        if fault is not None:
            return await self._go_wrong(request, fault)
        run_id = request.match_info["id"]
        if run_id not in self.runs:
            return web.json_response({"error": "job not found"}, status=404)
        self.cancelled.append(run_id)
        if self.runs[run_id]["status"] in {"IN_QUEUE", "IN_PROGRESS"}:
            self.runs[run_id]["status"] = "CANCELLED"
        return web.json_response(self.runs[run_id])

    async def _health(self, request: web.Request) -> web.StreamResponse:
        fault = await self._begin(request, "health")
        if fault is not None:
            return await self._go_wrong(request, fault)
        statuses = [run["status"] for run in self.runs.values()]
        return web.json_response(
            {
                "jobs": {
                    "completed": statuses.count("COMPLETED"),
                    "failed": statuses.count("FAILED"),
                    "inProgress": statuses.count("IN_PROGRESS"),
                    "inQueue": statuses.count("IN_QUEUE"),
                    "retried": 0,
                },
                "workers": {
                    "idle": 1,
                    "initializing": 0,
                    "ready": 2,
                    "running": 0,
                    "throttled": 3,
                    "unhealthy": 0,
                },
            }
        )

    async def _bucket(self, request: web.Request) -> web.StreamResponse:
        self.calls.append(("bucket", request.path))
        # RunPod's key is nothing that a bucket may see.
        assert "Authorization" not in request.headers
        if self._faults["bucket"]:
            return await self._go_wrong(request, self._faults["bucket"].popleft())
        content = self.bucket.get(request.match_info["name"])
        return web.Response(status=404) if content is None else web.Response(body=content)

    async def _begin(self, request: web.Request, action: str) -> Fault | None:
        self.calls.append((action, request.path))
        if self._faults[action]:
            return self._faults[action].popleft()
        if request.match_info["endpoint"] != ENDPOINT:
            return Fault(404, {"error": "endpoint not found"})
        key = request.headers.get("Authorization", "")
        return None if key == f"Bearer {KEY}" else Fault(401, {"error": f"bad key {key[7:]}"})

    async def _go_wrong(self, request: web.Request, fault: Fault) -> web.StreamResponse:
        if fault.hold:
            await self.released.wait()
        if fault.drop:
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        if isinstance(fault.body, Mapping):
            return web.json_response(fault.body, status=fault.status, headers=fault.headers)
        return web.Response(status=fault.status, body=fault.body or b"", headers=fault.headers)
