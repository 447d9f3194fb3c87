"""What one ComfyUI server can run of each family, kind by kind, and what it lacks. Pure."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from backend.services.comfyui.catalog import ServerCatalog
from backend.services.families import FAMILIES, VARIANTS
from backend.services.families.base import GraphKind, ModelFamily
from backend.services.families.detection import detect_family
from backend.services.workflows import MissingItem, missing, requirements
from backend.services.workflows.intent import request_for
from backend.utils.errors import WorkflowError

#: Files of a variant that are looked at before it counts as lacking: most need the same.
_FILES_LOOKED_AT = 8

Files = Mapping[ModelFamily, Sequence[str]]


class _Lack(NamedTuple):
    model: str
    missing: tuple[MissingItem, ...]


def families_on(catalog: ServerCatalog) -> list[dict[str, Any]]:
    """Give what ServerFamilyDTO has for every family."""
    files = _files_by_variant(catalog)
    return [_family_on(family, files, catalog) for family in FAMILIES]


def _files_by_variant(catalog: ServerCatalog) -> Files:
    """The server's model files where their family looks for them, in the alphabet's order."""
    loaded = {*catalog.unets, *catalog.gguf_models}
    plain = set(catalog.checkpoints)
    found: defaultdict[ModelFamily, list[str]] = defaultdict(list)
    for name in sorted(loaded | plain):
        family = detect_family(name)
        if family is not None and name in _looked_through(family, plain, loaded):
            found[family].append(name)
    return found


def _looked_through(family: ModelFamily, plain: set[str], loaded: set[str]) -> set[str]:
    """The files among which a family's may lie; most have one place."""
    if family.folder == "checkpoints":
        return plain
    return plain | loaded if family.single_file else loaded


def _family_on(family: ModelFamily, files: Files, catalog: ServerCatalog) -> dict[str, Any]:
    variants = [one for one in VARIANTS if one.id == family.id]
    wanted = [kind for kind in GraphKind if any(kind in one.kinds for one in variants)]
    found = {kind: _best(kind, variants, files, catalog) for kind in wanted}
    able = [kind for kind, lack in found.items() if not lack.missing]
    return {
        "family": family.id,
        "name": family.label,
        "can_run": bool(able),
        "kinds": able,
        "models": sorted(name for one in variants for name in files.get(one, ())),
        "lacks": _grouped({kind: lack for kind, lack in found.items() if lack.missing}),
    }


def _best(
    kind: GraphKind, variants: list[ModelFamily], files: Files, catalog: ServerCatalog
) -> _Lack:
    """The model that comes closest to a kind: of the server's own, else the official one."""
    able = [one for one in variants if kind in one.kinds]
    best: _Lack | None = None
    for model in _candidates(able, files):
        lack = _lack_of(kind, model, catalog)
        if lack is not None and (best is None or len(lack.missing) < len(best.missing)):
            best = lack
        if best is not None and not best.missing:
            return best
    return best or _official(kind, able, catalog)


def _candidates(able: list[ModelFamily], files: Files) -> Iterator[str]:
    for variant in able:
        yield from files.get(variant, ())[:_FILES_LOOKED_AT]


def _official(kind: GraphKind, able: list[ModelFamily], catalog: ServerCatalog) -> _Lack:
    lacks = (_lack_of(kind, one.official_model, catalog) for one in able)
    return min((lack for lack in lacks if lack), key=lambda lack: len(lack.missing))


def _lack_of(kind: GraphKind, model: str, catalog: ServerCatalog) -> _Lack | None:
    """None where a file, for all that its variant can do, cannot."""
    try:
        return _Lack(model, missing(requirements(request_for(kind, model)), catalog))
    except WorkflowError:
        return None


def _grouped(lacking: dict[GraphKind, _Lack]) -> list[dict[str, Any]]:
    """Kinds that lack the same are told together."""
    kinds: dict[_Lack, list[GraphKind]] = {}
    for kind, lack in lacking.items():
        kinds.setdefault(lack, []).append(kind)
    return [
        {"kinds": of_lack, "model": lack.model, "missing": lack.missing}
        for lack, of_lack in kinds.items()
    ]
