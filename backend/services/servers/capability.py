"""Finds the servers that have every file and node that a job needs."""

from collections.abc import Iterable

from backend.services.servers.fleet import ServerState
from backend.services.workflows import MissingItem, Requirements, missing
from backend.utils.errors import ModelUnavailableError


def check_capability(needs: Requirements, states: Iterable[ServerState]) -> None:
    """Refuse what none of these servers could ever run.

    Raises ModelUnavailableError listing per server what it lacks. A server never seen online gets
    the benefit of the doubt, and so does an endpoint of RunPod, whose models nobody can list.
    """
    lacking = {
        state.server.name: [str(item) for item in _missing(needs, state)] for state in states
    }
    if lacking and all(lacking.values()):
        name, items = next(iter(lacking.items()))
        raise ModelUnavailableError(
            f"No server can run this: '{name}' lacks {items[0]}.", servers=lacking
        )


def states_with(needs: Requirements | None, states: Iterable[ServerState]) -> list[ServerState]:
    """The servers that have all of it, as far as is known; all of them for None."""
    return [state for state in states if needs is None or not _missing(needs, state)]


def _missing(needs: Requirements, state: ServerState) -> tuple[MissingItem, ...]:
    return missing(needs, state.catalog) if state.catalog is not None else ()
