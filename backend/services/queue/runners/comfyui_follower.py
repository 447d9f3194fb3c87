"""Follow one prompt at its server until there is an outcome, a failure, or it was taken away.

/history and /queue decide; the WebSocket, which may fall silent for good, only tells progress
and that it is worth looking now. `Progress` is a pure fold over what it tells.
"""

import asyncio
import contextlib
import random
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from backend.models.comfyui_server import ComfyUIServer
from backend.models.job import Attempt, Job, Outcome
from backend.repositories.jobs.repository import JobRepository
from backend.services.comfyui.client import ComfyUIClient
from backend.services.comfyui.messages import (
    NodesFinished,
    NodeStarted,
    ProgressEvent,
    PromptFinished,
    PromptOutcome,
    ServerQueue,
    StepDone,
)
from backend.services.comfyui.transport import translated
from backend.services.queue.retry_policy import NEVER_RAN, Failure
from backend.services.queue.runners.attempt import OwnershipLost
from backend.utils.clock import Clock
from backend.utils.errors import DatabaseUnavailableError, UpstreamError
from backend.utils.running_alongside import running_alongside

#: A sampler's steps take nearly all of the time; other nodes count as one step each.
_SAMPLER_WEIGHT = 20.0


@dataclass(frozen=True)
class Progress:
    """`nodes` maps node ids to classes; `step` of `total` is the current node's.

    `fraction` runs from 0 to 1 and never falls.
    """

    nodes: Mapping[str, str]
    finished: frozenset[str] = frozenset()
    node: str | None = None
    step: int | None = None
    total: int | None = None
    fraction: float = 0.0

    @property
    def node_name(self) -> str | None:
        """The class of the node that runs, such as KSampler."""
        return self.nodes.get(self.node or "")

    def after(self, event: ProgressEvent, prompt_id: str) -> "Progress":
        """Fold one event in; another prompt's events change nothing."""
        if event.prompt_id not in {None, prompt_id}:
            return self
        match event:
            case StepDone():
                moved = replace(
                    self, node=event.node_id, step=int(event.value), total=int(event.max)
                )
            case NodeStarted():
                moved = replace(self, node=event.node_id, step=None, total=None)
            case NodesFinished():
                moved = replace(self, finished=self.finished | event.node_ids)
            case _:
                return self
        return replace(moved, fraction=max(self.fraction, moved.estimate()))

    def estimate(self) -> float:
        weights = {node_id: _weight(kind) for node_id, kind in self.nodes.items()}
        done = sum(weight for node_id, weight in weights.items() if node_id in self.finished)
        if self.node and self.node not in self.finished and self.step and self.total:
            done += weights.get(self.node, 1.0) * min(1.0, self.step / self.total)
        return round(min(0.99, done / (sum(weights.values()) or 1.0)), 4)


def _weight(class_type: str) -> float:
    return _SAMPLER_WEIGHT if "Sampler" in class_type else 1.0


#: A prompt that is in neither /queue nor /history this often in a row is not there: /history
#: may lag behind the end of a prompt (17 of 80 runs measured), and so may the queue.
_UNKNOWN_LOOKS = 4
_UNKNOWN_PAUSE = 0.25
_DEAF_FACTOR = 6
#: Seconds that a server gets for an answer at least, however soon it counts as lost.
_SHORTEST_QUESTION = 4.0
#: Seconds between two looks at any prompts: with hundreds of them each is looked at less often. The
#: socket tells of an end at once; a look finds what it did not tell.
_LOOK_SPACING = 0.02
#: Seconds between two notes of a prompt's progress, and between those of all prompts: each is a
#: write, and a hundred servers must not keep the database from what counts.
_NOTE_INTERVAL = 0.5
_NOTE_SPACING = 0.05
_ENDED: Mapping[str, Any] = {
    "progress": 0.99,
    "progress_step": None,
    "progress_total": None,
    "current_node": None,
}
#: The server must have dropped the old socket first: a client id that two of them share goes deaf.
_RECONNECT_PAUSE = 2.0


@dataclass
class _Look:
    """What the looks so far have shown."""

    progress: Progress
    unknown: int = 0
    unreachable_since: datetime | None = None
    stirred: asyncio.Event = field(default_factory=asyncio.Event)
    #: When it began to run, or last told of progress.
    moved_at: datetime | None = None
    has_told: bool = False
    progressed: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(frozen=True)
class PromptTimeouts:
    """Seconds: between two looks, until a silent server has lost its prompts, until one hangs.

    A prompt whose server never told of progress gets six times as long: its socket may be deaf.
    """

    poll: float
    lost: float
    stall: float


class PromptMonitor:
    """`on_start` is told the id of a job once its prompt runs, and may be told again."""

    def __init__(
        self,
        jobs: JobRepository,
        client: ComfyUIClient,
        *,
        patience: PromptTimeouts,
        on_start: Callable[[str], None],
        clock: Clock,
    ) -> None:
        self._jobs = jobs
        self._client = client
        self._poll_seconds = patience.poll
        self._lost = timedelta(seconds=patience.lost)
        self._stall = timedelta(seconds=patience.stall)
        self._on_start = on_start
        self._clock = clock
        self._jitter = random.SystemRandom()
        #: How many prompts are followed here, and how many of them run.
        self._followed = 0
        self._running_now = 0

    async def is_known(self, server: ComfyUIServer, prompt_id: str) -> bool:
        """Whether the server has the prompt queued, running or done. Raises UpstreamError."""
        if prompt_id in await self._client.queue(server):
            return True
        return await self._client.history(server, prompt_id) is not None

    async def follow(
        self, job: Job, attempt: Attempt, server: ComfyUIServer
    ) -> PromptOutcome | Failure | OwnershipLost:
        look = _Look(Progress((job.render or {}).get("nodes", {})))
        hearing = self._hear_progress(job, attempt, server, look)
        self._followed += 1
        try:
            async with running_alongside(hearing, self._note_progress(job, look)):
                return await self._look_until_over(job, attempt, server, look)
        finally:
            self._followed -= 1
            self._running_now -= look.moved_at is not None

    async def _look_until_over(
        self, job: Job, attempt: Attempt, server: ComfyUIServer, look: _Look
    ) -> PromptOutcome | Failure | OwnershipLost:
        while True:
            taken = await self._taken(job)
            if taken is not None:
                return taken
            over = await self._look_once(job, attempt, server, look)
            if over is not None:
                return over
            if await self._has_told_of_its_end(look):
                # Whoever took the job meanwhile is found out by the write that ends it.
                with contextlib.suppress(UpstreamError):
                    outcome = await self._client.history(server, attempt.prompt_id)
                    if outcome is not None:
                        return outcome

    async def _has_told_of_its_end(self, look: _Look) -> bool:
        """Wait until it is worth looking again."""
        usual = max(self._poll_seconds, _LOOK_SPACING * self._followed)
        usual *= self._jitter.uniform(0.75, 1.25)
        try:
            async with asyncio.timeout(_UNKNOWN_PAUSE if look.unknown else usual):
                await look.stirred.wait()
        except TimeoutError:
            return False
        look.stirred.clear()
        return True

    async def _look_once(
        self, job: Job, attempt: Attempt, server: ComfyUIServer, look: _Look
    ) -> PromptOutcome | Failure | None:
        asked = self._clock()
        silent_for = asked - (look.unreachable_since or asked)
        left = max(_SHORTEST_QUESTION, (self._lost - silent_for).total_seconds())
        try:
            queue, outcome = await self._ask(server, attempt.prompt_id, left)
        except UpstreamError as error:
            return self._unreachable(server, look, asked, error.message)
        look.unreachable_since = None
        if outcome is not None:
            return outcome
        look.unknown = 0 if attempt.prompt_id in queue else look.unknown + 1
        if attempt.prompt_id in queue.running:
            return self._running(job, server, look)
        if look.unknown < _UNKNOWN_LOOKS:
            return None
        if look.moved_at is None:
            words = f"'{server.name}' knows nothing of the prompt: it never got it, or lost it."
            return Failure(Outcome.FORGOTTEN, words, NEVER_RAN)
        words = f"'{server.name}' knows nothing of the prompt any more, as after a restart."
        return Failure(Outcome.FORGOTTEN, words, "PROMPT_FORGOTTEN")

    async def _ask(
        self, server: ComfyUIServer, prompt_id: str, seconds: float
    ) -> tuple[ServerQueue, PromptOutcome | None]:
        """What runs and waits there, and the outcome of a prompt that does neither."""
        with translated(f"ComfyUI server '{server.name}'"):
            async with asyncio.timeout(seconds):
                queue = await self._client.queue(server)
                if prompt_id in queue:
                    return queue, None
                return queue, await self._client.history(server, prompt_id)

    def _unreachable(
        self, server: ComfyUIServer, look: _Look, asked: datetime, reason: str
    ) -> Failure | None:
        """It is silent since the first question that it left without an answer."""
        look.unreachable_since = look.unreachable_since or asked
        silent_for = self._clock() - look.unreachable_since
        if silent_for < self._lost:
            return None
        words = f"'{server.name}' did not answer for {silent_for.total_seconds():.0f} s: {reason}"
        return Failure(Outcome.LOST, words, "SERVER_LOST" if look.moved_at else NEVER_RAN)

    def _running(self, job: Job, server: ComfyUIServer, look: _Look) -> Failure | None:
        now = self._clock()
        began = look.moved_at or self._moved(job, look)
        patience = self._stall * (1 if look.has_told else _DEAF_FACTOR)
        if now - began < patience:
            return None
        words = f"'{server.name}' made no progress for {patience.total_seconds():g} s."
        return Failure(Outcome.HUNG, words, "PROMPT_HUNG")

    async def _taken(self, job: Job) -> OwnershipLost | None:
        """Somebody may have cancelled the job, deleted it, or given it to another server."""
        current = await self._jobs.find_by_id(job.id)
        if current is None or (current.status, current.attempt) != (job.status, job.attempt):
            return OwnershipLost.TAKEN_AWAY
        return None if current.fence == job.fence else OwnershipLost.HANDED_OVER

    async def _hear_progress(
        self, job: Job, attempt: Attempt, server: ComfyUIServer, look: _Look
    ) -> None:
        while True:
            # A server that is away, or silent, is /history's and /queue's business.
            with contextlib.suppress(UpstreamError):
                await self._listen(job, attempt, server, look)
            await asyncio.sleep(_RECONNECT_PAUSE)

    async def _listen(self, job: Job, attempt: Attempt, server: ComfyUIServer, look: _Look) -> None:
        """Hear of progress until the socket closes."""
        async with contextlib.aclosing(self._client.progress(server, attempt.client_id)) as events:
            async for event in events:
                if isinstance(event, PromptFinished):
                    look.stirred.set()
                before = look.progress
                look.progress = before.after(event, attempt.prompt_id)
                if look.progress != before:
                    look.has_told = True
                    self._moved(job, look)
                    look.progressed.set()

    def _moved(self, job: Job, look: _Look) -> datetime:
        self._running_now += look.moved_at is None
        look.moved_at = now = self._clock()
        self._on_start(job.id)
        return now

    async def _note_progress(self, job: Job, look: _Look) -> None:
        while True:
            await look.progressed.wait()
            await asyncio.sleep(max(_NOTE_INTERVAL, _NOTE_SPACING * self._running_now))
            look.progressed.clear()
            await self._note(
                job,
                progress=look.progress.fraction,
                progress_step=look.progress.step,
                progress_total=look.progress.total,
                current_node=look.progress.node_name,
            )

    def fetching(self, job: Job) -> AbstractAsyncContextManager[None]:
        """While its files come home: note, if that takes a while, that its prompt has ended."""
        return running_alongside(self._note_ended(job))

    async def _note_ended(self, job: Job) -> None:
        await asyncio.sleep(_NOTE_INTERVAL)
        await self._note(job, **_ENDED)

    async def _note(self, job: Job, **changes: Any) -> None:
        # Progress that is lost to an outage is worth nothing a moment later.
        with contextlib.suppress(DatabaseUnavailableError):
            await self._jobs.note(job, **changes)
