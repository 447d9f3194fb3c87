"""A StoryCanvas to test against: in this process, or as a process of its own that can be killed."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
from fastapi import FastAPI

from backend.comfyui_simulator.simulator import Simulator
from backend.config import ROOT, Settings
from backend.container import build_container
from backend.server import create_app
from backend.services.comfyui.client import ComfyUIClient
from tests.warm_server import WarmServer

#: Quick enough for tests, everything else as it ships.
QUICK: dict[str, Any] = {
    "queue_poll_seconds": 0.05,
    "server_check_seconds": 0.2,
    "server_lost_seconds": 1.0,
    "generate_wait_seconds": 20,
}


#: Where clients of an app without a port find it.
ORIGIN = "http://storycanvas"


def kept(address: str) -> str:
    """An address of an answer as documents keep it: without server and signature."""
    return urlsplit(address).path


def quick_settings(tmp_path: Path, **changes: Any) -> Settings:
    values = {**QUICK, "mongo_url": "memory:", "upload_dir": tmp_path / "uploads", **changes}
    return Settings(_env_file=None, **values)


@asynccontextmanager
async def serving(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """Run the app's lifespan and give a client for it."""
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url=ORIGIN) as client,
    ):
        yield client


class Studio:
    """A client with the few calls that every test of the queue makes."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self.client = client

    async def post(self, path: str, body: dict[str, Any], status: int = 201) -> dict[str, Any]:
        response = await self.client.post(f"/api/v1{path}", json=body)
        assert response.status_code == status, response.text
        return dict(response.json())

    async def get(self, path: str) -> Any:
        response = await self.client.get(f"/api/v1{path}")
        assert response.status_code == 200, response.text
        return response.json()

    async def server(self, simulator: Simulator, name: str = "Sim", **fields: Any) -> str:
        body = {"name": name, "url": simulator.url, **fields}
        return str((await self.post("/comfyui/servers", body))["id"])

    async def clip(self, **fields: Any) -> dict[str, Any]:
        """A clip in a project of its own; nothing is queued unless `auto_generate` says so."""
        project = await self.post("/projects", {"name": "Film"})
        scene = await self.post("/scenes", {"project_id": project["id"], "name": "Scene"})
        return await self.post(
            "/clips", {"scene_id": scene["id"], "auto_generate": False, **fields}
        )

    async def job(self, clip: dict[str, Any], **fields: Any) -> str:
        body = {"clip_id": clip["id"], "prompt": "a red car", "params": {"steps": 4}, **fields}
        return str((await self.post("/queue/jobs", body))["job_id"])

    async def until(
        self, job_id: str, holds: Callable[[dict[str, Any]], bool], seconds: float = 20
    ) -> dict[str, Any]:
        """Wait until something holds for a job, and give it; fail with the job as it stands."""
        deadline = time.monotonic() + seconds
        job: dict[str, Any] = {}
        while time.monotonic() < deadline:
            job = await self.get(f"/queue/jobs/{job_id}")
            if holds(job):
                return job
            await asyncio.sleep(0.03)
        raise AssertionError(f"never came true: {job}")

    async def finished(self, job_id: str, seconds: float = 20) -> dict[str, Any]:
        return await self.until(
            job_id, lambda job: job["status"] in {"completed", "failed", "cancelled"}, seconds
        )

    async def takes(self, clip: dict[str, Any]) -> list[dict[str, Any]]:
        gallery = await self.get(f"/clips/{clip['id']}/gallery")
        return [*gallery["images"], *gallery["videos"]]


@asynccontextmanager
async def studio(
    tmp_path: Path, *, client_type: type[ComfyUIClient] = ComfyUIClient, **changes: Any
) -> AsyncIterator[Studio]:
    build = partial(build_container, client_type=client_type)
    app = create_app(quick_settings(tmp_path, **changes), build=build)
    async with serving(app) as client:
        yield Studio(client)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class ServerProcess:
    """`python -m backend.server` on a free port, with settings by environment."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._log = folder / "server.log"
        values = {**QUICK, "upload_dir": folder / "uploads", **settings, "backend_port": self.port}
        self._environment = {
            **{key: value for key, value in os.environ.items() if key.upper() not in _OURS},  # noqa: TID251
            **{key.upper(): str(value) for key, value in values.items()},
        }
        self.process: WarmServer | subprocess.Popen[bytes] | None = None

    def start(self, *command: str) -> None:
        """Start it; with `command` as Python's arguments, in a new interpreter."""
        if not command:
            self.process = WarmServer(self._environment, self._log)
            return
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, *command], cwd=ROOT, env=self._environment, stdout=log, stderr=log
            )

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    @property
    def log(self) -> str:
        return self._log.read_text(encoding="utf-8")

    async def ready(self, seconds: float = 20) -> None:
        """Wait until it answers requests with a database behind it."""
        deadline = time.monotonic() + seconds
        async with httpx.AsyncClient(base_url=self.url) as client:
            while time.monotonic() < deadline:
                try:
                    if (await client.get("/api/v1/health")).status_code == 200:
                        return
                except httpx.TransportError:
                    pass
                assert self.process is None or self.process.poll() is None, self.log
                await asyncio.sleep(0.05)
        raise AssertionError(f"not ready: {self.log}")

    def kill(self) -> None:
        """SIGKILL: no chance to say goodbye."""
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(10)

    def terminate(self) -> tuple[int, float]:
        """SIGTERM; gives exit code and seconds taken."""
        assert self.process is not None
        began = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(20), time.monotonic() - began

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.terminate()


_OURS = {name.upper() for name in Settings.model_fields}


@contextmanager
def server_process(folder: Path, **settings: Any) -> Iterator[ServerProcess]:
    server = ServerProcess(folder, **settings)
    try:
        yield server
    finally:
        server.stop()


@asynccontextmanager
async def talking_to(server: ServerProcess) -> AsyncIterator[Studio]:
    async with httpx.AsyncClient(base_url=server.url, timeout=30) as client:
        yield Studio(client)
