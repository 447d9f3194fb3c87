"""The loop that gives pending jobs to servers and sees running ones through.

One process of all drives the servers: the one that holds the lease. The loop decides nothing:
`scheduling.plan` says who goes where, the runners carry it out. In a process without the lease the
same object answers what can be known there.
"""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial

from backend.models.job import Job, JobStatus, Outcome
from backend.repositories.jobs.repository import JobRepository
from backend.repositories.jobs.rows import RunningRow
from backend.services.comfyui.catalog import ServerCatalog
from backend.services.queue.context import SchedulerContext
from backend.services.queue.in_flight import InFlightJob
from backend.services.queue.late_results import LatePrompt, LateResults
from backend.services.queue.retry_policy import Failure
from backend.services.queue.runners.attempt import AttemptLife, Placement
from backend.services.queue.runners.openai import provider_placement
from backend.services.queue.runners.openai_request import PROVIDER_ID
from backend.services.queue.scheduling.planner import plan
from backend.services.queue.scheduling.types import Assignment, TakeBack
from backend.services.servers.fleet import ServerState
from backend.utils.errors import DatabaseUnavailableError, UpstreamError
from backend.utils.single_flight import SingleFlight

logger = logging.getLogger(__name__)

#: Without being woken the loop looks again after this many seconds.
_IDLE_SECONDS = 1.0
#: What other processes did is looked for this often.
_LOOK_SECONDS = 1.0
_DATABASE_PAUSE = 1.0
#: Planning takes at most this share of the time, however often something changes.
_PLANNING_SHARE = 0.25
#: The first jobs may go while a long queue is still being read.
_LOAD_PATIENCE = 0.5

#: Called when the task runs, so that a task cancelled before its start leaves nothing behind.
Work = Callable[[], Awaitable[None]]


class Dispatcher:
    """Run `run()` as a task; cancel it to stop. Prompts at the servers go on meanwhile."""

    def __init__(
        self,
        jobs: JobRepository,
        context: SchedulerContext,
        attempts: AttemptLife,
        *,
        provider_capacity: int,
        late: LateResults,
    ) -> None:
        self._jobs = jobs
        self._context = context
        self._late = late
        self._attempts = attempts
        self._provider_capacity = provider_capacity
        #: Told the id of each job that this process has let go of.
        self.on_settled: Callable[[str], None] = lambda job_id: None
        self._woken = asyncio.Event()
        self._to_recover = True
        self._recounting = SingleFlight(jobs.recount)
        self._looked = 0.0

    @property
    def is_leader(self) -> bool:
        return self._context.leadership.holds()

    @property
    def load(self) -> Counter[str]:
        """How many of our jobs each server has, as far as this process knows."""
        return self._context.in_flight.load

    def is_bringing_home(self, job_id: str) -> bool:
        """Whether a job's prompt has ended well, and only its files are on their way."""
        in_flight_job = self._context.in_flight.get(job_id)
        return in_flight_job is not None and in_flight_job.ended

    def wake(self) -> None:
        """Look at the queue now: a job came, a slot is free, a server is back."""
        self._woken.set()

    async def run(self) -> None:
        """Drive the servers whenever the lease is ours, for as long as it is."""
        leadership = self._context.leadership
        while True:
            await leadership.acquire()
            async with leadership.kept() as lost:
                with self._context.backlog_sync.attached():
                    ended = await self._drive_until(lost)
            # Whoever has it now writes what becomes of the jobs; nothing here may any more.
            if not lost.is_set():
                logger.error("The queue stopped for a reason of our own.", exc_info=ended)
                await asyncio.sleep(_IDLE_SECONDS)

    async def _drive_until(self, lost: asyncio.Event) -> BaseException | None:
        """Drive until the lease is lost; gives the error that ended it before that."""
        driving = asyncio.create_task(self._drive(), name="driving")
        losing = asyncio.create_task(lost.wait(), name="losing the lease")
        try:
            await asyncio.wait({driving, losing}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (driving, losing):
                task.cancel()
            await asyncio.gather(driving, losing, return_exceptions=True)
            self._context.in_flight.clear()
        return _error(driving)

    async def _drive(self) -> None:
        self._to_recover = True
        async with asyncio.TaskGroup() as group:
            while True:
                self._woken.clear()
                pause = _IDLE_SECONDS
                try:
                    if self._to_recover:
                        self._to_recover = False  # before: what it begins may fail soon
                        await self._recover(group)
                    await self._look_around(group)
                    pause = await self._dispatch(group)
                    await self._dispatch_provider(group)
                except DatabaseUnavailableError:
                    self._to_recover = True
                    logger.debug("The queue waits for the database.")
                await self._wait(pause)

    async def _wait(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._woken.wait()

    async def _recover(self, group: asyncio.TaskGroup) -> None:
        """Take up what was running when this or another process ended."""
        await self._context.learning.load()
        await self._context.fleet.check_all()
        group.create_task(self._quietly(self._recounting), name="recount")
        await self._late.recall()
        await self._take_up_strays(group)
        loading = group.create_task(
            self._quietly(self._context.backlog_sync.load), name="read the queue"
        )
        await asyncio.wait({loading}, timeout=_LOAD_PATIENCE)

    async def _quietly(self, work: Work) -> None:
        try:
            await work()
        except DatabaseUnavailableError:
            self._to_recover = True
        self.wake()

    async def _look_around(self, group: asyncio.TaskGroup) -> None:
        """Now and then: what other processes did, whose lease ran out, what nobody drives."""
        if time.monotonic() - self._looked < _LOOK_SECONDS:
            return
        self._looked = time.monotonic()
        await self._context.backlog_sync.refresh()
        await self._context.backlog_sync.look_at_pins(
            [s.server.id for s in self._context.fleet.states]
        )
        await self._take_up_strays(group)
        await self._context.learning.save(self._looked)
        for found in await self._late.look():
            self._adopt_late(group, found)

    def _adopt_late(self, group: asyncio.TaskGroup, found: LatePrompt) -> None:
        """A lost server is back with a job that still waits: it goes on there."""
        state = self._context.fleet.state_of(found.server.id)
        if state is not None and state.catalog and found.job.id not in self._context.in_flight:
            self._context.backlog_sync.give(found.job.id, self._context.now())
            reason = f"'{found.server.name}' is back and has it already."
            in_flight_job = InFlightJob(
                found.job.id, found.server.id, sent=self._context.now(), expected=10.0
            )
            placement = Placement(found.server, state.catalog, reason)
            self._start(group, in_flight_job, partial(self._attempts.run, found.job, placement))

    async def _take_up_strays(self, group: asyncio.TaskGroup) -> None:
        """Running jobs that carry another fence than ours, and leases that ran out."""
        rows = await self._jobs.running_rows()
        for row in rows:
            if not row.is_leased and row.server_id and self._is_stray(row):
                job = await self._jobs.find_by_id(row.id)
                if job is not None and job.status is JobStatus.PROCESSING:
                    self._take_up(group, job)
        if any(row.is_leased for row in rows):
            await self._end_leases()

    def _is_stray(self, row: RunningRow) -> bool:
        return row.id not in self._context.in_flight

    async def _end_leases(self) -> None:
        for job in await self._jobs.expired(self._context.clock()):
            words = f"'{job.server_name}' did not answer before its lease ran out."
            await self._attempts.fail(job, Failure(Outcome.LOST, words, "LEASE_EXPIRED"))

    def _take_up(self, group: asyncio.TaskGroup, job: Job) -> None:
        logger.info("Taking up job %s again at '%s'", job.id, job.server_name)
        in_flight_job = InFlightJob(
            job.id, job.server_id or "", sent=self._context.now(), expected=10.0
        )
        self._start(group, in_flight_job, partial(self._adopt, job))

    async def _adopt(self, job: Job) -> None:
        adopted = await self._jobs.adopt(job, self._context.leadership.fence)
        if adopted is not None:
            await self._resume(adopted)

    # -- giving jobs out -------------------------------------------------------------------------

    async def _dispatch(self, group: asyncio.TaskGroup) -> float:
        """Plan once and act on it; gives the seconds until it should be looked at again."""
        if not self.is_leader:
            return _IDLE_SECONDS
        await self._context.backlog_sync.take_in()
        started = time.perf_counter()
        now = self._context.now()
        backlog = self._context.backlog_sync.backlog
        backlog.release_due(now)
        planned = plan(
            backlog,
            self._context.views(),
            self._context.learning.estimates,
            now=now,
            capable=self._context.needs,
            rules=self._context.rules,
        )
        for back in (*planned.take_backs, *self._context.drained()):
            self._take_back(group, back)
        for assignment in planned.assignments:
            self._assign(group, assignment, now)
        # However often it is woken, most of the time is left for other things.
        await asyncio.sleep((time.perf_counter() - started) * (1 / _PLANNING_SHARE - 1))
        due_at = backlog.next_due()
        waits = [planned.look_again, None if due_at is None else due_at - now, _IDLE_SECONDS]
        return max(0.01, min(seconds for seconds in waits if seconds is not None))

    def _assign(self, group: asyncio.TaskGroup, assignment: Assignment, now: float) -> None:
        state = self._context.fleet.state_of(assignment.server_id)
        job = self._context.backlog_sync.give(assignment.job_id, now)
        if state is None or assignment.job_id in self._context.in_flight:
            return  # an earlier attempt is about to end; it puts the job back if it still waits
        in_flight_job = InFlightJob(
            assignment.job_id,
            assignment.server_id,
            sent=now,
            job=job,
            expected=assignment.seconds,
            swaps=assignment.swaps,
        )
        self._start(
            group,
            in_flight_job,
            partial(self._carry_out_there, in_flight_job.job_id, state, assignment),
        )

    async def _carry_out_there(
        self, job_id: str, state: ServerState, assignment: Assignment
    ) -> None:
        job = await self._jobs.find_by_id(job_id)
        if job is None or job.status is not JobStatus.PENDING:
            return
        catalog = state.catalog or ServerCatalog()
        await self._attempts.run(job, Placement(state.server, catalog, assignment.reason))

    async def _dispatch_provider(self, group: asyncio.TaskGroup) -> None:
        """The paid provider has a line and a capacity of its own."""
        free = self._provider_capacity - self.load[PROVIDER_ID]
        if free <= 0 or not self._context.backlog_sync.provider_jobs or not self.is_leader:
            return
        for job_id in self._context.backlog_sync.due_provider_jobs(self._context.clock()):
            if free <= 0 or job_id in self._context.in_flight:
                continue
            job = await self._jobs.find_by_id(job_id)
            if job is None or job.status is not JobStatus.PENDING:
                self._context.backlog_sync.provider_jobs.pop(
                    job_id, None
                )  # another process moved it
                continue
            if job.not_before is None or job.not_before <= self._context.clock():
                free -= 1
                in_flight_job = InFlightJob(job_id, PROVIDER_ID, sent=self._context.now())
                placement = provider_placement(job)
                self._start(group, in_flight_job, partial(self._attempts.run, job, placement))

    # -- taking jobs back ------------------------------------------------------------------------

    def _take_back(self, group: asyncio.TaskGroup, back: TakeBack) -> None:
        in_flight_job = self._context.in_flight.get(back.job_id)
        if in_flight_job is None or in_flight_job.started is not None or in_flight_job.task is None:
            return
        following = in_flight_job.task
        in_flight_job.started = self._context.now()  # until it is known, it counts as running
        name = f"take back {back.job_id}"
        in_flight_job.task = group.create_task(
            self._taken_back(in_flight_job, following, back.reason), name=name
        )

    async def _taken_back(
        self, in_flight_job: InFlightJob, following: asyncio.Task[None], reason: str
    ) -> None:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
        await self._run_job(in_flight_job, partial(self._recall, in_flight_job, reason))

    async def _recall(self, in_flight_job: InFlightJob, reason: str) -> None:
        self._context.in_flight.take(in_flight_job)
        job = await self._jobs.find_by_id(in_flight_job.job_id)
        state = self._context.fleet.state_of(in_flight_job.server_id)
        if job is None or job.status is not JobStatus.PROCESSING or state is None:
            return
        with suppress(UpstreamError):
            if await self._attempts.recall(job, state.server, reason):
                return
        await self._resume(job)

    # -- seeing jobs through ---------------------------------------------------------------------

    def _start(self, group: asyncio.TaskGroup, in_flight_job: InFlightJob, work: Work) -> None:
        self._context.in_flight.take(in_flight_job)
        in_flight_job.task = group.create_task(
            self._run_job(in_flight_job, work), name=f"job {in_flight_job.job_id}"
        )

    async def _run_job(self, in_flight_job: InFlightJob, work: Work) -> None:
        job_id = in_flight_job.job_id
        step: Work | None = work
        try:
            while step is not None:
                step = await self._try(job_id, step)
            await self._quietly(partial(self._put_back, job_id))
        finally:
            if in_flight_job.task is asyncio.current_task():
                self._context.in_flight.drop(job_id)
                self._context.backlog_sync.let_go(job_id)
            self.on_settled(job_id)
            self.wake()

    async def _put_back(self, job_id: str) -> None:
        """A job that still waits, since its server could not be asked, stands in line again."""
        if job_id not in self._context.backlog_sync.backlog:
            job = await self._jobs.find_by_id(job_id)
            if job is not None and job.status is JobStatus.PENDING:
                self._context.backlog_sync.queued([job])

    async def _try(self, job_id: str, step: Work) -> Work | None:
        """Do one step; give the one that mends what went wrong, or None when all is said."""
        give_up = partial(self._give_up, job_id)
        try:
            await step()
        except DatabaseUnavailableError:
            # A move may have gone through without being counted.
            self._to_recover = True
            logger.warning("Job %s waits for the database.", job_id)
            await asyncio.sleep(_DATABASE_PAUSE)
            return partial(self._take_up_again, job_id)
        except Exception:
            logger.exception("Job %s failed for a reason of our own.", job_id)
            return give_up if getattr(step, "func", None) != self._give_up else None
        return None

    async def _take_up_again(self, job_id: str) -> None:
        """Pick a job up where its document says it is."""
        job = await self._jobs.find_by_id(job_id)
        if job is not None and job.status is JobStatus.PROCESSING and not job.lease_expires_at:
            await self._resume(job)

    async def _resume(self, job: Job) -> None:
        state = self._context.fleet.state_of(job.server_id or "")
        if job.provider is not None:
            await self._attempts.resume(job, provider_placement(job).server)
        elif state is None:
            words = "The server was removed."
            await self._attempts.fail(job, Failure(Outcome.LOST, words, "SERVER_REMOVED"))
        else:
            await self._attempts.resume(job, state.server)

    async def _give_up(self, job_id: str) -> None:
        words = "StoryCanvas could not carry out this job; its log says why."
        current = await self._jobs.find_by_id(job_id)
        if current is not None and not current.is_finished:
            failure = Failure(Outcome.FAILED, words, "INTERNAL_ERROR", final=True)
            await self._attempts.fail(current, failure)


def _error(task: asyncio.Task[None]) -> BaseException | None:
    return task.exception() if task.done() and not task.cancelled() else None
