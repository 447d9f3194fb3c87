"""Prompts at ComfyUI servers.

The attempt has a prompt id of ours and is saved before the POST. What became of it is decided by
the server's /history and /queue alone; the WebSocket only tells progress. So an attempt can be
picked up at any point by whoever comes next, and nothing is rendered twice.
"""

import logging
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, Final, Protocol

from backend.models.comfyui_server import ComfyUIServer
from backend.models.content import GeneratedContent
from backend.models.job import Attempt, Job, Outcome
from backend.services.comfyui.client import ComfyUIClient
from backend.services.comfyui.messages import PromptOutcome, PromptState
from backend.services.queue.delivery import ResultDelivery
from backend.services.queue.in_flight import InFlightJobs
from backend.services.queue.input_images import InputImages
from backend.services.queue.provenance import GraphRecorder
from backend.services.queue.render_request import render_request
from backend.services.queue.retry_policy import (
    DISK_FULL,
    NEVER_RAN,
    OUT_OF_MEMORY,
    Failure,
    Judgement,
    exclusions,
    judge,
)
from backend.services.queue.runners.attempt import (
    OwnershipLost,
    Placement,
    PreparedOrder,
    RunnerResult,
)
from backend.services.queue.runners.comfyui_follower import PromptMonitor
from backend.services.servers.fleet import ServerState
from backend.services.workflows import BuiltWorkflow, build_workflow
from backend.utils.errors import (
    ServerUnreachableError,
    SubmissionUncertainError,
    UnprocessableError,
    UpstreamError,
)

logger = logging.getLogger(__name__)

#: What a document may hold; ComfyUI takes seeds of twice that, which then stand in the graph alone.
_LARGEST_KEPT_SEED = 2**63 - 1
_ADOPTABLE = frozenset({Outcome.LOST, Outcome.FORGOTTEN, Outcome.UNREACHABLE})


class FleetMonitor(Protocol):
    """What is told of servers as attempts find them."""

    @property
    def states(self) -> list[ServerState]: ...

    def mark_offline(self, server_id: str) -> None: ...

    def failed(self, server_id: str) -> None: ...

    def succeeded(self, server_id: str) -> None: ...


class ComfyUIRunner:
    """Makes jobs at ComfyUI servers: see `Runner`."""

    is_paid: Final = False

    def __init__(  # noqa: PLR0913 - the steps of an attempt
        self,
        client: ComfyUIClient,
        *,
        images: InputImages,
        graphs: GraphRecorder,
        monitor: PromptMonitor,
        delivery: ResultDelivery,
        watch: FleetMonitor,
        in_flight: InFlightJobs,
    ) -> None:
        self._client = client
        self._images = images
        self._graphs = graphs
        self._monitor = monitor
        self._delivery = delivery
        self._watch = watch
        self._in_flight = in_flight

    async def find(self, job: Job, server: ComfyUIServer) -> Attempt | None:
        for attempt in reversed(job.attempts):
            ours = attempt.server_id == server.id and attempt.outcome in _ADOPTABLE
            if ours and await self._monitor.is_known(server, attempt.prompt_id):
                return attempt
        return None

    async def prepare(self, job: Job, placement: Placement) -> PreparedOrder:
        number = job.attempt + 1
        built = build_workflow(render_request(job, number), placement.catalog)
        made = await self._graphs.note(job, placement.server, built, number)
        return PreparedOrder(built, facts_of(built), made)

    def unsent(self, job: Job, server: ComfyUIServer, error: Exception) -> Mapping[str, Any] | None:
        if not isinstance(error, UpstreamError):
            return None
        # It may have the prompt already; sending one more before asking would render twice.
        logger.info("Job %s stays in the queue: %s", job.id, error.message)
        self._watch.mark_offline(server.id)
        return {}

    async def send(self, job: Job, server: ComfyUIServer, prepared: PreparedOrder) -> str | Failure:
        """Upload its pictures and POST the prompt; whether it arrived, following finds out."""
        attempt = _current(job)
        try:
            placed = await self._images.place(server, prepared.order)
            await self._client.submit(
                server, placed.graph, prompt_id=attempt.prompt_id, client_id=attempt.client_id
            )
        except SubmissionUncertainError as error:
            logger.info("Job %s: whether it arrived is open: %s", job.id, error.message)
        except UnprocessableError as error:
            return Failure(Outcome.REJECTED, error.message, error.code, error.details)
        except ServerUnreachableError as error:
            self._watch.mark_offline(server.id)
            return Failure(Outcome.UNREACHABLE, error.message, error.code)
        except UpstreamError as error:
            self._watch.failed(server.id)
            return Failure(Outcome.FAILED, error.message, error.code)
        return attempt.prompt_id

    async def follow(
        self, job: Job, attempt: Attempt, server: ComfyUIServer
    ) -> RunnerResult | Failure | OwnershipLost:
        self._in_flight.prompt_sent(attempt.prompt_id)
        ended = await self._monitor.follow(job, attempt, server)
        if isinstance(ended, Failure):
            await self._note_trouble(server, attempt, ended)
            return ended
        if isinstance(ended, OwnershipLost):
            return ended
        self._watch.succeeded(server.id)
        if ended.state is not PromptState.SUCCESS:
            return _failure_of(ended)
        self._in_flight.prompt_ran(job.id, None if ended.cached else ended.seconds)
        return RunnerResult(ended, ended.seconds)

    async def deliver(
        self, job: Job, server: ComfyUIServer, made: RunnerResult
    ) -> GeneratedContent | Failure:
        async with self._monitor.fetching(job):
            return await self._delivery.deliver(job, server, made.outcome)

    async def withdraw(self, server: ComfyUIServer, prompt_id: str) -> None:
        await self._client.withdraw(server, prompt_id)

    async def take_back(self, server: ComfyUIServer, prompt_id: str) -> bool:
        await self._client.take_back(server, prompt_id)
        return not await self._monitor.is_known(server, prompt_id)

    def judge(self, job: Job, failure: Failure, now: datetime) -> Judgement:
        excluded = exclusions(job, failure, self._watch.states)
        if excluded is None:
            words = f"{failure.message} No larger server is registered."
            failure = replace(failure, message=words, final=True)
        return Judgement(failure, judge(job, failure, now), excluded or job.excluded_server_ids)

    async def _note_trouble(self, server: ComfyUIServer, attempt: Attempt, ended: Failure) -> None:
        if ended.outcome is Outcome.LOST:
            self._watch.mark_offline(server.id)
        elif ended.outcome is Outcome.FORGOTTEN:
            self._in_flight.forget_server(server.id)
            if ended.code == NEVER_RAN:
                self._watch.failed(server.id)
        elif ended.outcome is Outcome.HUNG:
            self._watch.failed(server.id)
            await self._client.withdraw(server, attempt.prompt_id)


def _current(job: Job) -> Attempt:
    if job.current_attempt is None:
        raise UpstreamError("A processing job has no attempt on record.")
    return job.current_attempt


def facts_of(built: BuiltWorkflow) -> dict[str, Any]:
    """What the take will say of how it was made."""
    used = {
        "width": built.width,
        "height": built.height,
        "video_frames": built.frames,
        "video_fps": built.fps,
        **built.sampling,
    }
    return {
        "model_name": built.model_name,
        "model_type": built.family,
        "seed": built.seed if built.seed <= _LARGEST_KEPT_SEED else None,
        "params": {name: value for name, value in used.items() if value is not None},
        "nodes": {node_id: node["class_type"] for node_id, node in built.graph.items()},
    }


def _failure_of(outcome: PromptOutcome) -> Failure:
    if outcome.state is PromptState.INTERRUPTED:
        words = "Somebody interrupted the prompt at the server."
        return Failure(Outcome.INTERRUPTED, words, "INTERRUPTED")
    error = outcome.error
    if error is None:
        return Failure(Outcome.FAILED, "ComfyUI reports an error.", "EXECUTION_ERROR")
    code = OUT_OF_MEMORY if error.out_of_memory else "EXECUTION_ERROR"
    if "no space left" in error.message.lower():
        code = DISK_FULL
    where = f" (node {error.node_id}, {error.node_type})" if error.node_id else ""
    details = {"node_id": error.node_id, "node_type": error.node_type}
    return Failure(Outcome.FAILED, f"{error.message}{where}", code, details)
