"""What a server must have to render a request."""

from collections.abc import Iterator
from dataclasses import dataclass

from backend.models.content import ContentType
from backend.models.render import RenderRequest
from backend.services.comfyui.catalog import ServerCatalog
from backend.services.families.detection import detect, needs_other_graph, stage_of
from backend.services.workflows import custom, saved_plans
from backend.services.workflows.files import GGUF_LOADERS, FileNeed
from backend.services.workflows.intent import check_sources, essence
from backend.services.workflows.render_plans import RenderPlan, render_plans_of
from backend.utils.errors import ModelUnavailableError, WorkflowError


@dataclass(frozen=True)
class Requirements:
    """Hashable, so that answers can be kept per (requirements, catalog).

    `intent` is set when the request names no model: the server then must have one that does what
    it says, and what else is needed depends on which one it is. `otherwise` are further ways to
    do it, each with all that it takes.
    """

    node_classes: frozenset[str] = frozenset()
    files: tuple[FileNeed, ...] = ()
    otherwise: tuple[RenderPlan, ...] = ()
    intent: RenderRequest | None = None


@dataclass(frozen=True)
class MissingItem:
    """One thing a server lacks. `folder` is below models/, or "nodes" for a node class."""

    folder: str
    name: str
    nearest: tuple[str, ...] = ()

    def __str__(self) -> str:
        if self.folder == "nodes":
            return f"the node '{self.name}'"
        hint = f" (near to it: {', '.join(self.nearest)})" if self.nearest else ""
        return f"'{self.name}' in models/{self.folder}{hint}"


def requirements(request: RenderRequest) -> Requirements:
    """Say what the request needs. Raises WorkflowError when no server could ever render it."""
    if request.plan is not None:
        return Requirements(*saved_plans.needs_of(request.plan))
    if request.workflow_json is not None:
        graph = custom.prepare(request)
        classes = frozenset(node["class_type"] for node in graph.values())
        return Requirements(classes, tuple(custom.file_needs(graph)))
    check_sources(request)
    intent = essence(request)
    if request.model is None:
        return Requirements(intent=intent)
    first, *others = render_plans_of(intent, request.model)
    return Requirements(first.node_classes, first.files, otherwise=tuple(others))


def missing(needs: Requirements, catalog: ServerCatalog) -> tuple[MissingItem, ...]:
    """List what this server lacks; empty when it can render the request."""
    if needs.intent is not None:
        chosen = _best(needs.intent, catalog)
        if chosen is None:
            return (_no_model(needs.intent),)
        return chosen[1]
    render_plans = [(needs.node_classes, needs.files)]
    render_plans += [
        (render_plan.node_classes, render_plan.files) for render_plan in needs.otherwise
    ]
    # Where the model lies in none of their folders, the first is where it belongs.
    found = [
        render_plan for render_plan in render_plans if _has_model(render_plan[1], catalog)
    ] or render_plans[:1]
    return min((tuple(_missing(*render_plan, catalog)) for render_plan in found), key=len)


def require(needs: Requirements, catalog: ServerCatalog) -> None:
    """Raise ModelUnavailableError that names everything this server lacks."""
    lacks = missing(needs, catalog)
    if lacks:
        raise ModelUnavailableError(
            f"This ComfyUI server does not have {', '.join(map(str, lacks))}.",
            missing=[
                {"folder": lack.folder, "name": lack.name, "nearest": list(lack.nearest)}
                for lack in lacks
            ],
        )


def render_plan_for(request: RenderRequest, model: str, catalog: ServerCatalog) -> RenderPlan:
    """Choose how to render it on this server: the first way that lacks nothing."""
    render_plans = render_plans_of(essence(request), model)
    return min(render_plans, key=lambda render_plan: len(lacks_of(render_plan, catalog)))


def choose_model(request: RenderRequest, catalog: ServerCatalog) -> str | None:
    """Choose for a request that names no model.

    The first file of a family known to do it that lacks nothing; for images else the first
    checkpoint that is not known to need another graph.
    """
    best = _best(essence(request), catalog)
    return best[0] if best else None


def lacks_of(render_plan: RenderPlan, catalog: ServerCatalog) -> tuple[MissingItem, ...]:
    return tuple(_missing(render_plan.node_classes, render_plan.files, catalog))


def _best(
    intent: RenderRequest, catalog: ServerCatalog
) -> tuple[str, tuple[MissingItem, ...]] | None:
    """Give the model that lacks least, with what it lacks."""
    best: tuple[str, tuple[MissingItem, ...]] | None = None
    for name in _candidates(intent, catalog):
        try:
            render_plans = render_plans_of(intent, name)
        except WorkflowError:
            continue
        lacks = min((lacks_of(render_plan, catalog) for render_plan in render_plans), key=len)
        if best is None or len(lacks) < len(best[1]):
            best = (name, lacks)
        if not lacks:
            break
    return best


def _candidates(intent: RenderRequest, catalog: ServerCatalog) -> Iterator[str]:
    for name in catalog.checkpoints:
        family = detect(name).family
        if family is not None and (family.folder == "checkpoints" or family.single_file):
            yield name
    gguf = catalog.choices(GGUF_LOADERS["UNETLoader"], "unet_name")
    for name in dict.fromkeys((*catalog.unets, *gguf)):
        family = detect(name).family
        if family is not None and family.folder == "diffusion_models" and stage_of(name) != "low":
            yield name
    if intent.kind is ContentType.IMAGE:
        unknown = (name for name in catalog.checkpoints if detect(name).family is None)
        yield from (name for name in unknown if not needs_other_graph(name))


def _missing(
    node_classes: frozenset[str], files: tuple[FileNeed, ...], catalog: ServerCatalog
) -> Iterator[MissingItem]:
    located = [(need, need.located(catalog)) for need in files]
    # A file that the loader for GGUF has needs no other loader.
    spared = {n.class_type for n, found in located if found and found.class_type != n.class_type}
    for name in sorted(node_classes):
        if name not in catalog.node_classes and name not in spared:
            yield MissingItem("nodes", name)
    for need, found in located:
        if found is None and need.gguf_loader_lacks(catalog):
            yield MissingItem("nodes", GGUF_LOADERS[need.class_type])
        elif need.class_type in catalog.node_classes and found is None:
            yield MissingItem(need.folder, need.names[0], need.nearest(catalog))


def _has_model(files: tuple[FileNeed, ...], catalog: ServerCatalog) -> bool:
    """The model stands first among the files of a built-in graph."""
    return bool(files) and files[0].found(catalog) is not None


def _no_model(intent: RenderRequest) -> MissingItem:
    folder = "checkpoints" if intent.kind is ContentType.IMAGE else "diffusion_models"
    begun = " that begin from pictures" if intent.init_image else ""
    return MissingItem(folder, f"any model for {intent.kind}s{begun} that StoryCanvas knows")
