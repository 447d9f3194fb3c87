"""The one life of an attempt: found, claimed, sent, followed, delivered; whoever makes it.

What is paid for is ordered once: the attempt is saved before the order, the lease asked again right
before it, the receipt saved before the first look. An attempt without a receipt after a crash may
or may not have been ordered: such a job fails and says so.
"""

import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any, Protocol

from backend.models.comfyui_server import ComfyUIServer
from backend.models.content import GeneratedContent
from backend.models.job import Attempt, Job, Outcome
from backend.models.provenance import Provenance
from backend.repositories.jobs.repository import JobRepository
from backend.services.comfyui.catalog import ServerCatalog
from backend.services.comfyui.messages import PromptOutcome
from backend.services.providers.paid_work import finish_despite_cancel, retry_until_saved
from backend.services.queue.retry_policy import Failure, Judgement
from backend.services.queue.runners.recorder import AttemptRecorder, Claim
from backend.utils.clock import Clock
from backend.utils.errors import (
    DatabaseUnavailableError,
    LeaseLostError,
    ServiceUnavailableError,
    UnprocessableError,
    UpstreamError,
)
from backend.utils.ids import random_id

logger = logging.getLogger(__name__)

#: A server that was away or hung may end the prompt after all.
_MAY_COME_LATE = frozenset({Outcome.LOST, Outcome.HUNG})
_CANNOT_BE_SENT = (UnprocessableError, UpstreamError, ServiceUnavailableError)


@dataclass(frozen=True)
class Placement:
    """Where an attempt goes, and what is known of that server."""

    server: ComfyUIServer
    catalog: ServerCatalog
    reason: str


@dataclass(frozen=True)
class PreparedOrder:
    """What is to be sent. `render` is what the take will say of how it was made."""

    order: Any
    render: dict[str, Any]
    made: Provenance | None = None


@dataclass(frozen=True)
class RunnerResult:
    """A maker is done. `seconds` as it measured, `words` for the record of the attempt."""

    outcome: PromptOutcome
    seconds: float | None = None
    words: str | None = None


class OwnershipLost(Enum):
    """Why an attempt is nobody's any more in this process."""

    #: Another process or a person moved the job on.
    TAKEN_AWAY = "taken away"
    #: Another process drives the servers now and follows this very attempt.
    HANDED_OVER = "handed over"


class Runner(Protocol):
    """One kind of maker: finds, sends, follows, withdraws. It writes nothing of an attempt."""

    @property
    def is_paid(self) -> bool: ...

    async def find(self, job: Job, server: ComfyUIServer) -> Attempt | None:
        """Look for an earlier attempt that is still there: it is taken over, not made again.

        Raises UpstreamError when the maker cannot be asked: then nothing may be sent.
        """
        ...

    async def prepare(self, job: Job, placement: Placement) -> PreparedOrder:
        """Make the order. Raises UnprocessableError or UpstreamError when that cannot be."""
        ...

    def unsent(self, job: Job, server: ComfyUIServer, error: Exception) -> Mapping[str, Any] | None:
        """Say what to note of a job that stays pending; None: it fails with the error."""
        ...

    async def send(self, job: Job, server: ComfyUIServer, prepared: PreparedOrder) -> str | Failure:
        """Send it once; gives the maker's id of it, or why surely nothing came of it.

        Raises LeaseLostError when the lease was lost before the order was complete.
        """
        ...

    async def follow(
        self, job: Job, attempt: Attempt, server: ComfyUIServer
    ) -> RunnerResult | Failure | OwnershipLost:
        """Follow an attempt to its end; nothing is sent."""
        ...

    async def deliver(
        self, job: Job, server: ComfyUIServer, made: RunnerResult
    ) -> GeneratedContent | Failure: ...

    async def withdraw(self, server: ComfyUIServer, prompt_id: str) -> None:
        """Take it back wherever it is by now; raises nothing for the maker."""
        ...

    async def take_back(self, server: ComfyUIServer, prompt_id: str) -> bool:
        """Take back what waits and has not begun; False: it goes on there."""
        ...

    def judge(self, job: Job, failure: Failure, now: datetime) -> Judgement:
        """Say what becomes of a job whose attempt went wrong."""
        ...


class AttemptLife:
    """`runner_of` gives the runner of a server's kind, `standard` judges what has none."""

    def __init__(
        self,
        jobs: JobRepository,
        recorder: AttemptRecorder,
        *,
        runner_of: Callable[[ComfyUIServer], Runner],
        standard: Runner,
        clock: Clock,
    ) -> None:
        self._jobs = jobs
        self._recorder = recorder
        self._runner_of = runner_of
        self._standard = standard
        self._clock = clock
        #: Told of attempts that may still bring a result when nobody waits for it any more.
        self.on_lost: Callable[[Job], None] = lambda job: None

    async def run(self, job: Job, placement: Placement) -> None:
        """Claim a pending job for a maker, send it there once, and see it through."""
        server = placement.server
        runner = self._runner_of(server)
        try:
            known = await runner.find(job, server)
            prepared = await runner.prepare(job, placement)
        except DatabaseUnavailableError:
            raise
        except _CANNOT_BE_SENT as error:
            noted = runner.unsent(job, server, error)
            if noted is None:
                await self._recorder.refuse(job, error)
            elif noted:
                await self._jobs.note(job, **noted)
            return
        claimed = await self._recorder.claim(job, _claim(placement, prepared, known, runner))
        if claimed is not None and known is None:
            sending = self._send(runner, claimed, server, prepared)
            claimed = await (finish_despite_cancel(sending) if runner.is_paid else sending)
        if claimed is not None:
            await self.resume(claimed, server)

    async def resume(self, job: Job, server: ComfyUIServer) -> None:
        """Follow a processing job's current attempt to its end and deliver the result."""
        attempt = job.current_attempt
        if attempt is None:
            raise UpstreamError("A processing job has no attempt on record.")
        runner = self._runner_of(server)
        ended = await runner.follow(job, attempt, server)
        if ended is OwnershipLost.TAKEN_AWAY:
            # Whoever took it may have looked before it arrived: leave nothing running.
            await runner.withdraw(server, attempt.prompt_id)
        elif isinstance(ended, Failure):
            await self._fail(runner, job, ended)
        elif isinstance(ended, RunnerResult):
            await self._finish(runner, job, server, ended)

    async def recall(self, job: Job, server: ComfyUIServer, reason: str) -> bool:
        """Take a prompt that waits in a server's queue back into ours; False: it stays there.

        Raises UpstreamError when the server cannot be asked.
        """
        attempt = job.current_attempt
        if attempt is None or not await self._runner_of(server).take_back(
            server, attempt.prompt_id
        ):
            return False
        return await self._recorder.give_back(job, Outcome.TAKEN_BACK, reason) is not None

    async def fail(self, job: Job, failure: Failure) -> None:
        """End an attempt for a reason of our own, or a worker's, wherever it was made."""
        await self._fail(self._standard, job, failure)

    async def _send(
        self, runner: Runner, job: Job, server: ComfyUIServer, prepared: PreparedOrder
    ) -> Job | None:
        """Send a claimed job, and save the receipt or how it failed; gives the job to follow."""
        try:
            if not self._recorder.may_send():
                raise LeaseLostError
            sent = await runner.send(job, server, prepared)
        except LeaseLostError as error:
            # Who drives now may have judged it already; then this changes nothing.
            sent = Failure(Outcome.UNREACHABLE, error.message, error.code)
        if isinstance(sent, Failure):
            failure = sent
            await self._saved(runner, lambda: self._fail(runner, job, failure))
            return None
        receipt = sent
        if not runner.is_paid:
            return job
        ours = await retry_until_saved(lambda: self._recorder.save_receipt(job, receipt))
        if ours is None:
            await runner.withdraw(server, receipt)
        return ours

    async def _saved(self, runner: Runner, write: Callable[[], Awaitable[None]]) -> None:
        """Write; for a paid maker until it is kept, as what it said is known nowhere else."""
        await (retry_until_saved(write) if runner.is_paid else write())

    async def _finish(
        self, runner: Runner, job: Job, server: ComfyUIServer, made: RunnerResult
    ) -> None:
        delivered = await runner.deliver(job, server, made)
        if isinstance(delivered, Failure):
            await self._fail(runner, job, delivered)
        else:
            await self._recorder.complete(job, delivered, words=made.words, seconds=made.seconds)

    async def _fail(self, runner: Runner, job: Job, failure: Failure) -> None:
        judgement = runner.judge(job, failure, self._clock())
        moved = await self._recorder.fail(job, judgement)
        if moved is not None and not runner.is_paid and failure.outcome in _MAY_COME_LATE:
            self.on_lost(moved)


def _claim(
    placement: Placement, prepared: PreparedOrder, known: Attempt | None, runner: Runner
) -> Claim:
    """An attempt that is still there goes on under its own ids; a paid one gets its id later."""
    new_prompt_id = "" if runner.is_paid else random_id()
    return Claim(
        server_id=placement.server.id,
        server_name=placement.server.name,
        reason=placement.reason,
        render=prepared.render,
        prompt_id=known.prompt_id if known else new_prompt_id,
        client_id=known.client_id if known else random_id(),
        made=known.made if known else prepared.made,
    )
