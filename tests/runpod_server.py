"""RunPod's queue-based endpoints on loopback, with faults on demand, and a bucket beside them.

It speaks the shape of its manual and of worker-comfyui. What it renders are real files.
"""

import base64
from collections.abc import Mapping, Sequence
from typing import Any

from aiohttp import web

from tests.paid_stand_in import Fault, PaidStandIn
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


class RunPodServer(PaidStandIn):
    """`waiting` are the states that a run shows look by look, before `ends` is what it is.

    Its orders are the bodies of the runs. Faults are those of run, status, cancel, health and
    bucket.
    """

    def reset(self) -> None:
        super().reset()
        self.waiting: Sequence[str | Mapping[str, Any]] = ("IN_QUEUE", "IN_PROGRESS")
        self.ends: Mapping[str, Any] = completed(
            images(picture()), delayTime=2188, executionTime=1500
        )
        self.cancelled: list[str] = []
        self.runs: dict[str, dict[str, Any]] = {}
        self.bucket: dict[str, bytes] = {}
        #: Runs stay as they are until this is set: nothing ends.
        self.held = False

    @property
    def url(self) -> str:
        return f"{self.root}/v2"

    def put(self, name: str, content: bytes) -> str:
        """Lay a file into the bucket; gives its URL, signed as S3 does."""
        self.bucket[name] = content
        return f"{self.root}/bucket/{name}?X-Amz-Signature=5ecret"

    def _add_routes(self, router: web.UrlDispatcher) -> None:
        router.add_post("/v2/{endpoint}/run", self._run)
        router.add_get("/v2/{endpoint}/status/{id}", self._status)
        router.add_post("/v2/{endpoint}/cancel/{id}", self._cancel)
        router.add_get("/v2/{endpoint}/health", self._health)
        router.add_get("/bucket/{name}", self._bucket)

    async def _run(self, request: web.Request) -> web.StreamResponse:
        async def accept() -> dict[str, Any]:
            self.orders.append(await request.json())
            run_id = f"run-{next(self._numbers)}-u1"
            self.runs[run_id] = {"id": run_id, "status": "IN_QUEUE"}
            return self.runs[run_id]

        return await self._order(request, "run", accept)

    async def _status(self, request: web.Request) -> web.StreamResponse:
        fault = self._begin(request, "status")
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
        fault = self._begin(request, "cancel")
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
        fault = self._begin(request, "health")
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
        if fault := self._next_fault("bucket"):
            return await self._go_wrong(request, fault)
        content = self.bucket.get(request.match_info["name"])
        return web.Response(status=404) if content is None else web.Response(body=content)

    def _refused(self, request: web.Request) -> Fault | None:
        if request.match_info["endpoint"] != ENDPOINT:
            return Fault(404, {"error": "endpoint not found"})
        key = request.headers.get("Authorization", "")
        return None if key == f"Bearer {KEY}" else Fault(401, {"error": f"bad key {key[7:]}"})
