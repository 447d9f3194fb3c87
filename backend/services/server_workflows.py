"""What one ComfyUI server can render, family by family, and what it lacks for the others. Pure."""

from collections.abc import Iterable
from typing import Any

from backend.models.render import RenderRequest
from backend.services.fleet import ServerState
from backend.services.model_config import (
    FAMILIES,
    PLAIN_CHECKPOINT,
    ModelFamily,
    detect_family,
    needs_other_graph,
)
from backend.services.server_catalog import ServerCatalog
from backend.services.workflows import Missing, missing, requirements


def workflows_of(state: ServerState) -> dict[str, Any]:
    """Give what ServerWorkflowsDTO has; of a server that is offline nothing is claimed."""
    catalog = state.catalog if state.online else None
    workflows = [_workflow(family, catalog) for family in FAMILIES]
    if state.paid and state.online:  # nobody can list what it has: it is taken to have all
        workflows = [{**flow, "available": True} for flow in workflows]
    if catalog is not None and _files(PLAIN_CHECKPOINT, catalog):
        workflows.append(_workflow(PLAIN_CHECKPOINT, catalog))
    able = {kind for flow in workflows if flow["available"] for kind in flow["generation_types"]}
    return {
        "server_id": state.server.id,
        "server_name": state.server.name,
        "is_online": state.online,
        "generation_types": sorted(able),
        "workflows": workflows,
    }


def _workflow(family: ModelFamily, catalog: ServerCatalog | None) -> dict[str, Any]:
    files = _files(family, catalog) if catalog else []
    lacks = _lacks(family, files, catalog) if catalog else ()
    return {
        "id": family.id,
        "name": family.label,
        "generation_types": sorted(family.kinds),
        "available": catalog is not None and not lacks,
        "models": files,
        "missing": lacks,
    }


def _files(family: ModelFamily, catalog: ServerCatalog) -> list[str]:
    """List the server's files of a family; those of no known one may still be plain checkpoints."""
    offered = catalog.checkpoints if family.folder == "checkpoints" else catalog.unets
    return sorted(name for name in offered if _family_id(name) == family.id)


def _family_id(name: str) -> str | None:
    family = detect_family(name)
    if family is not None:
        return family.id
    return None if needs_other_graph(name) else PLAIN_CHECKPOINT.id


def _lacks(
    family: ModelFamily, files: Iterable[str], catalog: ServerCatalog
) -> tuple[Missing, ...]:
    """Say what is missing for the file that comes closest; without a file, that is missing."""
    kind = sorted(family.kinds)[0]
    lacking = [
        missing(requirements(RenderRequest(kind=kind, model=name, seed=0)), catalog)
        for name in files
    ]
    if not lacking:
        return (Missing(family.folder, f"a model of the family {family.label}"),)
    return min(lacking, key=len)
