"""Which servers have every file and node that a job needs."""

from collections.abc import Iterable

from backend.models.job import Job
from backend.services.queue.render_request import render_request
from backend.services.servers.fleet import ServerState
from backend.services.workflows import MissingItem, Requirements, missing, requirements
from backend.utils.errors import ModelUnavailableError, UnprocessableError


class CapableServers:
    """Answers for one look at the fleet; jobs that need the same are worked out once."""

    def __init__(self, states: Iterable[ServerState]) -> None:
        self._states = list(states)
        self._known: dict[Requirements, frozenset[str]] = {}

    def of(self, job: Job) -> frozenset[str]:
        """Ids of the servers that could run it, as far as is known, and that it does not exclude.

        A broken graph may go anywhere: it fails there. An endpoint of RunPod, whose models nobody
        can list, can make everything until it says otherwise.
        """
        return self._having_all(job) - frozenset(job.excluded_server_ids)

    def _having_all(self, job: Job) -> frozenset[str]:
        try:
            needs = requirements(render_request(job, 1))
        except UnprocessableError:
            return frozenset(state.server.id for state in self._states)
        if needs not in self._known:
            able = states_with(needs, self._states)
            self._known[needs] = frozenset(state.server.id for state in able)
        return self._known[needs]


def check_capability(job: Job, states: Iterable[ServerState]) -> None:
    """Refuse a job that no server could ever run.

    Raises WorkflowError for a graph that is broken anywhere, ModelUnavailableError listing per
    server what it lacks. A server never seen online gets the benefit of the doubt.
    """
    needs = requirements(render_request(job, 1))
    lacking = {
        state.server.name: [str(item) for item in _missing(needs, state)]
        for state in states
        if job.pinned_server_id in {None, state.server.id}
    }
    if lacking and all(lacking.values()):
        name, items = next(iter(lacking.items()))
        raise ModelUnavailableError(
            f"No server can run this: '{name}' lacks {items[0]}.", servers=lacking
        )


def can_go_somewhere(job: Job, states: Iterable[ServerState]) -> bool:
    """Tell whether a registered server, online or not, may make a job, as far as is known."""
    able = CapableServers(states).of(job)
    return bool(able) if job.pinned_server_id is None else job.pinned_server_id in able


def states_with(needs: Requirements | None, states: Iterable[ServerState]) -> list[ServerState]:
    """The servers that have all of it, as far as is known; all of them for None."""
    return [state for state in states if needs is None or not _missing(needs, state)]


def _missing(needs: Requirements, state: ServerState) -> tuple[MissingItem, ...]:
    return missing(needs, state.catalog) if state.catalog is not None else ()
