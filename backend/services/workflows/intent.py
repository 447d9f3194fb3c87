"""What a request wants of a family: which kind of graph, begun from what. Pure."""

from typing import Any, NoReturn

from backend.models.content import ContentType
from backend.models.render import RenderRequest
from backend.services.families import VARIANTS
from backend.services.families.base import GraphKind, ModelFamily
from backend.services.families.detection import detect, family_of_checkpoint, is_large
from backend.services.workflows.graph import UPLOADS
from backend.utils.errors import WorkflowError

_NEEDS = {
    GraphKind.IMAGE_TO_IMAGE: "a picture to begin from (params.init_image)",
    GraphKind.INPAINT: "a picture and a mask (params.init_image, params.mask)",
    GraphKind.EDIT: "a picture to change (params.init_image)",
    GraphKind.IMAGE_TO_VIDEO: "a picture to begin from (params.init_image)",
    GraphKind.FIRST_LAST_FRAME: "a first and a last picture (params.init_image, params.end_image)",
}
_WORDS = {kind: kind.value.replace("_", " ") for kind in GraphKind}
_LARGE = 1024
#: Stand for sources where only their being there matters.
_SOURCES = {name: f"{UPLOADS}{name}" for name in ("init_image", "end_image", "mask")}


_PICTURES = {
    GraphKind.IMAGE_TO_IMAGE: ("init_image",),
    GraphKind.INPAINT: ("init_image", "mask"),
    GraphKind.EDIT: ("init_image",),
    GraphKind.IMAGE_TO_VIDEO: ("init_image",),
    GraphKind.FIRST_LAST_FRAME: ("init_image", "end_image"),
}


def essence(request: RenderRequest) -> RenderRequest:
    """Keep only what decides which nodes and files are needed, so that answers can be kept."""
    sources: dict[str, Any] = {
        name: _SOURCES[name] for name in _SOURCES if getattr(request, name) is not None
    }
    if request.mask is not None and request.mask == request.init_image:
        sources["mask"] = sources["init_image"]
    references = tuple(f"{UPLOADS}{number}" for number, _ in enumerate(request.reference_images))
    hint = f"{UPLOADS}hint" if request.input_reference_url else None
    loras = tuple(
        use._replace(weight=1.0, clip_weight=None if use.clip_weight is None else 1.0)
        for use in request.loras
    )
    return RenderRequest(
        kind=request.kind,
        seed=0,
        # Of the size only what may tell the family of an unknown checkpoint.
        width=_LARGE if is_large(request.width, request.height) else None,
        loras=loras,
        preset=request.preset,
        family=request.family,
        refiner=request.refiner,
        vae=request.vae,
        clip_skip=request.clip_skip,
        batch_size=min(2, request.batch_size),
        denoise=None if request.denoise is None else 1.0,
        reference_images=references,
        input_reference_url=hint,
        **sources,
    )


def sample_request(family: ModelFamily, model: str) -> RenderRequest:
    """Give a request that wants nothing but what the family does first."""
    return request_for(next(kind for kind in GraphKind if kind in family.kinds), model)


def request_for(kind: GraphKind, model: str) -> RenderRequest:
    """Give a request that wants just this of a model."""
    pictures: dict[str, Any] = {name: _SOURCES[name] for name in _PICTURES.get(kind, ())}
    return RenderRequest(kind=kind.makes, model=model, seed=0, **pictures)


def family_for(request: RenderRequest, model: str) -> ModelFamily:
    """Give the family to render a model with: as the request says, else as its name says.

    Raises WorkflowError for a name that is surely something else.
    """
    if request.family is not None:
        return _named(request.family, model)
    detection = detect(model)
    if detection.surely_other:
        _refuse(
            ["model"],
            f"'{model}' can't be rendered with: {detection.reason}. If that is wrong, "
            "name its family in params.family.",
            "model_family",
        )
    return detection.family or family_of_checkpoint(model, request.width, request.height)


def with_hint(request: RenderRequest, family: ModelFamily) -> RenderRequest:
    """Put `input_reference_url` where the family has a use for it, else leave it.

    Editing models are shown it; video models begin from it; image models do so only if `denoise`
    says how much of it is to go, since it may just be what a character looks like.
    """
    hint = request.input_reference_url
    if hint is None:
        return request
    if request.init_image is None and _begins_from_hint(request, family):
        return request.model_copy(update={"init_image": hint})
    if GraphKind.EDIT in family.kinds and len(request.reference_images) < family.max_references:
        return request.model_copy(update={"reference_images": (*request.reference_images, hint)})
    return request


def _begins_from_hint(request: RenderRequest, family: ModelFamily) -> bool:
    if request.kind is ContentType.VIDEO:
        return bool(family.kinds & {GraphKind.IMAGE_TO_VIDEO, GraphKind.FIRST_LAST_FRAME})
    shown = GraphKind.EDIT in family.kinds and not request.reference_images
    return shown or (GraphKind.IMAGE_TO_IMAGE in family.kinds and request.denoise is not None)


def kind_of(request: RenderRequest, family: ModelFamily, model: str) -> GraphKind:
    """Tell what a request wants of a family. Raises WorkflowError for what it can't do."""
    who = f"'{model}' ({family.label})"
    if request.kind not in family.makes:
        _refuse(["model"], f"{who} does not make a {request.kind}.", "model_kind")
    wanted = _wanted(request, family)
    if wanted not in family.kinds:
        able = ", ".join(_WORDS[kind] for kind in GraphKind if kind in family.kinds)
        needs = {_NEEDS[kind] for kind in family.kinds if kind in _NEEDS}
        lacks = wanted in {GraphKind.TEXT_TO_IMAGE, GraphKind.TEXT_TO_VIDEO} and needs
        hint = f" Give it {' or '.join(sorted(needs))}." if lacks else ""
        words = f"{who} does not do {_WORDS[wanted]}, but {able}.{hint}"
        _refuse(["model"], words, "model_kind")
    _check_extras(request, family, who)
    return wanted


def check_sources(request: RenderRequest) -> None:
    """Refuse pictures that we do not have: only those under /uploads/ go to a server."""
    given = {name: getattr(request, name) for name in _SOURCES}
    numbered = {f"reference_images.{n}": s for n, s in enumerate(request.reference_images)}
    for name, source in (given | numbered).items():
        if source is not None and not source.startswith(UPLOADS):
            words = f"params.{name} must be a picture under {UPLOADS}; upload it first."
            _refuse(["params", *name.split(".")], words, "picture_elsewhere")


def _wanted(request: RenderRequest, family: ModelFamily) -> GraphKind:
    if request.end_image is not None and request.init_image is None:
        _refuse(["params", "end_image"], "An end_image needs an init_image.", "picture_missing")
    if request.mask is not None and request.init_image is None:
        _refuse(["params", "mask"], "A mask needs an init_image.", "picture_missing")
    if request.kind is ContentType.VIDEO:
        return _wanted_video(request)
    if GraphKind.EDIT in family.kinds and (request.init_image or request.reference_images):
        return GraphKind.EDIT
    if request.mask is not None:
        return GraphKind.INPAINT
    return GraphKind.TEXT_TO_IMAGE if request.init_image is None else GraphKind.IMAGE_TO_IMAGE


def _wanted_video(request: RenderRequest) -> GraphKind:
    if request.end_image is not None:
        return GraphKind.FIRST_LAST_FRAME
    return GraphKind.TEXT_TO_VIDEO if request.init_image is None else GraphKind.IMAGE_TO_VIDEO


def _check_extras(request: RenderRequest, family: ModelFamily, who: str) -> None:
    shown = len(request.reference_images)
    allowed = family.max_references
    if GraphKind.EDIT in family.kinds and request.init_image is None:
        allowed += 1
    if shown > allowed:
        words = f"{who} takes {allowed or 'no'} reference pictures, not {shown}."
        _refuse(["params", "reference_images"], words, "too_many_references")
    if request.refiner is not None and not family.refined:
        _refuse(["params", "refiner"], f"{who} has no refiner.", "no_refiner")


def _named(name: str, model: str) -> ModelFamily:
    """Of a family with variants that which the file's name tells, else the plain one."""
    detected = detect(model).family
    if detected is not None and name in {detected.id, detected.key}:
        return detected
    known = {family.key: family for family in VARIANTS}
    if name not in known:
        words = f"There is no family '{name}'; there are {', '.join(known)}."
        _refuse(["params", "family"], words, "family_unknown")
    return known[name]


def _refuse(loc: list[str], words: str, kind: str) -> NoReturn:
    raise WorkflowError(
        words, errors=[{"loc": loc, "msg": words, "type": kind, "class_type": None}]
    )
