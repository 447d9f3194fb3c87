"""What one ComfyUI server can render, family by family, and what it lacks for the others. Pure."""

from collections.abc import Iterable
from typing import Any

from backend.services.comfyui.catalog import ServerCatalog
from backend.services.families import FAMILIES, VARIANTS
from backend.services.families.base import ModelFamily
from backend.services.families.detection import detect_family, needs_other_graph
from backend.services.families.stable_diffusion import PLAIN_CHECKPOINT
from backend.services.servers.fleet import ServerState
from backend.services.workflows import MissingItem, missing, requirements
from backend.services.workflows.intent import sample_request


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
        "generation_types": sorted(_makes(family, files)),
        "available": catalog is not None and not lacks,
        "models": files,
        "missing": lacks,
    }


def _makes(family: ModelFamily, files: Iterable[str]) -> frozenset[str]:
    """Say what the files that are there make; without any, what the family does."""
    there = [_variant(family, name) for name in files]
    able = there or [one for one in VARIANTS if one.id == family.id] or [family]
    return frozenset(kind for one in able for kind in one.makes)


def _files(family: ModelFamily, catalog: ServerCatalog) -> list[str]:
    """List the server's files of a family; those of no known one may still be plain checkpoints."""
    loaded = {*catalog.unets, *catalog.gguf_models}
    offered = loaded if family.folder == "diffusion_models" else set()
    if family.folder == "checkpoints" or family.single_file:
        offered.update(catalog.checkpoints)
    return sorted(name for name in offered if _family_id(name) == family.id)


def _variant(family: ModelFamily, name: str) -> ModelFamily:
    return detect_family(name) or family


def _family_id(name: str) -> str | None:
    family = detect_family(name)
    if family is not None:
        return family.id
    return None if needs_other_graph(name) else PLAIN_CHECKPOINT.id


def _lacks(
    family: ModelFamily, files: Iterable[str], catalog: ServerCatalog
) -> tuple[MissingItem, ...]:
    """Say what is missing for the file that comes closest; without a file, that is missing."""
    lacking = [
        missing(requirements(sample_request(_variant(family, name), name)), catalog)
        for name in files
    ]
    if not lacking:
        return (MissingItem(family.folder, f"a model of the family {family.label}"),)
    return min(lacking, key=len)
