"""What a server must have to render a request, told without building the graph."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from backend.models.content import ContentType
from backend.models.render import RenderRequest
from backend.services.model_config import (
    ModelFamily,
    detect_family,
    family_of_checkpoint,
    needs_other_graph,
)
from backend.services.server_catalog import ServerCatalog, nearest
from backend.services.workflows import checkpoint, custom, wan_2_1
from backend.services.workflows.files import FileNeed
from backend.utils.errors import ModelUnavailableError, WorkflowError


@dataclass(frozen=True)
class Requirements:
    """Hashable, so that answers can be kept per (requirements, catalog).

    `any_model_for` is set when the request names no model: the server then must have one that
    makes that kind, and what else is needed depends on which one it is.
    """

    node_classes: frozenset[str] = frozenset()
    files: tuple[FileNeed, ...] = ()
    any_model_for: ContentType | None = None
    loras: tuple[str, ...] = ()


@dataclass(frozen=True)
class Missing:
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
    if request.workflow_json is not None:
        graph = custom.prepare(request)
        classes = frozenset(node["class_type"] for node in graph.values())
        return Requirements(classes, tuple(custom.file_needs(graph)))
    loras = tuple(name for name, _ in request.loras)
    if request.model is None:
        return Requirements(any_model_for=request.kind, loras=loras)
    return _of_model(family_for(request, request.model), request.model, loras)


def missing(needs: Requirements, catalog: ServerCatalog) -> tuple[Missing, ...]:
    """List what this server lacks; empty when it can render the request."""
    if needs.any_model_for is not None:
        name = choose_model(needs.any_model_for, catalog)
        if name is None:
            return (_no_model(needs.any_model_for),)
        family = detect_family(name) or family_of_checkpoint(name, None, None)
        needs = _of_model(family, name, needs.loras)
    return tuple(_missing(needs, catalog))


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


def choose_model(kind: ContentType, catalog: ServerCatalog) -> str | None:
    """Choose for a request that names no model.

    The first file of a family known to make that kind; for images else the first checkpoint
    that is not known to need another graph.
    """
    files = (*catalog.checkpoints, *catalog.unets)
    for name in files:
        family = detect_family(name)
        if family is not None and kind in family.kinds and name in _folder(family, catalog):
            return name
    if kind is ContentType.IMAGE:
        return next((name for name in catalog.checkpoints if not needs_other_graph(name)), None)
    return None


def family_for(request: RenderRequest, model: str) -> ModelFamily:
    """Give the family to render a model with, or WorkflowError when it can't make that kind."""
    family = detect_family(model)
    if family is None:
        family = family_of_checkpoint(model, request.width, request.height)
    if request.kind not in family.kinds:
        words = f"'{model}' ({family.label}) does not make a {request.kind} from text."
        error = {"loc": ["model"], "msg": words, "type": "model_kind", "class_type": None}
        raise WorkflowError(words, errors=[error])
    return family


def needs_of(family: ModelFamily, model: str, loras: Iterable[str]) -> Iterator[FileNeed]:
    """List a built-in graph's files: the model first, LoRAs last."""
    if family.folder == "checkpoints":
        yield FileNeed("checkpoints", (model,), "CheckpointLoaderSimple", "ckpt_name")
        lora_class = checkpoint.LORA_CLASS
    else:
        yield FileNeed("diffusion_models", (model,), "UNETLoader", "unet_name")
        yield FileNeed("text_encoders", wan_2_1.TEXT_ENCODERS, "CLIPLoader", "clip_name")
        yield FileNeed("vae", wan_2_1.VAES, "VAELoader", "vae_name")
        lora_class = wan_2_1.LORA_CLASS
    for lora in loras:
        yield FileNeed("loras", (lora,), lora_class, "lora_name")


def _of_model(family: ModelFamily, model: str, loras: tuple[str, ...]) -> Requirements:
    module = checkpoint if family.folder == "checkpoints" else wan_2_1
    classes = module.NODE_CLASSES | ({module.LORA_CLASS} if loras else set())
    return Requirements(classes, tuple(needs_of(family, model, loras)), loras=loras)


def _missing(needs: Requirements, catalog: ServerCatalog) -> Iterator[Missing]:
    for name in sorted(needs.node_classes - catalog.node_classes):
        yield Missing("nodes", name)
    for need in needs.files:
        if need.class_type in catalog.node_classes and need.found(catalog) is None:
            offered = catalog.choices(need.class_type, need.input_name)
            yield Missing(need.folder, need.names[0], nearest(need.names[0], offered))


def _no_model(kind: ContentType) -> Missing:
    folder = "checkpoints" if kind is ContentType.IMAGE else "diffusion_models"
    return Missing(folder, f"any model for {kind}s that StoryCanvas knows")


def _folder(family: ModelFamily, catalog: ServerCatalog) -> tuple[str, ...]:
    return catalog.checkpoints if family.folder == "checkpoints" else catalog.unets
