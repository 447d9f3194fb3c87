"""Computes what waiting jobs need, once for all that need the same."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import orjson
from cachetools import FIFOCache

from backend.models.content import ContentType
from backend.models.job import Job
from backend.repositories.jobs.rows import PendingRow
from backend.services.queue.backlog import JobKind, WaitingJob
from backend.services.queue.render_request import render_request
from backend.services.servers.capability import states_with
from backend.services.servers.fleet import ServerState
from backend.services.workflows import Requirements, requirements
from backend.utils.errors import UnprocessableError

#: What a job is taken to be that does not say: each model's learnt pace absorbs the difference.
_SIDE, _STEPS, _FRAMES = 1024, 20, 33
#: What changes from job to job without changing what a server must have.
_NEVER_NEEDED = frozenset(
    {"seed", "width", "height", "steps", "cfg", "sampler", "scheduler", "denoise", "video_fps"}
    | {"video_frames", "batch_size"}
)
#: Orders whose needs are kept; beyond that the oldest are worked out again.
_MOST_KEPT = 5_000
_KINDS: Mapping[ContentType, JobKind] = {ContentType.IMAGE: "image", ContentType.VIDEO: "video"}
#: Marks the needs of jobs that asked for a server: those may go to a paid one at once.
_PINNED = "pinned:"


class JobNeeds(Mapping[str, frozenset[str]]):
    """Maps a name of needs to the servers that have them all, as the fleet stands.

    Servers that cost money are left out as long as another one that takes work has them, unless
    the job asked for a server by name.
    """

    def __init__(self) -> None:
        #: Few: thousands of workflows that differ in their words need the same.
        self._requirements: dict[str, Requirements | None] = {}
        self._by_value: dict[Requirements | None, str] = {}
        self._by_order: FIFOCache[bytes, str] = FIFOCache(_MOST_KEPT)
        self._states: Sequence[ServerState] = ()
        self._stamp: tuple[Any, ...] = ()
        self._capable: dict[str, frozenset[str]] = {}

    def look_at(self, states: Sequence[ServerState]) -> None:
        """Answer for the fleet as it is now; what servers have is read again where it changed."""
        stamp = tuple((state.server.id, id(state.catalog), state.can_dispatch) for state in states)
        self._states = states
        if stamp != self._stamp:
            self._stamp = stamp
            self._capable.clear()

    def waiting(self, row: PendingRow) -> WaitingJob:
        """What the planner needs to know of a job."""
        name = self._name_of(row)
        pinned = row.pinned_server_id
        return WaitingJob(
            id=row.id,
            number=row.number,
            project_id=row.project_id,
            queued_at=row.created_at.timestamp(),
            priority=row.priority,
            model=_loads(self._requirements[name]) if row.workflow_json else row.model or "",
            kind=_KINDS[row.generation_type],
            work=work_of(row.generation_type, row.params),
            needs=f"{_PINNED}{name}" if pinned else name,
            pinned_server_id=pinned,
            not_before=row.not_before.timestamp() if row.not_before else None,
            excluded=frozenset(row.excluded_server_ids),
        )

    def __getitem__(self, name: str) -> frozenset[str]:
        if name not in self._capable:
            self._capable[name] = self._able(name)
        return self._capable[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._requirements)

    def __len__(self) -> int:
        return len(self._requirements)

    def _able(self, name: str) -> frozenset[str]:
        plain = name.removeprefix(_PINNED)
        able = states_with(self._requirements.get(plain), self._states)
        own = [state for state in able if not state.paid]
        if name == plain and any(state.can_dispatch for state in own):
            able = own
        return frozenset(state.server.id for state in able)

    def _name_of(self, row: PendingRow) -> str:
        told = {key: value for key, value in row.params.items() if key not in _NEVER_NEEDED}
        asked = [row.generation_type, row.model, [lora["name"] for lora in row.loras], told]
        asked += [row.workflow_json, row.plan_json]
        text = orjson.dumps(asked, default=str, option=orjson.OPT_SORT_KEYS)
        order = hashlib.blake2b(text, digest_size=16).digest()
        if order not in self._by_order:
            self._by_order[order] = self._named(requirements_of(_as_job(row)))
        return self._by_order[order]

    def _named(self, needs: Requirements | None) -> str:
        if needs not in self._by_value:
            name = f"needs {len(self._by_value)}"
            self._by_value[needs] = name
            self._requirements[name] = needs
        return self._by_value[needs]


def work_of(kind: ContentType, params: Mapping[str, Any]) -> float:
    """Megapixels x steps x frames, as far as the order says."""
    pixels = (params.get("width") or _SIDE) * (params.get("height") or _SIDE)
    frames = (params.get("video_frames") or _FRAMES) if kind is ContentType.VIDEO else 1
    pictures = params.get("batch_size") or 1
    return pixels / 1e6 * (params.get("steps") or _STEPS) * frames * pictures


def _loads(needs: Requirements | None) -> str:
    """Name what a custom workflow loads; the name is the same in every process."""
    if needs is None:
        return ""
    told = f"{sorted(needs.node_classes)} {needs.files}".encode()
    return f"workflow {hashlib.blake2b(told, digest_size=8).hexdigest()}"


def requirements_of(job: Job) -> Requirements | None:
    """Give the requirements; None for a broken graph, which any server may get and refuse."""
    try:
        return requirements(render_request(job, 1))
    except UnprocessableError:
        return None


def can_go_somewhere(job: Job, states: Iterable[ServerState]) -> bool:
    """Tell whether a server that the job does not exclude may make it, as far as is known.

    Servers that are offline count too: they come back.
    """
    able = {state.server.id for state in states_with(requirements_of(job), states)}
    able -= set(job.excluded_server_ids)
    return bool(able) if job.pinned_server_id is None else job.pinned_server_id in able


def _as_job(row: PendingRow) -> Job:
    return Job(
        id=row.id,
        project_id=row.project_id,
        generation_type=row.generation_type,
        prompt="-",
        model=row.model,
        params={"seed": 0, **row.params},
        loras=row.loras,
        workflow_json=row.workflow_json,
        plan_json=row.plan_json,
        created_at=row.created_at,
    )
