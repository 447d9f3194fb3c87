"""The backlog in memory, kept in step with the jobs in the database.

What this process does to jobs is heard at once. What other processes do is found out by looking:
new jobs by their numbers, those that went back to the queue by a short list that is kept of them,
and whatever slipped through by comparing with the kept totals. A job that is in the backlog and
no longer waits costs nothing but a claim that fails.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime

from backend.models.job import Job, JobStatus
from backend.repositories.jobs.repository import JobRepository
from backend.repositories.jobs.rows import PendingRow, as_pending_row
from backend.repositories.worker_repository import WorkerRepository
from backend.services.queue.backlog import Backlog, WaitingJob
from backend.services.queue.job_requirements import JobNeeds
from backend.utils.clock import Clock
from backend.utils.collector import pass_over_what_is_there
from backend.utils.single_flight import SingleFlight

#: The same difference at so many looks in a row.
_STEADY = 6
#: While jobs come and go, what is counted in two places differs now by one, now by three. But more
#: that wait than are known, at more than so many of the last looks, are not always on their way.
_OFTEN, _LOOKS = 20, 120
#: Each time that reading them all again did not help, the next waits four times as many looks.
_MOST_LOOKS = 3_600


class DriftDetector:
    """Takes a look about every second."""

    def __init__(self) -> None:
        self._seen: deque[int] = deque(maxlen=_LOOKS)
        self._steady = 0
        self._pause = 0
        self._next_pause = _STEADY

    def is_lost(self, off: int) -> bool:
        """Whether to read all again, at a look at which so many more wait than are known."""
        self._steady = self._steady + 1 if self._seen and self._seen[-1] == off else 1
        self._seen.append(off)
        is_steady = self._steady >= _STEADY
        if not off:
            self._next_pause = _STEADY if is_steady else self._next_pause
            is_steady = False
        self._pause = max(0, self._pause - 1)
        if self._pause or not (is_steady or self._is_often()):
            return False
        self._seen.clear()
        self._pause = self._next_pause
        self._next_pause = min(_MOST_LOOKS, self._next_pause * 4)
        return True

    def _is_often(self) -> bool:
        return sum(off > 0 for off in self._seen) > _OFTEN


logger = logging.getLogger(__name__)

#: Rows that one read takes: taking them in must not hold up the event loop.
_ROWS = 250
#: So many waiting jobs slow the garbage collector down.
_MANY = 10_000
#: A number that nobody used within so many seconds belongs to a process that died.
_NUMBER_SECONDS = 60.0
#: Of those, so many are asked for at a look.
_AWAITED = 1_000
#: A number this close to the newest may have been given out just before all were read.
_RECENT = 500


class BacklogSync:
    """While it is `attached()`: `load()`, then `refresh()` about every second.

    Only the process that drives the servers keeps a backlog; elsewhere it would grow for ever.
    """

    def __init__(
        self, jobs: JobRepository, workers: WorkerRepository, needs: JobNeeds, *, clock: Clock
    ) -> None:
        self._jobs = jobs
        self._workers = workers
        self._needs = needs
        self._clock = clock
        self._forget()
        self._loading = SingleFlight(self._load)

    def _forget(self) -> None:
        self.backlog = Backlog()
        self._last = 0
        self._requeued = 0
        #: Numbers that were given out and not seen yet, and since when.
        self._awaited: dict[int, float] = {}
        #: Waiting jobs of the paid provider, which has a line of its own.
        self.provider_jobs: dict[str, PendingRow] = {}
        #: Names, by id, of the workers that jobs were asked for.
        self.asked_workers: dict[str, str] = {}
        #: Given to a server and not yet seen to have moved: they still count as waiting.
        self._given: set[str] = set()
        #: While the queue is read, what was heard of since that began; else None.
        self._heard: set[str] | None = None
        self._drift_detector = DriftDetector()
        #: How many waited when the collector was last told to pass them over.
        self._passed_over = 0
        #: What was heard of and is not taken in yet: rows of jobs that wait, ids of others.
        self._inbox: deque[PendingRow | str] = deque()

    @contextmanager
    def attached(self) -> Iterator[None]:
        """Hear of jobs as long as this process drives; nothing of it is remembered afterwards."""
        self._jobs.listeners.append(self)
        try:
            yield
        finally:
            self._jobs.listeners.remove(self)
            self._forget()

    async def take_in(self) -> None:
        """Put what was heard of into the backlog, some at a time.

        Whoever queues a job only announces it: what it needs is worked out here.
        """
        while self._inbox:
            for _ in range(min(_ROWS, len(self._inbox))):
                heard = self._inbox.popleft()
                if isinstance(heard, str):
                    self._remove(heard)
                else:
                    self._add([heard])
            await asyncio.sleep(0)

    async def load(self) -> None:
        """Read the whole queue, a window at a time; what does not wait any more leaves.

        Whoever asks while it is read is content with the next reading, which begins afterwards.
        """
        await self._loading()

    async def _load(self) -> None:
        # What is heard of meanwhile is newer than what is read.
        self._heard = heard = set[str]()
        try:
            waiting = await self._read_all(heard)
            await self.take_in()
        finally:
            self._heard = None
        there = waiting | heard
        for job_id in [job.id for job in self.backlog if job.id not in there]:
            self.backlog.remove(job_id)
        for job_id in self.provider_jobs.keys() - there:
            del self.provider_jobs[job_id]
        if len(waiting) > self._passed_over + _MANY:
            self._passed_over = len(waiting)
            pass_over_what_is_there()

    async def _read_all(self, heard: set[str]) -> set[str]:
        requeued = (await self._jobs.requeued.read()).total
        last = await self._jobs.last_number()
        recent = max(0, last - _RECENT)
        used = await self._jobs.numbers_between(recent, last)
        low, waiting = 0, set[str]()
        while rows := await self._jobs.pending_rows(low, _ROWS):
            self._add([row for row in rows if row.id not in heard and row.id not in self._given])
            waiting.update(row.id for row in rows)
            low = rows[-1].number
        self._last, self._requeued = max(last, low), requeued
        self._await(set(range(recent + 1, last + 1)) - used)
        return waiting

    async def refresh(self) -> None:
        """Find what other processes queued since."""
        await self.take_in()
        if self._heard is None:
            await self._read_new()
            await self._read_requeued()
            await self._compare()

    async def look_at_pins(self, server_ids: Collection[str]) -> None:
        """Read jobs again that were asked for a server that is not there any more."""
        there = {None, *server_ids, *self.asked_workers}
        lines = [line for line in self.backlog.lines() if line.key.pinned_server_id not in there]
        if not lines:
            return
        pins = {line.key.pinned_server_id or "" for line in lines}
        workers = await self._workers.list_by_ids(list(pins))
        self.asked_workers |= {worker.id: worker.name for worker in workers}
        gone = [
            job
            for line in lines
            if line.key.pinned_server_id not in self.asked_workers
            for job in line.oldest(_ROWS)
        ]
        for job in await self._jobs.list_by_ids([job.id for job in gone]) if gone else ():
            self._add_job(job)

    def asked_of(self, worker_id: str, most: int) -> list[str]:
        """Ids of waiting jobs that are for this worker, at most so many of each kind."""
        return [
            job.id
            for line in list(self.backlog.lines())
            if line.key.pinned_server_id == worker_id
            for job in line.oldest(most)
        ]

    def due_provider_jobs(self, now: datetime) -> list[str]:
        """The ids of the paid provider's waiting jobs that may start now, in turn."""
        rows = (
            row
            for row in self.provider_jobs.values()
            if not row.not_before or row.not_before <= now
        )
        return [row.id for row in sorted(rows, key=lambda row: (-row.priority, row.number))]

    def give(self, job_id: str, now: float) -> WaitingJob | None:
        """A job got a server: it stands in line no more. `let_go` must follow."""
        self._given.add(job_id)
        return self.backlog.take(job_id, now)

    def let_go(self, job_id: str) -> None:
        self._given.discard(job_id)

    def queued(self, jobs: Sequence[Job]) -> None:
        for job in jobs:
            self._awaited.pop(job.number, None)
            self._hear(job.id)
            self._inbox.append(as_pending_row(job))

    def changed(self, before: Job, after: Job) -> None:
        if after.status is JobStatus.PENDING:
            self._hear(after.id)
            self._inbox.append(as_pending_row(after))
        elif before.status is JobStatus.PENDING:
            self.removed(after)

    def removed(self, job: Job) -> None:
        self._hear(job.id)
        self._remove(job.id)
        if self._inbox:
            self._inbox.append(job.id)

    def cleared(self, status: JobStatus) -> None:
        if status is JobStatus.PENDING:
            self._inbox.clear()
            self.backlog = Backlog(served_at=self.backlog.served_at)
            self.provider_jobs.clear()
            self._given.clear()

    def _hear(self, job_id: str) -> None:
        self._given.discard(job_id)
        if self._heard is not None:
            self._heard.add(job_id)

    def _remove(self, job_id: str) -> None:
        self.backlog.remove(job_id)
        self.provider_jobs.pop(job_id, None)

    def _add(self, rows: Sequence[PendingRow]) -> None:
        for row in rows:
            if row.provider is None:
                self.backlog.add(self._needs.waiting(row))
            else:
                self.provider_jobs[row.id] = row

    async def _read_new(self) -> None:
        """Jobs above the last number seen; some of those numbers may be stored only later."""
        last = await self._jobs.last_number()
        if last > self._last:
            used = await self._jobs.numbers_between(self._last, last)
            self._await(set(range(self._last + 1, last + 1)) - used)
            await self._read_above(self._last)
            self._last = last
        await self._read_awaited()

    def _await(self, numbers: Iterable[int]) -> None:
        now = self._clock().timestamp()
        for number in numbers:
            self._awaited.setdefault(number, now)

    async def _read_above(self, number: int) -> None:
        while rows := await self._jobs.pending_rows(number, _ROWS):
            self._add([row for row in rows if row.id not in self.backlog])
            number = rows[-1].number

    async def _read_awaited(self) -> None:
        if not self._awaited:
            return
        oldest = self._clock().timestamp() - _NUMBER_SECONDS
        asked = list(self._awaited)[:_AWAITED]
        for job in await self._jobs.list_by_numbers(asked):
            self._awaited.pop(job.number, None)
            self._add_job(job)
        # Those that were not found are asked for again when all others were.
        self._awaited |= {each: self._awaited.pop(each) for each in asked if each in self._awaited}
        self._awaited = {number: at for number, at in self._awaited.items() if at > oldest}

    async def _read_requeued(self) -> None:
        requeued = await self._jobs.requeued.read()
        unheard = requeued.total - self._requeued
        if unheard > len(requeued.latest):
            await self.load()
        elif unheard > 0:
            for job in await self._jobs.list_by_ids(requeued.latest[-unheard:]):
                self._add_job(job)
        self._requeued = requeued.total

    def _add_job(self, job: Job) -> None:
        if job.status is JobStatus.PENDING:
            self._add([as_pending_row(job)])

    async def _compare(self) -> None:
        kept = (await self._jobs.totals.by_status())[JobStatus.PENDING]
        known = self._known()
        if self._drift_detector.is_lost(kept - known):
            logger.info("The backlog is read again: %s jobs wait, not %s.", kept, known)
            await self.load()

    def _known(self) -> int:
        on_the_way = sum(not isinstance(heard, str) for heard in self._inbox)
        return len(self.backlog) + len(self.provider_jobs) + len(self._given) + on_the_way
