"""From a request and a server's catalog to the graph that this server will take."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from backend.models.provenance import GraphPlan
from backend.models.render import RenderRequest
from backend.services.comfyui.catalog import ServerCatalog
from backend.services.families.base import NegativeRule
from backend.services.families.detection import detect_family
from backend.services.workflows import custom, saved_plans
from backend.services.workflows.choices import check_unchecked
from backend.services.workflows.files import FoundFile
from backend.services.workflows.graph import BuiltGraph, Graph, InputImage, with_names
from backend.services.workflows.intent import check_sources, with_hint
from backend.services.workflows.recipe import (
    Recipe,
    check_choices,
    denoise_of,
    frame_rate,
    length_of,
    pictures_of,
    settings_of,
)
from backend.services.workflows.render_plans import BUILDERS, RenderPlan, loras_for
from backend.services.workflows.requirements import (
    choose_model,
    render_plan_for,
    require,
    requirements,
)

_SAME_IN_PLAN = (
    "model_name", "family", "width", "height", "frames", "fps", "seed", "output_node", "sampling",
    "kind",
)  # fmt: skip


@dataclass(frozen=True)
class BuiltWorkflow:
    """A graph and what it will make, as far as that can be told before. `fps` is None for stills.

    `seed` is the one really used. Sizes are None where only the server can tell: of a custom graph
    that does not say, and of an edit that takes the size of its picture.
    """

    graph: Graph
    model_name: str | None
    family: str
    width: int | None
    height: int | None
    frames: int | None
    fps: float | None
    seed: int
    output_node: str
    #: steps, cfg, sampler and scheduler as the graph has them; empty for a custom graph.
    sampling: Mapping[str, Any] = field(default_factory=dict)
    #: What the graph makes, and from what; None for a custom graph.
    kind: str | None = None
    #: Files in the server's own spelling, by what they are there for.
    files: Mapping[str, str] = field(default_factory=dict)
    #: Pictures that must be at the server first: see `with_pictures`.
    inputs: tuple[InputImage, ...] = ()

    @property
    def duration(self) -> float | None:
        """Seconds; None for stills and where frames or rate are unknown."""
        return self.frames / self.fps if self.frames and self.fps else None

    def with_pictures(self, names: Mapping[str, str]) -> "BuiltWorkflow":
        """Put in the names that the server gave its copies, by source. KeyError if one lacks."""
        return replace(self, graph=with_names(self.inputs, self.graph, names))


def build_workflow(request: RenderRequest, catalog: ServerCatalog) -> BuiltWorkflow:
    """Build for one server. Pure.

    Raises ModelUnavailableError for a node or file the server lacks (details["missing"], with
    the nearest names) and WorkflowError for a request that makes no sense.
    """
    if request.plan is not None:
        return _again(request, request.plan, catalog)
    if request.workflow_json is not None:
        return _custom(request, catalog)
    require(requirements(request), catalog)
    model = request.model or choose_model(request, catalog) or ""
    render_plan = render_plan_for(request, model, catalog)
    files = {
        need.role: need.located(catalog) or FoundFile(need.names[0], need.class_type)
        for need in render_plan.files
    }
    recipe = _recipe(with_hint(request, render_plan.family), render_plan, files)
    check_choices(recipe.settings, render_plan.family, catalog)
    return _built(recipe, BUILDERS[render_plan.family.id](recipe))


def _recipe(
    request: RenderRequest, render_plan: RenderPlan, files: Mapping[str, FoundFile]
) -> Recipe:
    check_sources(request)
    family = render_plan.family
    settings = settings_of(request, family)
    unused = family.negative is NegativeRule.NONE
    return Recipe(
        family=family,
        kind=render_plan.kind,
        files=files,
        settings=settings,
        prompt=request.prompt,
        negative_prompt="" if unused else request.negative_prompt,
        width=family.side(request.width, family.default_width),
        height=family.side(request.height, family.default_height),
        sized=request.width is not None or request.height is not None,
        length=length_of(family, settings.frames),
        fps=frame_rate(request, family),
        wanted_fps=request.fps,
        seed=request.seed,
        batch_size=request.batch_size,
        denoise=denoise_of(request, family, render_plan.kind),
        clip_skip=(request.clip_skip or family.clip_skip or 1) if family.clip_skip else 1,
        motion_bucket_id=request.motion_bucket_id or 127,
        filename_prefix=request.filename_prefix,
        loras=loras_for(request, settings, files),
        pictures=pictures_of(request),
    )


def _built(recipe: Recipe, draft: BuiltGraph) -> BuiltWorkflow:
    settings = recipe.settings
    sized = recipe.sized or recipe.kind.value != "edit"
    model = recipe.files.get("model") or recipe.files["high"]
    return BuiltWorkflow(
        graph=draft.graph,
        model_name=model.name,
        family=recipe.family.id,
        width=recipe.width if sized else None,
        height=recipe.height if sized else None,
        frames=settings.frames,
        fps=recipe.fps,
        seed=recipe.seed,
        output_node=draft.output,
        sampling={
            "steps": settings.steps,
            "cfg": settings.cfg,
            "sampler": settings.sampler,
            "scheduler": settings.scheduler,
        },
        kind=recipe.kind.value,
        files={role: found.name for role, found in recipe.files.items()},
        inputs=draft.images,
    )


def _custom(request: RenderRequest, catalog: ServerCatalog) -> BuiltWorkflow:
    require(requirements(request), catalog)
    graph = custom.with_server_names(custom.prepare(request), catalog)
    custom.check_uploads(graph, catalog)
    check_unchecked(graph, catalog)
    output = custom.output_node(graph, catalog)
    graph = _told_apart(graph, request, catalog)
    model = _first(graph, str, "ckpt_name", "unet_name")
    family = detect_family(model) if model else None
    seed = _first(graph, int, "seed", "noise_seed")
    return BuiltWorkflow(
        graph=graph,
        model_name=model,
        family=family.id if family else "custom",
        width=_first(graph, int, "width"),
        height=_first(graph, int, "height"),
        frames=_first(graph, int, "length", "video_frames"),
        fps=_first(graph, (int, float), "fps"),
        seed=request.seed if seed is None else seed,
        output_node=output,
        inputs=custom.images(request),
    )


def _again(request: RenderRequest, plan: GraphPlan, catalog: ServerCatalog) -> BuiltWorkflow:
    """A kept graph as it is, but for what its results are called at the server."""
    require(requirements(request), catalog)
    custom.check_uploads(plan.graph, catalog)
    check_unchecked(plan.graph, catalog)
    graph = saved_plans.with_prefix(plan.graph, request.filename_prefix)
    facts = {name: getattr(plan, name) for name in _SAME_IN_PLAN}
    graph = _told_apart(graph, request, catalog)
    return BuiltWorkflow(graph=graph, inputs=saved_plans.inputs_of(plan), **facts)


def _told_apart(graph: Graph, request: RenderRequest, catalog: ServerCatalog) -> Graph:
    if request.attempt == 1:
        return graph
    ending = f"_{request.attempt}"
    return saved_plans.renamed(graph, catalog, prefix=request.filename_prefix, ending=ending)


def _first(graph: Graph, kind: type | tuple[type, ...], *names: str) -> Any:
    """Give the first literal input of one of these names and that type."""
    for node in graph.values():
        for name in names:
            value = node["inputs"].get(name)
            if isinstance(value, kind) and not isinstance(value, bool):
                return value
    return None
