"""Who carries out a job at a server: ComfyUI itself and RunPod's endpoints are spoken to apart."""

from typing import Protocol

from backend.models.comfyui_server import ComfyUIServer, ServerType
from backend.models.job import Job
from backend.services.attempt_runner import AttemptRunner, Placement
from backend.services.comfyui_client import ComfyUIClient
from backend.services.retry_policy import Failure
from backend.services.runpod_runner import RunPodRunner


class Runner(Protocol):
    """What the dispatcher needs of whoever carries out its jobs."""

    async def carry_out(self, job: Job, placement: Placement) -> None: ...

    async def resume(self, job: Job, server: ComfyUIServer) -> None: ...

    async def fail(self, job: Job, failure: Failure) -> None: ...

    async def recall(self, job: Job, server: ComfyUIServer, reason: str) -> bool: ...


class ServerRunners:
    """Gives each job to the runner of its server's type."""

    def __init__(
        self, standard: AttemptRunner, runpod: RunPodRunner, client: ComfyUIClient
    ) -> None:
        self._standard = standard
        self._runpod = runpod
        self._client = client

    async def carry_out(self, job: Job, placement: Placement) -> None:
        await self._of(placement.server).carry_out(job, placement)

    async def resume(self, job: Job, server: ComfyUIServer) -> None:
        await self._of(server).resume(job, server)

    async def fail(self, job: Job, failure: Failure) -> None:
        """End an attempt for a reason of our own, whatever server it was at."""
        await self._standard.fail(job, failure)

    async def recall(self, job: Job, server: ComfyUIServer, reason: str) -> bool:
        """Take back what waits in a server's own queue; what a paid endpoint took stays there."""
        if server.server_type is ServerType.RUNPOD:
            return False
        return await self._standard.recall(job, server, reason)

    async def withdraw(self, server: ComfyUIServer, prompt_id: str) -> None:
        """Take a prompt or a run back wherever it is by now; raises nothing for the server."""
        if server.server_type is ServerType.RUNPOD:
            await self._runpod.withdraw(server, prompt_id)
        else:
            await self._client.withdraw(server, prompt_id)

    def _of(self, server: ComfyUIServer) -> AttemptRunner | RunPodRunner:
        return self._runpod if server.server_type is ServerType.RUNPOD else self._standard
