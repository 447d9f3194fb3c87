"""Pending jobs in memory, light and grouped, so that a plan never walks them all.

Jobs that may replace one another (same priority, project, model, kind, needs, pin and exclusions)
stand in one line. A line knows its head, and how much work was queued in each slice of time.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from heapq import heapify, heappop, heappush
from typing import Literal, NamedTuple

JobKind = Literal["image", "video"]

#: Seconds of queueing that are summed up together. Age windows are cut at these.
SLICE_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class WaitingJob:
    """What choosing a server needs to know of a job, and no more: there may be 100,000.

    Times are seconds of one clock (POSIX). `work` is megapixels x steps x frames. `needs` names a
    requirement that is looked up outside: which servers have every file and node. `model` is what
    must be loaded, "" if that is not known. `excluded`: servers where it failed by their fault.
    """

    id: str
    number: int
    project_id: str
    queued_at: float
    priority: int = 0
    model: str = ""
    kind: JobKind = "image"
    work: float = 1.0
    needs: str = ""
    pinned_server_id: str | None = None
    not_before: float | None = None
    excluded: frozenset[str] = frozenset()

    @property
    def line(self) -> "LineKey":
        return LineKey(
            self.priority,
            self.project_id,
            self.model,
            self.kind,
            self.needs,
            self.pinned_server_id,
            self.excluded,
        )


class LineKey(NamedTuple):
    priority: int
    project_id: str
    model: str
    kind: JobKind
    needs: str
    pinned_server_id: str | None
    excluded: frozenset[str]


class Workload(NamedTuple):
    """How many jobs, and their work together."""

    jobs: int
    work: float


class _Slice:
    """Jobs of a line that were queued in the same SLICE_SECONDS."""

    __slots__ = ("count", "high", "low", "work")

    def __init__(self, number: int) -> None:
        self.count = 0
        self.work = 0.0
        self.low = self.high = number

    def add(self, job: WaitingJob) -> None:
        self.count += 1
        self.work += job.work
        self.low = min(self.low, job.number)
        self.high = max(self.high, job.number)

    def before(self, number: int) -> float:
        """The share of it that stands before a number, as if numbers were spread evenly."""
        return min(1.0, max(0.0, (number - self.low) / (self.high - self.low + 1)))


class JobLine:
    """Jobs in order of age. Those taken out stay in the heap until they reach its top."""

    __slots__ = ("_head", "_heap", "_members", "_newest", "_slices", "_summed", "_work", "key")

    def __init__(self, key: LineKey) -> None:
        self.key = key
        self._members: dict[str, WaitingJob] = {}
        self._heap: list[tuple[float, int, str]] = []
        self._slices: dict[int, _Slice] = {}
        self._work = 0.0
        #: The newest slice there ever was.
        self._newest = 0
        #: What was worked out since the last change.
        self._head: WaitingJob | None = None
        self._summed: tuple[int, Workload] | None = None

    def __len__(self) -> int:
        return len(self._members)

    def has(self, job_id: str) -> bool:
        return job_id in self._members

    def add(self, job: WaitingJob) -> None:
        self._members[job.id] = job
        self._head = self._summed = None
        heappush(self._heap, (job.queued_at, job.number, job.id))
        slot = int(job.queued_at // SLICE_SECONDS)
        if slot not in self._slices:
            self._slices[slot] = _Slice(job.number)
            self._newest = max(self._newest, slot)
        self._slices[slot].add(job)
        self._work += job.work

    def remove(self, job: WaitingJob) -> None:
        del self._members[job.id]
        self._head = self._summed = None
        slot = int(job.queued_at // SLICE_SECONDS)
        part = self._slices[slot]
        part.count -= 1
        part.work -= job.work
        # Sums of floats drift: an empty line begins anew.
        self._work = max(0.0, self._work - job.work) if self._members else 0.0
        if not part.count:
            del self._slices[slot]
        if len(self._heap) > 64 + 2 * len(self._members):
            self._heap = [entry for entry in self._heap if self._is_current(entry)]
            heapify(self._heap)

    def head(self) -> WaitingJob | None:
        if self._head is None:
            while self._heap and not self._is_current(self._heap[0]):
                heappop(self._heap)
            self._head = self._members[self._heap[0][2]] if self._heap else None
        return self._head

    def oldest(self, count: int) -> list[WaitingJob]:
        """The first jobs of the line; what it costs grows with `count`, not with the line."""
        found: list[WaitingJob] = []
        put_back: list[tuple[float, int, str]] = []
        while len(found) < count and (job := self.head()) is not None:
            put_back.append(heappop(self._heap))
            self._head = None
            if not found or found[-1].id != job.id:
                found.append(job)
        for entry in put_back:
            heappush(self._heap, entry)
        self._head = None
        return found

    def queued_until(self, limit: float) -> Workload:
        """What was queued up to that time, the slice around it included."""
        last = int(limit // SLICE_SECONDS)
        if last >= self._newest:
            return self.total()
        if self._summed is None or self._summed[0] != last:
            self._summed = (last, self._sum_until(last))
        return self._summed[1]

    def _sum_until(self, last: int) -> Workload:
        head = self.head()
        first = int(head.queued_at // SLICE_SECONDS) if head else last
        slots: Iterable[int] = range(first, last + 1)
        if last - first > len(self._slices):
            slots = [slot for slot in self._slices if slot <= last]
        return _amount(
            (part.count, part.work) for slot in slots if (part := self._slices.get(slot))
        )

    def total(self) -> Workload:
        return Workload(len(self._members), self._work)

    def before(self, job: WaitingJob) -> Workload:
        """What stands before a job of this line, exactly but for jobs of its own slice."""
        own = int(job.queued_at // SLICE_SECONDS)
        amounts = [(part.count, part.work) for slot, part in self._slices.items() if slot < own]
        if part := self._slices.get(own):
            share = part.before(job.number)
            amounts.append((round(part.count * share), part.work * share))
        return _amount(amounts)

    def _is_current(self, entry: tuple[float, int, str]) -> bool:
        job = self._members.get(entry[2])
        return job is not None and job.queued_at == entry[0]


def _amount(parts: Iterable[tuple[int, float]]) -> Workload:
    count, work = 0, 0.0
    for part_count, part_work in parts:
        count += part_count
        work += part_work
    return Workload(count, max(0.0, work))


class Backlog:
    """Every pending job, by id and by line. Each change costs O(log n) at most."""

    def __init__(
        self, jobs: Iterable[WaitingJob] = (), served_at: Mapping[str, float] | None = None
    ) -> None:
        self._jobs: dict[str, WaitingJob] = {}
        self._lines: dict[int, dict[str, dict[LineKey, JobLine]]] = {}
        self._later: list[tuple[float, int, str]] = []
        #: When each project was last given a server.
        self.served_at: dict[str, float] = dict(served_at or {})
        for job in jobs:
            self.add(job)

    def __len__(self) -> int:
        return len(self._jobs)

    def __contains__(self, job_id: str) -> bool:
        return job_id in self._jobs

    def __iter__(self) -> Iterator[WaitingJob]:
        return iter(self._jobs.values())

    def get(self, job_id: str) -> WaitingJob | None:
        return self._jobs.get(job_id)

    def add(self, job: WaitingJob) -> None:
        """Put a job in, or in its new place if it changed."""
        self.remove(job.id)
        self._jobs[job.id] = job
        if job.not_before is None:
            self._stand(job)
        else:
            heappush(self._later, (job.not_before, job.number, job.id))

    update = add

    def remove(self, job_id: str) -> WaitingJob | None:
        job = self._jobs.pop(job_id, None)
        if job is not None:
            self._leave(job)
        return job

    def take(self, job_id: str, now: float) -> WaitingJob | None:
        """Remove a job that got a server: its project has had its turn."""
        job = self.remove(job_id)
        if job is not None:
            self.served_at[job.project_id] = now
        return job

    def release_due(self, now: float) -> None:
        """Let jobs stand in line whose pause is over."""
        while self._later and self._later[0][0] <= now:
            due, _, job_id = heappop(self._later)
            job = self._jobs.get(job_id)
            if job is not None and job.not_before == due and self.line_of(job) is None:
                self._stand(job)

    def next_due(self) -> float | None:
        """When the next pause may end; a job that has left since may make it too early."""
        return self._later[0][0] if self._later else None

    def priorities(self) -> list[int]:
        """Those at which a job stands in line, the highest first."""
        return sorted(self._lines, reverse=True)

    def projects(self, priority: int) -> Mapping[str, Mapping[LineKey, JobLine]]:
        return self._lines.get(priority, {})

    def lines(self) -> Iterator[JobLine]:
        for projects in self._lines.values():
            for lines in projects.values():
                yield from lines.values()

    def line_of(self, job: WaitingJob) -> JobLine | None:
        """The line a job stands in; None while it pauses."""
        key = job.line
        line = self._lines.get(key.priority, {}).get(key.project_id, {}).get(key)
        return line if line is not None and line.has(job.id) else None

    def _stand(self, job: WaitingJob) -> None:
        key = job.line
        lines = self._lines.setdefault(key.priority, {}).setdefault(key.project_id, {})
        if key not in lines:
            lines[key] = JobLine(key)
        lines[key].add(job)

    def _leave(self, job: WaitingJob) -> None:
        line = self.line_of(job)
        if line is None:
            return
        line.remove(job)
        if not len(line):
            self._drop(line.key)

    def _drop(self, key: LineKey) -> None:
        projects = self._lines[key.priority]
        del projects[key.project_id][key]
        if not projects[key.project_id]:
            del projects[key.project_id]
        if not projects:
            del self._lines[key.priority]
