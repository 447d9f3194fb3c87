"""Checks graphs that users bring, and fills in the request's values."""

from collections.abc import Iterator, Mapping
from pathlib import PureWindowsPath
from typing import Any, NoReturn

from backend.models.render import RenderRequest
from backend.services.comfyui.catalog import ServerCatalog, has_model_extension
from backend.services.families.detection import detect_family, family_of_checkpoint
from backend.services.workflows.bindings import (
    PLACEHOLDER,
    idle_title,
    image_inputs,
    mixed_image,
    with_titles_bound,
)
from backend.services.workflows.files import FOLDERS, FileNeed
from backend.services.workflows.graph import UPLOADS, Graph, InputImage, placeholder_of
from backend.services.workflows.recipe import settings_of
from backend.utils.errors import WorkflowError
from backend.utils.json_depth import deeper_than

MAX_NODES = 2_000
_MAX_DEPTH = 12
_HOW_TO_EXPORT = (
    "This is a workflow as ComfyUI's editor saves it. Export it in API format: menu Workflow, "
    "Export (API); in older versions switch on the dev mode options, then Save (API Format)."
)


def prepare(request: RenderRequest) -> Graph:
    """Give the request's own graph with its placeholders filled in.

    Raises WorkflowError when it is not a graph in API format, or reaches for files outside the
    server's folders. Whether the server has its nodes and files is for `requirements`.
    """
    nodes = _bound(unwrapped(request.workflow_json or {}))
    _check_image(nodes, request)
    values = placeholders(request)
    graph = {
        node_id: {**node, "inputs": _filled(node["inputs"], values)}
        for node_id, node in nodes.items()
    }
    for node_id, node in graph.items():
        _check_inputs(node_id, node, graph)
    return graph


def placeholders(request: RenderRequest) -> Mapping[str, Any]:
    """Give what `{{name}}` stands for, each in its own type."""
    model = request.model or ""
    family = detect_family(model) or family_of_checkpoint(model, request.width, request.height)
    settings = settings_of(request, family)
    return {
        "prompt": request.prompt,
        "negative_prompt": request.negative_prompt,
        "seed": request.seed,
        "width": request.width or family.default_width,
        "height": request.height or family.default_height,
        "steps": settings.steps,
        "cfg": settings.cfg,
        "filename_prefix": request.filename_prefix,
        "image": placeholder_of(picture_of(request) or ""),
    }


def picture_of(request: RenderRequest) -> str | None:
    """What `{{image}}` stands for: what is begun from, else the reference."""
    return request.init_image or request.input_reference_url


def may_need_picture(workflow_json: str) -> bool:
    """Whether a graph as text may have `{{image}}`: a quick look, for thousands of jobs."""
    return "image" in PLACEHOLDER.findall(workflow_json)


def images(request: RenderRequest) -> tuple[InputImage, ...]:
    """List what must be at the server first. `prepare` has looked at the graph before."""
    nodes = _bound(unwrapped(request.workflow_json or {}))
    source = picture_of(request) or ""
    return tuple(InputImage(node_id, name, source) for node_id, name in image_inputs(nodes))


def file_needs(graph: Graph) -> Iterator[FileNeed]:
    """List the model files that a graph names."""
    return (need for _, _, need in _files(graph))


def with_server_names(graph: Graph, catalog: ServerCatalog) -> Graph:
    """Put in the server's own spelling of each file that it has."""
    spelled = {node_id: {**node, "inputs": {**node["inputs"]}} for node_id, node in graph.items()}
    for node_id, name, need in _files(graph):
        spelled[node_id]["inputs"][name] = need.found(catalog) or need.names[0]
    return spelled


def output_node(graph: Graph, catalog: ServerCatalog) -> str:
    """Give the node whose files count: one that saves, else one that only previews."""
    outputs = [n for n, node in graph.items() if node["class_type"] in catalog.output_nodes]
    if not outputs:
        _refuse("It has no output node, such as SaveImage.", kind="prompt_no_outputs")
    return min(outputs, key=lambda n: graph[n]["class_type"].startswith("Preview"))


def check_uploads(graph: Graph, catalog: ServerCatalog) -> None:
    """Refuse ways out of the server's input folder, for inputs that only the server knows."""
    for node_id, node in graph.items():
        for name, value in node["inputs"].items():
            if (node["class_type"], name) in catalog.uploads:
                _check_path(node_id, name, value)


def _files(graph: Graph) -> Iterator[tuple[str, str, FileNeed]]:
    for node_id, node in graph.items():
        for name, value in node["inputs"].items():
            if isinstance(value, str) and (name in FOLDERS or has_model_extension(value)):
                folder = FOLDERS.get(name, "…")
                yield node_id, name, FileNeed(folder, (value,), node["class_type"], name)


def unwrapped(workflow: Mapping[str, Any]) -> Mapping[str, Any]:
    """Take the nodes out of what /prompt takes. WorkflowError for the editor's own format."""
    if isinstance(workflow.get("nodes"), list) and isinstance(workflow.get("links"), list):
        _refuse(_HOW_TO_EXPORT, kind="ui_format")
    inner = workflow.get("prompt")
    if isinstance(inner, Mapping) and "class_type" not in inner:
        return unwrapped(inner) if "prompt" not in inner else inner
    return workflow


def _bound(nodes: Mapping[str, Any]) -> Mapping[str, Any]:
    """Nodes that are known to be some, with what their titles bind."""
    _check_shape(nodes)
    for node_id, node in nodes.items():
        idle = idle_title(node)
        if idle is not None:
            words = (
                f"Node {node_id} has {{{{{idle}}}}} in its title, and no input of its own for it."
            )
            _refuse(words, node_id, kind="title_idle")
    return with_titles_bound(nodes)


def _check_image(nodes: Mapping[str, Any], request: RenderRequest) -> None:
    for node_id, node in nodes.items():
        name = mixed_image(node)
        if name is not None:
            words = f"Node {node_id} must have nothing but {{{{image}}}} in '{name}'."
            _refuse(words, node_id, name, kind="image_not_alone")
    wanted = image_inputs(nodes)
    source = picture_of(request)
    if wanted and source is None:
        words = "It begins from a picture: send params.init_image, or params.input_reference_url."
        _refuse(words, *wanted[0], kind="picture_missing")
    if wanted and source is not None and not source.startswith(UPLOADS):
        words = f"Its picture must be under {UPLOADS}; upload it first."
        _refuse(words, *wanted[0], kind="picture_elsewhere")


def _check_shape(nodes: Mapping[str, Any]) -> None:
    if not nodes:
        _refuse("It has no nodes.", kind="prompt_no_outputs")
    if len(nodes) > MAX_NODES:
        _refuse(f"It has {len(nodes)} nodes; at most {MAX_NODES} are taken.", kind="too_large")
    for node_id, node in nodes.items():
        if not isinstance(node, Mapping):
            _refuse(f"Node {node_id} is not an object.", node_id)
        if not isinstance(node.get("class_type"), str) or not node["class_type"]:
            _refuse(f"Node {node_id} has no class_type.", node_id)
        if not isinstance(node.get("inputs"), Mapping):
            _refuse(f"Node {node_id} has no inputs object.", node_id)
        if deeper_than(node["inputs"], _MAX_DEPTH):
            _refuse("Its inputs are nested too deeply.", node_id, kind="too_large")


def _filled(value: Any, values: Mapping[str, Any]) -> Any:
    """Replace placeholders: one that is the whole text gives its value, others become text."""
    if isinstance(value, Mapping):
        return {key: _filled(item, values) for key, item in value.items()}
    if isinstance(value, list):
        return [_filled(item, values) for item in value]
    return _filled_text(value, values) if isinstance(value, str) else value


def _filled_text(text: str, values: Mapping[str, Any]) -> Any:
    whole = PLACEHOLDER.fullmatch(text.strip())
    if whole is not None and whole.group(1) in values:
        return values[whole.group(1)]
    return PLACEHOLDER.sub(lambda m: str(values.get(m.group(1), m.group(0))), text)


def _check_inputs(node_id: str, node: Mapping[str, Any], graph: Graph) -> None:
    # LoadImage and its kin open any path they are given, `../` and all [ComfyUI 0.3.64].
    reads_files = "load" in node["class_type"].lower()
    for name, value in node["inputs"].items():
        if reads_files or name == "filename_prefix":
            _check_path(node_id, name, value)
        if _is_link(value) and value[0] not in graph:
            _refuse(
                f"Node {node_id} takes '{name}' from node {value[0]}, which is not there.",
                node_id,
                name,
                kind="bad_linked_input",
            )


def _is_link(value: object) -> bool:
    return (
        isinstance(value, list)
        and len(value) == 2
        and isinstance(value[0], str)
        and isinstance(value[1], int)
    )


def _check_path(node_id: str, name: str, value: object) -> None:
    if not isinstance(value, str):
        return
    path = PureWindowsPath(value)  # reads / and \ alike, and knows drives
    if path.anchor or ".." in path.parts or "\0" in value:
        _refuse(
            f"Node {node_id} may not read or write '{name}' outside the server's own folders.",
            node_id,
            name,
            kind="path_outside",
        )


def _refuse(words: str, *where: str, kind: str = "invalid_workflow") -> NoReturn:
    error = {"loc": ["workflow", *where], "msg": words, "type": kind, "class_type": None}
    raise WorkflowError(f"This workflow can't be used. {words}", errors=[error])
