"""Keeps the jobs in flight: which are at which server, and since when they run there."""

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from backend.models.comfyui_server import ServerType
from backend.services.queue.backlog import WaitingJob
from backend.services.queue.scheduling.estimates import CompletedRun, Estimates, remaining
from backend.services.queue.scheduling.types import PrefetchedJob, ServerView
from backend.services.servers.fleet import ServerState

#: Prompts of ours that a server may still show in its queue when we are done with them.
_REMEMBERED = 4_000
#: Ended prompts of a server whose files are on their way, beside which it may have more work:
#: with more of them the download is too slow for it.
_ON_THEIR_WAY = 4


@dataclass
class InFlightJob:
    """A job that was sent to a server and has not ended; `started` is None until it runs there.

    Times are POSIX seconds. `expected` are seconds from its start, `swaps` says that they hold a
    load. `job` is None for one that no plan placed: an adopted one, and one of the provider.
    `ended`: its server is done with it, only its files are being downloaded.
    """

    job_id: str
    server_id: str
    sent: float
    job: WaitingJob | None = None
    expected: float = 0.0
    swaps: bool = False
    started: float | None = None
    ended: bool = False
    task: asyncio.Task[None] | None = None

    def left(self, now: float) -> float:
        elapsed = now - (self.started if self.started is not None else self.sent)
        return remaining(self.expected, max(0.0, elapsed))


class InFlightJobs:
    """`learn` is told of each run that ended well, `on_change` of what makes room for more."""

    def __init__(
        self,
        *,
        now: Callable[[], float],
        learn: Callable[[CompletedRun], None] = lambda run: None,
        on_change: Callable[[], None] = lambda: None,
    ) -> None:
        self._now = now
        self._learn = learn
        self.on_change = on_change
        self._in_flight: dict[str, InFlightJob] = {}
        #: The model that each server loaded last, as far as we saw.
        self._loaded: dict[str, str] = {}
        self._prompts: deque[str] = deque(maxlen=_REMEMBERED)
        self._ours: set[str] = set()

    def __contains__(self, job_id: str) -> bool:
        return job_id in self._in_flight

    def get(self, job_id: str) -> InFlightJob | None:
        return self._in_flight.get(job_id)

    def take(self, in_flight_job: InFlightJob) -> None:
        self._in_flight[in_flight_job.job_id] = in_flight_job

    def drop(self, job_id: str) -> None:
        self._in_flight.pop(job_id, None)

    def clear(self) -> None:
        self._in_flight.clear()

    def at(self, server_id: str) -> list[InFlightJob]:
        return [
            in_flight_job
            for in_flight_job in self._in_flight.values()
            if in_flight_job.server_id == server_id
        ]

    @property
    def load(self) -> Counter[str]:
        """Give how many of our jobs each server has."""
        return Counter(in_flight_job.server_id for in_flight_job in self._in_flight.values())

    # -- what runners tell -----------------------------------------------------------------------

    def prompt_sent(self, prompt_id: str) -> None:
        """Note that a prompt in a server's queue is ours, now and for a while after its end."""
        if len(self._prompts) == self._prompts.maxlen:
            self._ours.discard(self._prompts[0])
        self._prompts.append(prompt_id)
        self._ours.add(prompt_id)

    def prompt_started(self, job_id: str) -> None:
        in_flight_job = self._in_flight.get(job_id)
        if in_flight_job is not None and in_flight_job.started is None:
            in_flight_job.started = self._now()
            self._note_model(in_flight_job)
            self.on_change()

    def prompt_ran(self, job_id: str, seconds: float | None) -> None:
        """Note that a prompt ended well; `seconds` by its server, None for what it had cached.

        Its server has room for the next one while the files come home.
        """
        in_flight_job = self._in_flight.get(job_id)
        if in_flight_job is None:
            return
        in_flight_job.ended = True
        self._note_model(in_flight_job)
        self.on_change()
        if in_flight_job.job is not None and seconds:
            job = in_flight_job.job
            self._learn(
                CompletedRun(
                    in_flight_job.server_id,
                    job.model,
                    job.kind,
                    job.work,
                    seconds,
                    swapped=in_flight_job.swaps,
                )
            )

    # -- what the planner sees -------------------------------------------------------------------

    def views(self, states: Iterable[ServerState], estimates: Estimates) -> list[ServerView]:
        by_server: dict[str, list[InFlightJob]] = {}
        for in_flight_job in self._in_flight.values():
            by_server.setdefault(in_flight_job.server_id, []).append(in_flight_job)
        return [self._view(state, by_server.get(state.server.id, [])) for state in states]

    def _view(self, state: ServerState, in_flight: list[InFlightJob]) -> ServerView:
        server = state.server
        is_parallel = server.server_type is ServerType.RUNPOD
        in_flight = _holding(in_flight)
        in_flight.sort(
            key=lambda in_flight_job: (
                in_flight_job.started is None,
                in_flight_job.started or in_flight_job.sent,
            )
        )
        # What was sent to an idle server runs, even if nobody has told us yet.
        running = [
            in_flight_job
            for index, in_flight_job in enumerate(in_flight)
            if in_flight_job.started is not None
            or in_flight_job.job is None
            or index == 0
            or is_parallel
        ]
        now = self._now()
        return ServerView(
            id=server.id,
            name=server.name,
            why_not=state.why_not,
            capacity=1 if state.on_probation else server.max_concurrent,
            parallel=server.max_concurrent if is_parallel else 1,
            running=tuple(in_flight_job.left(now) for in_flight_job in running),
            prefetched=tuple(
                PrefetchedJob(in_flight_job.job, in_flight_job.expected, swaps=in_flight_job.swaps)
                for in_flight_job in in_flight
                if in_flight_job not in running and in_flight_job.job is not None
            ),
            foreign_prompts=self._foreign_prompts(state),
            loaded_model=_last_model(in_flight) or self._loaded.get(server.id, ""),
            prefetches=not is_parallel and not state.on_probation,
        )

    def loaded_model(self, server_id: str) -> str | None:
        return self._loaded.get(server_id)

    def forget_server(self, server_id: str) -> None:
        """Note that a server was restarted: nothing is loaded there."""
        self._loaded.pop(server_id, None)

    def _note_model(self, in_flight_job: InFlightJob) -> None:
        if in_flight_job.job is not None and in_flight_job.job.model:
            self._loaded[in_flight_job.server_id] = in_flight_job.job.model

    def _foreign_prompts(self, state: ServerState) -> int:
        if state.queue is None:
            return 0
        return sum(
            prompt not in self._ours for prompt in (*state.queue.running, *state.queue.pending)
        )


def _last_model(in_flight: Sequence[InFlightJob]) -> str:
    """Give the model that will be loaded after all of them, in their order."""
    models = [
        in_flight_job.job.model
        for in_flight_job in in_flight
        if in_flight_job.job is not None and in_flight_job.job.model
    ]
    return models[-1] if models else ""


def _holding(in_flight: list[InFlightJob]) -> list[InFlightJob]:
    """Those that hold their server: all but a few whose files only are on their way."""
    coming = [in_flight_job for in_flight_job in in_flight if in_flight_job.ended]
    return [in_flight_job for in_flight_job in in_flight if not in_flight_job.ended] + coming[
        _ON_THEIR_WAY:
    ]
