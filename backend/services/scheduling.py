"""Which job goes to which server: a pure decision, with a reason for each.

Order: priority, then age. A job goes to the least busy server that may run it, to one that costs
money only when none of the others is free; a server takes no more than `capacity` of our jobs at
once.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True)
class WaitingJob:
    """`capable` names the servers that have every file and node the job needs."""

    id: str
    priority: int
    number: int
    capable: frozenset[str]
    pinned_server_id: str | None = None
    not_before: datetime | None = None


@dataclass(frozen=True, slots=True)
class ServerSlots:
    """`running` counts our jobs there, `strangers` the prompts others have put in its queue."""

    id: str
    name: str
    available: bool
    capacity: int
    running: int = 0
    strangers: int = 0
    #: Each job there costs money: RunPod's endpoints.
    paid: bool = False

    @property
    def free(self) -> int:
        return max(0, self.capacity - self.running) if self.available else 0


@dataclass(frozen=True, slots=True)
class Assignment:
    job_id: str
    server_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class Plan:
    assignments: tuple[Assignment, ...] = ()
    #: Why each job that was looked at stays where it is.
    waiting: Mapping[str, str] = field(default_factory=dict)


def plan(jobs: Iterable[WaitingJob], servers: Sequence[ServerSlots], now: datetime) -> Plan:
    """Assign jobs to free slots; each job at most once, no server beyond its capacity."""
    running = {server.id: server.running for server in servers}
    assignments: list[Assignment] = []
    waiting: dict[str, str] = {}
    for job in sorted(jobs, key=lambda job: (-job.priority, job.number)):
        candidates = [server for server in servers if _may_run(job, server)]
        free = [server for server in candidates if running[server.id] < server.capacity]
        if job.not_before is not None and job.not_before > now:
            waiting[job.id] = "It waits before its next try."
        elif not free:
            waiting[job.id] = _why_waiting(job, servers, candidates)
        else:
            chosen = min(free, key=lambda server: _load(server, running[server.id]))
            assignments.append(
                Assignment(job.id, chosen.id, _why(job, chosen, running[chosen.id], candidates))
            )
            running[chosen.id] += 1
    return Plan(tuple(assignments), waiting)


def _may_run(job: WaitingJob, server: ServerSlots) -> bool:
    wanted = job.pinned_server_id is None or job.pinned_server_id == server.id
    return wanted and server.available and server.id in job.capable


def _load(server: ServerSlots, running: int) -> tuple[bool, float, int, str]:
    """Own servers first, then the share in use, strangers included; the larger one wins a tie."""
    share = (running + server.strangers) / server.capacity
    return (server.paid, share, -server.capacity, server.id)


def _why(
    job: WaitingJob, chosen: ServerSlots, running: int, candidates: Sequence[ServerSlots]
) -> str:
    slots = f"{running} of {chosen.capacity} slots in use"
    if job.pinned_server_id:
        return f"'{chosen.name}' was asked for ({slots})."
    if len(candidates) == 1:
        return f"'{chosen.name}' is the only server that can run it now ({slots})."
    return f"'{chosen.name}' is the least busy of {len(candidates)} servers ({slots})."


def _why_waiting(
    job: WaitingJob, servers: Sequence[ServerSlots], candidates: Sequence[ServerSlots]
) -> str:
    if candidates:
        return "Every server that can run it is busy."
    online = [server for server in servers if server.available]
    if job.pinned_server_id:
        if all(server.id != job.pinned_server_id for server in online):
            return "The server it was sent to is offline or takes no work."
        return "The server it was sent to lacks a model or node that it needs."
    if not online:
        return "No ComfyUI server is online."
    return "No online server has every model and node that it needs."
