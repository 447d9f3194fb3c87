"""The loop that gives pending jobs to servers and sees running ones through.

It decides nothing: `scheduling.plan` says who goes where, `AttemptRunner` carries it out.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial

from backend.models.job import Job, JobStatus, Outcome
from backend.repositories.job_repository import JobRepository
from backend.services.attempt_runner import Placement
from backend.services.capability import CapableServers
from backend.services.fleet import Fleet, ServerState
from backend.services.provider_runner import PROVIDER_ID, ProviderRunner, due
from backend.services.retry_policy import Failure
from backend.services.scheduling import Assignment, ServerSlots, WaitingJob, plan
from backend.services.server_catalog import ServerCatalog
from backend.services.server_runners import Runner
from backend.utils.clock import Clock
from backend.utils.errors import DatabaseUnavailableError

logger = logging.getLogger(__name__)

#: How many pending jobs are looked at together.
_WINDOW = 200
#: Without being woken the loop looks again after this many seconds.
_IDLE_SECONDS = 1.0
_DATABASE_PAUSE = 1.0
#: Leases are looked through this often.
_LEASE_LOOK = timedelta(seconds=1)
#: After so many of these looks the queue is searched from its very first job again.
_ROUNDS_TO_FORGET = 30

#: Called when the task runs, so that a task cancelled before its start leaves nothing behind.
Work = Callable[[], Awaitable[None]]


class Dispatcher:
    """Run `run()` as a task; cancel it to stop. Prompts at the servers go on meanwhile."""

    def __init__(
        self,
        jobs: JobRepository,
        fleet: Fleet,
        runner: Runner,
        *,
        provider: ProviderRunner,
        clock: Clock,
        on_settled: Callable[[str], None] = lambda job_id: None,
    ) -> None:
        self._jobs = jobs
        self._fleet = fleet
        self._runner = runner
        self._provider = provider
        self._clock = clock
        self.on_settled = on_settled
        self._woken = asyncio.Event()
        #: Jobs in hand, by id, and the server each of them is at.
        self._in_hand: dict[str, str] = {}
        self._to_recover = True
        self._rounds = 0
        self._leases_seen = datetime.min.replace(tzinfo=UTC)

    @property
    def load(self) -> Counter[str]:
        """How many of our jobs each server has."""
        return Counter(self._in_hand.values())

    def why_waiting(self, jobs: Sequence[Job]) -> Mapping[str, str]:
        """Why each of these pending jobs would not be taken now, whoever stands before it."""
        states = self._fleet.states
        capable = CapableServers(states)
        slots = [self._slots(state) for state in states]
        now = self._clock()
        reasons: dict[str, str] = {}
        for job in jobs:
            if job.provider is None:
                reasons.update(plan([_waiting(job, capable.of(job))], slots, now).waiting)
            elif self.load[PROVIDER_ID] >= self._provider.capacity:
                reasons[job.id] = "The video provider has as many orders as it may."
        return reasons

    def wake(self) -> None:
        """Look at the queue now: a job came, a slot is free, a server is back."""
        self._woken.set()

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            while True:
                self._woken.clear()
                try:
                    if self._to_recover:
                        await self._recover(group)
                        self._to_recover = False
                    await self._look_around()
                    await self._dispatch(group)
                    await self._dispatch_provider(group)
                except DatabaseUnavailableError:
                    self._to_recover = True
                    logger.debug("The queue waits for the database.")
                await self._wait()

    async def _wait(self) -> None:
        try:
            async with asyncio.timeout(_IDLE_SECONDS):
                await self._woken.wait()
        except TimeoutError:
            return

    async def _recover(self, group: asyncio.TaskGroup) -> None:
        """Take up what was running when this or another process ended."""
        await self._fleet.check_all()
        await self._jobs.recount()
        for job in await self._jobs.processing():
            if job.id not in self._in_hand and job.server_id and not job.lease_expires_at:
                logger.info("Taking up job %s again at '%s'", job.id, job.server_name)
                self._start(group, job, job.server_id, partial(self._resume, job))

    async def _look_around(self) -> None:
        """Now and then: give the jobs of workers that fell silent to someone else."""
        now = self._clock()
        if now - self._leases_seen < _LEASE_LOOK:
            return
        self._leases_seen = now
        self._rounds += 1
        if self._rounds % _ROUNDS_TO_FORGET == 0:
            self._jobs.forget_heads()
        for job in await self._jobs.expired(now):
            words = f"'{job.server_name}' did not answer before its lease ran out."
            await self._runner.fail(job, Failure(Outcome.LOST, words, "LEASE_EXPIRED"))

    async def _dispatch(self, group: asyncio.TaskGroup) -> None:
        states = {state.server.id: state for state in self._fleet.states}
        if not self._any_free(states.values()):
            return
        async for jobs in self._windows():
            slots = [self._slots(state) for state in states.values()]
            by_id = {job.id: job for job in jobs}
            capable = CapableServers(states.values())
            waiting = [_waiting(job, capable.of(job)) for job in jobs]
            for assignment in plan(waiting, slots, self._clock()).assignments:
                self._assign(group, by_id[assignment.job_id], assignment, states)
            if not self._any_free(states.values()):
                return

    async def _dispatch_provider(self, group: asyncio.TaskGroup) -> None:
        """The paid provider has a line and a capacity of its own."""
        free = self._provider.capacity - self.load[PROVIDER_ID]
        if free > 0:
            waiting = await self._jobs.pending_at(PROVIDER_ID)
            jobs = [job for job in waiting if job.id not in self._in_hand]
            for job in due(jobs, free=free, now=self._clock()):
                self._start(group, job, PROVIDER_ID, partial(self._provider.carry_out, job))

    def _any_free(self, states: Iterable[ServerState]) -> bool:
        return any(self._slots(state).free for state in states)

    async def _windows(self) -> AsyncIterator[list[Job]]:
        """Pending jobs in turn, a window at a time, without those already in hand."""
        skip = 0
        while True:
            found = await self._jobs.pending(skip=skip, limit=_WINDOW)
            yield [job for job in found if job.id not in self._in_hand and job.provider is None]
            if len(found) < _WINDOW:
                return
            skip += _WINDOW

    def _assign(
        self,
        group: asyncio.TaskGroup,
        job: Job,
        assignment: Assignment,
        states: dict[str, ServerState],
    ) -> None:
        state = states[assignment.server_id]
        if state.can_dispatch:
            catalog = state.catalog or ServerCatalog()
            placement = Placement(state.server, catalog, assignment.reason)
            work = partial(self._runner.carry_out, job, placement)
            self._start(group, job, assignment.server_id, work)

    def _start(self, group: asyncio.TaskGroup, job: Job, server_id: str, work: Work) -> None:
        self._in_hand[job.id] = server_id
        group.create_task(self._carry_out(job, work), name=f"job {job.id}")

    async def _carry_out(self, job: Job, work: Work) -> None:
        step: Work | None = work
        try:
            while step is not None:
                step = await self._try(job, step)
        finally:
            self._in_hand.pop(job.id, None)
            self.on_settled(job.id)
            self.wake()

    async def _try(self, job: Job, step: Work) -> Work | None:
        """Do one step; give the one that mends what went wrong, or None when all is said."""
        give_up = partial(self._give_up, job.id)
        try:
            await step()
        except DatabaseUnavailableError:
            # A move may have gone through without being counted.
            self._to_recover = True
            logger.warning("Job %s waits for the database.", job.id)
            await asyncio.sleep(_DATABASE_PAUSE)
            return partial(self._take_up, job.id)
        except Exception:  # one job must not stop the queue
            logger.exception("Job %s failed for a reason of our own.", job.id)
            return give_up if getattr(step, "func", None) != self._give_up else None
        return None

    async def _take_up(self, job_id: str) -> None:
        """Pick a job up where its document says it is."""
        job = await self._jobs.find_by_id(job_id)
        if job is not None and job.status is JobStatus.PROCESSING and not job.lease_expires_at:
            await self._resume(job)

    async def _resume(self, job: Job) -> None:
        state = self._fleet.state_of(job.server_id or "")
        if job.provider is not None:
            await self._provider.resume(job)
        elif state is None:
            words = "The server was removed."
            await self._runner.fail(job, Failure(Outcome.LOST, words, "SERVER_REMOVED"))
        else:
            await self._runner.resume(job, state.server)

    async def _give_up(self, job_id: str) -> None:
        words = "StoryCanvas could not carry out this job; its log says why."
        current = await self._jobs.find_by_id(job_id)
        if current is not None and not current.is_finished:
            failure = Failure(Outcome.FAILED, words, "INTERNAL_ERROR", final=True)
            await self._runner.fail(current, failure)

    def _slots(self, state: ServerState) -> ServerSlots:
        ours = self.load[state.server.id]
        queued = len(state.queue.running) + len(state.queue.pending) if state.queue else 0
        return ServerSlots(
            id=state.server.id,
            name=state.server.name,
            available=state.can_dispatch,
            paid=state.paid,
            capacity=state.server.max_concurrent,
            running=ours,
            strangers=max(0, queued - ours),
        )


def _waiting(job: Job, capable: frozenset[str]) -> WaitingJob:
    return WaitingJob(
        id=job.id,
        priority=job.priority,
        number=job.number,
        capable=capable,
        pinned_server_id=job.pinned_server_id,
        not_before=job.not_before,
    )
