"""From a request and a server's catalog to the graph that this server will take."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from backend.models.render import RenderRequest
from backend.services.model_config import ModelFamily, detect_family
from backend.services.server_catalog import ServerCatalog
from backend.services.workflows import checkpoint, custom, wan_2_1
from backend.services.workflows.graph import Graph
from backend.services.workflows.recipe import Recipe, check_choices, frame_rate, settings_of
from backend.services.workflows.requirements import (
    choose_model,
    family_for,
    needs_of,
    require,
    requirements,
)

_BUILDERS: Mapping[str, Callable[[Recipe], tuple[Graph, str]]] = {
    "checkpoints": checkpoint.build,
    "diffusion_models": wan_2_1.build,
}


@dataclass(frozen=True)
class BuiltWorkflow:
    """A graph and what it will make, as far as that can be told before. `fps` is None for stills.

    `seed` is the one really used. Sizes of a custom graph are None when it does not say.
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


def build_workflow(request: RenderRequest, catalog: ServerCatalog) -> BuiltWorkflow:
    """Build for one server. Pure.

    Raises ModelUnavailableError for a node or file the server lacks (details["missing"], with
    the nearest names) and WorkflowError for a request that makes no sense.
    """
    if request.workflow_json is not None:
        return _custom(request, catalog)
    require(requirements(request), catalog)
    model = request.model or choose_model(request.kind, catalog) or ""
    family = family_for(request, model)
    settings = settings_of(request, family)
    check_choices(settings, catalog)
    files = _files(request, family, model, catalog)
    recipe = Recipe(
        model=files.model,
        loras=files.loras,
        prompt=request.prompt,
        negative_prompt=request.negative_prompt,
        width=family.side(request.width, family.default_width),
        height=family.side(request.height, family.default_height),
        frames=settings.frames or 1,
        fps=frame_rate(request, family),
        steps=settings.steps,
        cfg=settings.cfg,
        sampler=settings.sampler,
        scheduler=settings.scheduler,
        seed=request.seed,
        batch_size=request.batch_size,
        filename_prefix=request.filename_prefix,
        shift=family.shift,
        text_encoder=files.text_encoder,
        vae=files.vae,
    )
    graph, output = _BUILDERS[family.folder](recipe)
    return _built(recipe, family, graph, output)


@dataclass(frozen=True)
class _Files:
    """In the server's own spelling; encoder and VAE are empty when the model brings its own."""

    model: str
    text_encoder: str
    vae: str
    loras: tuple[tuple[str, float], ...]


def _files(
    request: RenderRequest, family: ModelFamily, model: str, catalog: ServerCatalog
) -> _Files:
    needs = tuple(needs_of(family, model, (name for name, _ in request.loras)))
    found = [(need.folder, need.found(catalog) or need.names[0]) for need in needs]
    single = {folder: name for folder, name in found if folder != "loras"}
    loras = (name for folder, name in found if folder == "loras")
    weights = (weight for _, weight in request.loras)
    return _Files(
        model=single[family.folder],
        text_encoder=single.get("text_encoders", ""),
        vae=single.get("vae", ""),
        loras=tuple(zip(loras, weights, strict=True)),
    )


def _built(recipe: Recipe, family: ModelFamily, graph: Graph, output: str) -> BuiltWorkflow:
    moving = family.frame_rule is not None
    return BuiltWorkflow(
        graph=graph,
        model_name=recipe.model,
        family=family.id,
        width=recipe.width,
        height=recipe.height,
        frames=recipe.frames if moving else None,
        fps=recipe.fps,
        seed=recipe.seed,
        output_node=output,
        sampling={
            "steps": recipe.steps,
            "cfg": recipe.cfg,
            "sampler": recipe.sampler,
            "scheduler": recipe.scheduler,
        },
    )


def _custom(request: RenderRequest, catalog: ServerCatalog) -> BuiltWorkflow:
    require(requirements(request), catalog)
    graph = custom.with_server_names(custom.prepare(request), catalog)
    custom.check_uploads(graph, catalog)
    output = custom.output_node(graph, catalog)
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
    )


def _first(graph: Graph, kind: type | tuple[type, ...], *names: str) -> Any:
    """Give the first literal input of one of these names and that type."""
    for node in graph.values():
        for name in names:
            value = node["inputs"].get(name)
            if isinstance(value, kind) and not isinstance(value, bool):
                return value
    return None
