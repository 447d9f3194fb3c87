"""Where a job should not go again after a server failed at it. Pure."""

from collections.abc import Sequence

from backend.models.job import Job
from backend.services.capability import can_go_somewhere
from backend.services.fleet import ServerState
from backend.services.retry_policy import OUT_OF_MEMORY, Failure, is_servers_fault


def exclusions(job: Job, failure: Failure, states: Sequence[ServerState]) -> tuple[str, ...] | None:
    """The servers that the job excludes from here on.

    Out of memory excludes every server that is no larger; None: there is no larger one. For
    other faults the server itself is excluded, unless no other one could make the job.
    """
    if not is_servers_fault(failure):
        return job.excluded_server_ids
    state = next((state for state in states if state.server.id == job.server_id), None)
    failed_at = {state.server.id} if state else set()
    if failure.code == OUT_OF_MEMORY:
        failed_at |= {other.server.id for other in states if _memory(other) <= _memory(state)}
    excluded = tuple(sorted({*job.excluded_server_ids, *failed_at}))
    if can_go_somewhere(job.model_copy(update={"excluded_server_ids": excluded}), states):
        return excluded
    return None if failure.code == OUT_OF_MEMORY else job.excluded_server_ids


def _memory(state: ServerState | None) -> int:
    """Of the largest device, in bytes; 0 where the server has not told, or is no ComfyUI."""
    devices = state.stats.devices if state and state.stats else ()
    return max((device.vram_total for device in devices), default=0)
