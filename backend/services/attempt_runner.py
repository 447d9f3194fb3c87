"""One attempt at a job, from the saved record to the take in the gallery.

The attempt, with our own prompt id, is saved before the POST. What became of it is decided by
the server's /history and /queue alone; the WebSocket only tells progress. So an attempt can be
picked up at any point by whoever comes next, and nothing is rendered twice.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Protocol

from backend.models.comfyui_server import ComfyUIServer
from backend.models.content import GeneratedContent
from backend.models.job import Attempt, Job, JobStatus, Outcome, result_fields
from backend.models.provenance import Provenance
from backend.repositories.job_repository import JobRepository
from backend.repositories.server_stats_repository import ServerStatsRepository
from backend.services.comfyui_client import ComfyUIClient
from backend.services.comfyui_messages import PromptOutcome, PromptState
from backend.services.delivery import Delivery
from backend.services.exclusions import exclusions
from backend.services.fleet import ServerState
from backend.services.hands import Hands
from backend.services.input_images import InputImages
from backend.services.leadership import Leadership
from backend.services.prompt_follower import Ending, PromptFollower
from backend.services.provenance import GraphNotes
from backend.services.render_request import render_request
from backend.services.retry_policy import DISK_FULL, NEVER_RAN, OUT_OF_MEMORY, Failure, judge
from backend.services.server_catalog import ServerCatalog
from backend.services.workflows import BuiltWorkflow, build_workflow
from backend.utils.clock import Clock
from backend.utils.errors import (
    ServerUnreachableError,
    StoryCanvasError,
    SubmissionUncertainError,
    UnprocessableError,
    UpstreamError,
)
from backend.utils.ids import new_id

logger = logging.getLogger(__name__)

#: Older attempts than these are dropped from the job: a document must not grow for ever.
_ATTEMPTS_KEPT = 20
#: What a document may hold; ComfyUI takes seeds of twice that, which then stand in the graph alone.
_LARGEST_KEPT_SEED = 2**63 - 1
_ADOPTABLE = frozenset({Outcome.LOST, Outcome.FORGOTTEN, Outcome.UNREACHABLE})
#: A server that was away or hung may end the prompt after all.
_MAY_COME_LATE = frozenset({Outcome.LOST, Outcome.HUNG})


class Watch(Protocol):
    """What is told of servers as attempts find them."""

    @property
    def states(self) -> list[ServerState]: ...

    def mark_offline(self, server_id: str) -> None: ...

    def failed(self, server_id: str) -> None: ...

    def succeeded(self, server_id: str) -> None: ...


class JobObserver(Protocol):
    """Told of each job that this process sees end, as it stands then."""

    def job_ended(self, job: Job, seconds: float | None) -> None:
        """`seconds` from the start of its last attempt; None unless it completed."""
        ...


@dataclass(frozen=True)
class Placement:
    """Where an attempt goes, and what is known of that server."""

    server: ComfyUIServer
    catalog: ServerCatalog
    reason: str


class AttemptRunner:
    def __init__(  # noqa: PLR0913 - the stations of a job's way
        self,
        jobs: JobRepository,
        client: ComfyUIClient,
        *,
        images: InputImages,
        graphs: GraphNotes,
        follower: PromptFollower,
        delivery: Delivery,
        stats: ServerStatsRepository,
        watch: Watch,
        observer: JobObserver,
        hands: Hands,
        leadership: Leadership,
        clock: Clock,
    ) -> None:
        self._jobs = jobs
        self._client = client
        self._images = images
        self._graphs = graphs
        self._follower = follower
        self._delivery = delivery
        self._stats = stats
        self._watch = watch
        self._observer = observer
        self._hands = hands
        self._leadership = leadership
        self._clock = clock
        #: Told of attempts that may still bring a result when nobody waits for it any more.
        self.on_lost: Callable[[Job], None] = lambda job: None

    async def carry_out(self, job: Job, placement: Placement) -> None:
        """Claim a pending job for a server, send it there and see it through."""
        server = placement.server
        try:
            known = await self._known_there(job, server)
        except UpstreamError as error:
            # It may have the prompt already; sending one more before asking would render twice.
            logger.info("Job %s stays in the queue: %s", job.id, error.message)
            self._watch.mark_offline(server.id)
            return
        try:
            built = build_workflow(render_request(job, job.attempt + 1), placement.catalog)
        except UnprocessableError as error:
            await refuse(self._jobs, job, error, now=self._clock())
            return
        made = await self._graphs.note(job, server, built, job.attempt + 1)
        attempt = self._new_attempt(job, server, known, made)
        claimed = await self._claim(job, attempt, placement, built)
        if claimed is None:
            return
        self._hands.prompt_sent(attempt.prompt_id)
        if known is None:
            if not self._leadership.holds():
                return  # whoever drives now finds that it never arrived
            failure = await self._send(claimed, server, attempt, built)
            if failure is not None:
                await self.fail(claimed, failure)
                return
        await self.resume(claimed, server)

    async def resume(self, job: Job, server: ComfyUIServer) -> None:
        """Follow a processing job's current attempt to its end and deliver the result."""
        attempt = job.current_attempt
        if attempt is None:
            raise UpstreamError("A processing job has no attempt on record.")
        self._hands.prompt_sent(attempt.prompt_id)
        ending = await self._follower.follow(job, attempt, server)
        if isinstance(ending, Failure):
            await self._end_badly(job, server, attempt, ending)
        elif ending is Ending.HANDED_OVER:
            return
        elif ending is Ending.TAKEN_AWAY:
            # Whoever took it may have looked before our POST arrived: leave nothing running.
            await self._client.withdraw(server, attempt.prompt_id)
        else:
            await self._conclude(job, server, ending)

    async def _end_badly(
        self, job: Job, server: ComfyUIServer, attempt: Attempt, ending: Failure
    ) -> None:
        if ending.outcome is Outcome.LOST:
            self._watch.mark_offline(server.id)
        elif ending.outcome is Outcome.FORGOTTEN:
            self._hands.forget_server(server.id)
            if ending.code == NEVER_RAN:
                self._watch.failed(server.id)
        elif ending.outcome is Outcome.HUNG:
            self._watch.failed(server.id)
            await self._client.withdraw(server, attempt.prompt_id)
        await self.fail(job, ending)

    async def recall(self, job: Job, server: ComfyUIServer, reason: str) -> bool:
        """Take a prompt that waits in a server's queue back into ours; False: it runs already.

        Raises UpstreamError when the server cannot be asked.
        """
        attempt = job.current_attempt
        if attempt is None:
            return False
        await self._client.take_back(server, attempt.prompt_id)
        if await self._follower.is_known(server, attempt.prompt_id):
            return False
        ended = closed(job, Outcome.TAKEN_BACK, reason, self._clock())
        moved = await self._jobs.move(job, JobStatus.PENDING, attempts=ended, **_unstarted())
        return moved is not None

    async def fail(self, job: Job, failure: Failure) -> None:
        """Write down how the attempt ended and let the policy decide what follows."""
        now = self._clock()
        excluded = exclusions(job, failure, self._watch.states)
        if excluded is None:
            words = f"{failure.words} No larger server is registered."
            failure = replace(failure, words=words, final=True)
        verdict = judge(job, failure, now)
        moved = await self._jobs.move(
            job,
            verdict.status,
            attempts=closed(job, failure.outcome, failure.words, now, failure.code),
            excluded_server_ids=list(excluded or job.excluded_server_ids),
            retry_count=verdict.retry_count,
            not_before=verdict.not_before,
            error=failure.words,
            error_code=failure.code,
            error_details=failure.details,
            completed_at=now if verdict.status is JobStatus.FAILED else None,
            **_unstarted(),
        )
        if moved is not None and failure.outcome in _MAY_COME_LATE:
            self.on_lost(moved)
        if moved is not None and moved.is_finished and job.server_id:
            self._observer.job_ended(moved, None)
            await self._stats.record(job.server_id, completed_in=None, model=None)
        logger.info(
            "Job %s: attempt %s %s: %s", job.id, job.attempt, failure.outcome, failure.words
        )

    async def _known_there(self, job: Job, server: ComfyUIServer) -> Attempt | None:
        """An earlier attempt that this server still has: adopt it rather than render again.

        Raises UpstreamError when the server cannot be asked.
        """
        for attempt in reversed(job.attempts):
            ours = attempt.server_id == server.id and attempt.outcome in _ADOPTABLE
            if ours and await self._follower.is_known(server, attempt.prompt_id):
                return attempt
        return None

    def _new_attempt(
        self, job: Job, server: ComfyUIServer, known: Attempt | None, made: Provenance
    ) -> Attempt:
        return Attempt(
            number=job.attempt + 1,
            server_id=server.id,
            server_name=server.name,
            prompt_id=known.prompt_id if known else new_id(),
            client_id=known.client_id if known else new_id(),
            started_at=self._clock(),
            made=known.made if known else made,
        )

    async def _claim(
        self, job: Job, attempt: Attempt, placement: Placement, built: BuiltWorkflow
    ) -> Job | None:
        attempts = [*job.attempts, attempt][-_ATTEMPTS_KEPT:]
        if not self._leadership.holds():
            return None
        return await self._jobs.move(
            job,
            JobStatus.PROCESSING,
            fence=self._leadership.fence,
            attempt=attempt.number,
            attempts=[entry.model_dump() for entry in attempts],
            server_id=placement.server.id,
            server_name=placement.server.name,
            assignment_reason=placement.reason,
            render=facts_of(built),
            started_at=attempt.started_at,
            error=None,
            error_code=None,
            error_details=None,
        )

    async def _send(
        self, job: Job, server: ComfyUIServer, attempt: Attempt, built: BuiltWorkflow
    ) -> Failure | None:
        """Upload its pictures and POST the prompt. None: it is there, or following finds out."""
        try:
            placed = await self._images.place(server, built)
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
        return None

    async def _conclude(self, job: Job, server: ComfyUIServer, outcome: PromptOutcome) -> None:
        self._watch.succeeded(server.id)
        if outcome.state is PromptState.SUCCESS:
            self._hands.prompt_ran(job.id, None if outcome.cached else outcome.seconds)
            async with self._follower.fetching(job):
                delivered = await self._delivery.deliver(job, server, outcome)
            if isinstance(delivered, Failure):
                await self.fail(job, delivered)
            else:
                await self.complete(job, delivered, seconds=outcome.seconds)
        else:
            await self.fail(job, _failure_of(outcome))

    async def complete(
        self, job: Job, take: GeneratedContent | None, *, seconds: float | None = None
    ) -> None:
        """Close a job whose take hangs in the gallery; an external worker may give none.

        `seconds`: how long its server says it ran; else it counts from when it was sent.
        """
        now = self._clock()
        words = "The result is in the gallery." if take else "It was reported without a result."
        moved = await self._jobs.move(
            job,
            JobStatus.COMPLETED,
            attempts=closed(job, Outcome.COMPLETED, words, now),
            **{**_unstarted(), "progress": 1.0},
            **result_fields(take),
            completed_at=now,
        )
        if moved is not None and job.server_id and job.started_at:
            seconds = seconds or (now - job.started_at).total_seconds()
            self._observer.job_ended(moved, seconds)
            await self._stats.record(
                job.server_id,
                completed_in=seconds,
                model=(job.render or {}).get("model_name"),
            )


async def refuse(jobs: JobRepository, job: Job, error: StoryCanvasError, *, now: datetime) -> None:
    """Fail a pending job that no attempt could carry out."""
    await jobs.move(
        job,
        JobStatus.FAILED,
        error=error.message,
        error_code=error.code,
        error_details=error.details,
        completed_at=now,
    )


def closed(
    job: Job, outcome: Outcome, words: str, now: datetime, code: str | None = None
) -> list[dict[str, Any]]:
    """The job's attempts as documents, the current one ended."""
    attempts: Sequence[Attempt] = job.attempts
    ended = [*attempts[:-1], attempts[-1].ended(outcome, words, now, code)] if attempts else []
    return [attempt.model_dump() for attempt in ended]


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


def _unstarted() -> dict[str, Any]:
    return {
        "progress": 0.0,
        "progress_step": None,
        "progress_total": None,
        "current_node": None,
        "lease_expires_at": None,
    }
