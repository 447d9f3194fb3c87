"""The queue at one moment, as the live page shows it: bounded lists, with names for people."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple, Protocol

from backend.models.job import Job, JobStatus
from backend.repositories.jobs.repository import JobRepository, job_filter
from backend.services.monitoring.outlook import JobForecast, JobForecasts
from backend.services.monitoring.queue_view import QueueView
from backend.services.queue.in_flight import InFlightJobs
from backend.services.servers.circuit import CircuitState
from backend.services.servers.fleet import Fleet, ServerState
from backend.utils.clock import Clock
from backend.utils.errors import DatabaseUnavailableError

#: Rows of each list; the totals tell of the rest.
MOST_RUNNING = 50
MOST_WAITING = 50
MOST_FAILED = 20
MOST_SERVERS = 200


class NameLookup(Protocol):
    async def names(self, ids: Iterable[str], /) -> dict[str, str]:
        """What those of these ids are called; one that is gone is left out."""
        ...


@dataclass(frozen=True, slots=True)
class JobView:
    """`name` is what its clip is called, or the character whose picture it makes.

    `position` is 1 for the next; `eta` is in seconds from the board's moment.

    `is_sent` says that it waits in its server's own queue, `began` when it left that, in POSIX
    seconds. Both are known in the process that drives the servers.
    """

    job: Job
    name: str | None = None
    project: str | None = None
    reason: str | None = None
    eta: float | None = None
    position: int | None = None
    is_sent: bool = False
    began: float | None = None


@dataclass(frozen=True, slots=True)
class ServerCondition:
    """How a server is, in a word, with `why` where there is more to say.

    `tone` is good, warn, bad or off.
    """

    word: str
    tone: str
    why: str = ""


_RESTS = "It is switched off, and gets nothing new."
_SILENT = "It said that it stops, or was not heard of for a while; it gets nothing unless it asks."
_DRAINING = ServerCondition("draining", "warn", "It ends what it has, and gets nothing new.")


@dataclass(frozen=True, slots=True)
class ServerRow:
    """`load` is the server's part of the queue's status."""

    id: str
    condition: ServerCondition
    load: Mapping[str, Any]
    jobs: Sequence[JobView] = ()

    @property
    def lined_up(self) -> int:
        """How many of our jobs wait in its own queue."""
        return sum(row.is_sent for row in self.jobs)


@dataclass(frozen=True, slots=True)
class QueueSnapshot:
    """`totals` count every job by status, `online` and `server_total` every server."""

    at: datetime
    totals: Mapping[JobStatus, int]
    servers: Sequence[ServerRow]
    server_total: int
    online: int
    running: Sequence[JobView]
    waiting: Sequence[JobView]
    failed: Sequence[JobView]


class _Lists(NamedTuple):
    running: list[Job]
    waiting: list[Job]
    failed: list[Job]

    @property
    def shown(self) -> list[Job]:
        return [*self.running[:MOST_SERVERS], *self.waiting, *self.failed]


class LiveBoard:
    def __init__(  # noqa: PLR0913 - what a look at everything takes
        self,
        jobs: JobRepository,
        view: QueueView,
        *,
        forecasts: JobForecasts,
        fleet: Fleet,
        in_flight: InFlightJobs,
        projects: NameLookup,
        clips: NameLookup,
        characters: NameLookup,
        clock: Clock,
    ) -> None:
        self._jobs = jobs
        self._view = view
        self._forecasts = forecasts
        self._fleet = fleet
        self._in_flight = in_flight
        self._projects = projects
        self._clips = clips
        self._characters = characters
        self._clock = clock

    async def look(self) -> QueueSnapshot | None:
        """Everything as it is now; None while the database is away."""
        try:
            told, lists = await asyncio.gather(self._view.status(), self._lists())
            rows = await self._rows(lists)
        except DatabaseUnavailableError:
            return None
        status: dict[str, Any] = told
        running = [rows[job.id] for job in lists.running]
        running.sort(key=lambda row: row.is_sent)
        servers = self._servers(status["servers"], running)
        return QueueSnapshot(
            at=self._clock(),
            totals={name: status[f"{name}_jobs"] for name in JobStatus},
            servers=sorted(servers, key=_standing)[:MOST_SERVERS],
            server_total=len(servers),
            online=sum(row.load["is_online"] for row in servers),
            running=running[:MOST_RUNNING],
            waiting=[rows[job.id] for job in lists.waiting],
            failed=[rows[job.id] for job in lists.failed],
        )

    async def _lists(self) -> _Lists:
        failed = job_filter(statuses=[JobStatus.FAILED])
        lists = await asyncio.gather(
            self._jobs.processing(),
            self._jobs.pending(skip=0, limit=MOST_WAITING),
            self._jobs.newest(failed, skip=0, limit=MOST_FAILED),
        )
        running, waiting, lost = lists
        running.sort(key=lambda job: (job.started_at or job.created_at, job.number))
        lost.sort(key=lambda job: job.completed_at or job.created_at, reverse=True)
        return _Lists(running, waiting, lost)

    async def _rows(self, lists: _Lists) -> dict[str, JobView]:
        """A row for every job, by id. The running ones that are not shown have no names."""
        shown = lists.shown
        clips, characters, projects = await asyncio.gather(
            self._clips.names({job.clip_id for job in shown if job.clip_id}),
            self._characters.names({job.character_id for job in shown if job.character_id}),
            self._projects.names({job.project_id for job in shown if job.project_id}),
        )
        owners = clips | characters
        told = self._forecasts.of(shown)
        places = {job.id: place for place, job in enumerate(lists.waiting, start=1)}
        rows = {}
        for job in [*lists.running, *lists.waiting, *lists.failed]:
            forecast = told.get(job.id, JobForecast(None))
            in_flight_job = self._in_flight.get(job.id)
            rows[job.id] = JobView(
                job,
                name=owners.get(job.clip_id or job.character_id or ""),
                project=projects.get(job.project_id),
                reason=forecast.reason,
                eta=forecast.eta,
                position=places.get(job.id),
                is_sent=in_flight_job is not None
                and in_flight_job.job is not None
                and in_flight_job.started is None,
                began=in_flight_job.started if in_flight_job else None,
            )
        return rows

    def _servers(self, loads: Mapping[str, Any], running: Sequence[JobView]) -> list[ServerRow]:
        by_server: dict[str | None, list[JobView]] = {}
        for row in running:
            by_server.setdefault(row.job.server_id, []).append(row)
        return [
            ServerRow(
                id=server_id,
                condition=condition(self._fleet.state_of(server_id), load),
                load=load,
                jobs=by_server.get(server_id, ()),
            )
            for server_id, load in loads.items()
        ]


def condition(state: ServerState | None, load: Mapping[str, Any]) -> ServerCondition:
    """Say how a ComfyUI server is; without a state it is a worker that pulls."""
    if state is None:
        is_on = load["is_online"]
        return ServerCondition("pulls", "good") if is_on else ServerCondition("off", "off", _SILENT)
    if not state.server.is_active:
        is_done = not load["current_jobs"]
        return ServerCondition("drained", "off", _RESTS) if is_done else _DRAINING
    return _working(state)


def _working(state: ServerState) -> ServerCondition:
    if not state.online:
        return ServerCondition("offline", "bad", "It does not answer. Its jobs go elsewhere.")
    if state.circuit is CircuitState.OPEN:
        why = "It failed several times in a row, and gets nothing for a while."
        return ServerCondition("circuit open", "bad", why)
    if state.on_probation:
        return ServerCondition("on trial", "warn", "One job at a time, until one has gone well.")
    if state.why_not:
        return ServerCondition("starting", "warn", f"It {state.why_not.rstrip('.')}.")
    return ServerCondition("online", "good")


def _standing(row: ServerRow) -> tuple[int, str, str]:
    """What needs a look comes first, then what is at work, then the idle ones."""
    trouble = row.condition.tone in {"bad", "warn"}
    order = 0 if trouble else 1 if row.jobs else 3 if row.condition.tone == "off" else 2
    return order, str(row.load["server_name"]).casefold(), row.id
