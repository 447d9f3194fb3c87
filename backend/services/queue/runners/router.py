"""Which runner is for which server."""

from backend.models.comfyui_server import ComfyUIServer, ServerType
from backend.services.queue.runners.attempt import Runner
from backend.services.queue.runners.comfyui import ComfyUIRunner
from backend.services.queue.runners.openai import OpenAIVideoRunner
from backend.services.queue.runners.openai_request import PROVIDER_ID
from backend.services.queue.runners.runpod import RunPodRunner


class RunnerRouter:
    """Gives the runner of a server's kind; the provider counts as a server of its own."""

    def __init__(
        self, standard: ComfyUIRunner, runpod: RunPodRunner, provider: OpenAIVideoRunner
    ) -> None:
        self._standard = standard
        self._runpod = runpod
        self._provider = provider

    def of(self, server: ComfyUIServer) -> Runner:
        if server.id == PROVIDER_ID:
            return self._provider
        return self._runpod if server.server_type is ServerType.RUNPOD else self._standard

    async def withdraw(self, server: ComfyUIServer, prompt_id: str) -> None:
        """Take a prompt or a run back wherever it is by now; raises nothing for the server."""
        await self.of(server).withdraw(server, prompt_id)
