"""The manual: what /docs, /redoc and /openapi.json say beyond the signatures of the routes.

What every route has in common (the errors, the key, the total of a list, what an id is) is
written here once, and put into the document where it holds. What belongs to one route stands
there. docs/openapi.json is a copy for readers; `python -m scripts.openapi` writes it.
"""

import re
from collections.abc import Iterator
from typing import Any

from fastapi import FastAPI, Request
from fastapi.openapi.docs import get_redoc_html
from fastapi.responses import HTMLResponse
from pydantic.json_schema import models_json_schema

from backend.dtos.shared.common_dto import ErrorDTO, InvalidDTO

Operation = dict[str, Any]

DESCRIPTION = """\
**Trying it out.** Press *Try it out* and *Execute*: the bodies shown are valid as they are. Ids in
them are placeholders: put in those of your own things, as the answers to creating and listing
give them. `POST /projects` needs none, so begin there; then a scene, then a clip.

**Errors** have one body, whatever goes wrong: `detail` is a sentence, `error.code` is for programs,
`request_id` is in the log and in the header `X-Request-ID` of every response.

**Lists** take `skip` and `limit`; the header `X-Total-Count` tells how many there are.
**Media**: the addresses in answers are whole, so that a page of any origin can load them: at
`PUBLIC_URL` if that is set, else at the address that the request itself asked. Where API keys are
asked for, they carry a signature that ends after `MEDIA_URL_TTL` seconds, since `<img>` and
`<video>` send no header. A request may name a file of ours in any form: `/uploads/...`, with the
server, with the signature.
**Times** are RFC 3339 in UTC. **Positions and lengths** are seconds, kept to the millisecond.
**PUT** changes what is sent and nothing else; null clears what may be empty.
"""

#: In the order of the manual; a tag of any route must be here.
TAGS: list[dict[str, str]] = [
    {"name": name, "description": words}
    for name, words in {
        "Health": "Whether the server and its parts work.",
        "Projects": "A project is a film: its frame rate, its size, its music.",
        "Scenes": "A project has scenes in order. Each has a timeline of clips.",
        "Clips": "A clip is a stretch of a scene's timeline, with its prompts and its takes.",
        "Takes": "What was generated: read it, choose what a clip shows, render it once more.",
        "Generation": "Have takes made: one and wait for it, or one for each of many clips.",
        "Characters": "Words, a LoRA and a reference that clips of the same person share.",
        "Style templates": "A look to use again: model, LoRAs, parameters and what to avoid.",
        "Queue": "Every generation is a job: follow, cancel and retry them.",
        "ComfyUI servers": "The servers that render, what they have and what they do.",
        "Workers": "Programs of yours that ask for jobs, make them elsewhere and hand in results.",
        "Models": "The models of all servers, the model families, their presets and parameters.",
        "Workflows": "Graphs of your own that a project keeps, to be rendered by their id.",
        "Pool": "Takes and files that a project keeps for later.",
        "Media": "Music of a project, and pictures of faces.",
        "Video provider": "Videos at the provider that OPENAI_BASE_URL names.",
        "Exports": "The film for an editor, on paper, as a package, or as a video to watch. Paths "
        "without `v1` are the older addresses of the same files.",
        "Import": "A project from its JSON export, and the timing of an edited cut.",
        "Events": "What happens, as it happens.",
        "Webhooks": "Events of a project, sent to a URL, for those who cannot listen.",
        "Metrics": "Numbers for Prometheus.",
    }.items()
]

#: What Swagger UI is told: collapsed schemas, a filter, times, and a key that survives a reload.
SWAGGER_UI: dict[str, Any] = {
    "defaultModelsExpandDepth": 0,
    "displayRequestDuration": True,
    "filter": True,
    "persistAuthorization": True,
}

#: Open with API_KEYS set, too.
_OPEN = frozenset({"read_root", "read_health"})
#: Answered from what the process knows, or by others than the database.
_WITHOUT_DATABASE = _OPEN | {
    "list_models", "list_model_types", "read_model_presets", "read_model_parameters",
    "read_model_defaults",
    "upload_face_image", "upload_face", "upload_character_images", "read_metrics", "read_events",
}  # fmt: skip
#: Its id may be one that nobody knows yet.
_MAKES_WHAT_IT_NAMES = frozenset({"register_server"})
_NAMES = {
    "project_id": "project",
    "scene_id": "scene",
    "clip_id": "clip",
    "batch_id": "batch",
    "character_id": "character",
    "template_id": "template",
    "job_id": "job",
    "server_id": "server",
    "item_id": "pool item",
    "content_id": "take",
    "workflow_id": "workflow",
    "webhook_id": "webhook",
    "delivery_id": "delivery",
}
#: What the shared parameter for ids says; here it becomes the name of the thing.
_SOME_ID = "Its id."
_RETRY_AFTER = {
    "Retry-After": {
        "description": "Seconds after which a repeat may succeed.",
        "schema": {"type": "integer", "minimum": 0},
    }
}
_TOTAL = {
    "X-Total-Count": {
        "description": "How many there are, beyond this page.",
        "schema": {"type": "integer", "minimum": 0},
    }
}
#: Codes of errors whose description names none: the defaults in backend.utils.errors.
_CODES = {
    "400": "INVALID_REQUEST",
    "401": "UNAUTHORIZED",
    "404": "NOT_FOUND",
    "409": "CONFLICT",
    "413": "PAYLOAD_TOO_LARGE",
    "415": "UNSUPPORTED_MEDIA",
    "429": "QUEUE_FULL",
    "502": "UPSTREAM_ERROR",
    "503": "SERVICE_UNAVAILABLE",
    "504": "UPSTREAM_TIMEOUT",
    "507": "STORAGE_FULL",
}
_SUCCESS = {"200": "What was asked for.", "201": "What was created."}
#: A description may begin with the code: `CLIP_BUSY: too many changes at once`.
_CODED = re.compile(r"(?P<code>[A-Z]+(?:_[A-Z]+)+): (?P<words>.+)", re.DOTALL)
#: Or name one thing: its code follows, as in ResourceNotFoundError.
_LOST = re.compile(r"No such (?P<kind>[a-z]+(?: item)?)\.")
#: ReDoc's page shows its maker's logo from the maker's host: nothing leaves this one.
_OWN_HOST_ONLY = (
    "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; "
    "script-src 'self' 'unsafe-eval'; worker-src blob:"
)
_STATIC = "/static-offline-docs"
_SECURITY = {
    "ApiKey": {
        "type": "http",
        "scheme": "bearer",
        "description": "Asked for only when the server was started with API_KEYS.",
    }
}


def install(app: FastAPI) -> None:
    """Have the application give the completed document, made when somebody asks first."""
    plain = app.openapi

    def completed() -> dict[str, Any]:
        if app.openapi_schema is None:
            complete(plain())
        return plain()

    app.openapi = completed  # type: ignore[method-assign]
    app.add_api_route("/redoc", _redoc, include_in_schema=False)


async def _redoc(request: Request) -> HTMLResponse:
    root = request.scope.get("root_path", "")
    page = get_redoc_html(
        openapi_url=f"{root}/openapi.json",
        title="StoryCanvas - ReDoc",
        redoc_js_url=f"{root}{_STATIC}/redoc.standalone.js",
        redoc_favicon_url=f"{root}{_STATIC}/favicon.png",
        with_google_fonts=False,
    )
    page.headers["Content-Security-Policy"] = _OWN_HOST_ONLY
    return page


def complete(document: dict[str, Any]) -> None:
    """Write into a document what its routes have in common."""
    components = document.setdefault("components", {})
    components.setdefault("schemas", {}).update(_error_schemas())
    components["responses"] = _shared_responses()
    components["securitySchemes"] = _SECURITY
    used: set[str] = set()
    for operation in operations(document):
        _name_ids(operation)
        _add_errors(operation)
        _add_total(operation)
        if operation["operationId"] not in _OPEN:
            operation["security"] = [{}, {"ApiKey": []}]
        # A route's own tag stands behind that of its router, and is the one that holds.
        operation["tags"] = operation.get("tags", [])[-1:]
        used.update(operation["tags"])
    document["tags"] = [tag for tag in document.get("tags", ()) if tag["name"] in used]


def operations(document: dict[str, Any]) -> Iterator[Operation]:
    """Give every operation of a document, in its order."""
    for path in document["paths"].values():
        yield from path.values()


def _error_schemas() -> dict[str, Any]:
    _, schemas = models_json_schema(
        [(ErrorDTO, "serialization"), (InvalidDTO, "serialization")],
        ref_template="#/components/schemas/{model}",
    )
    found: dict[str, Any] = schemas["$defs"]
    return found


def _shared_responses() -> dict[str, Any]:
    """Errors that many routes may answer with, by the name that routes refer to them by."""
    unauthorized = _error("401", "API_KEYS is set, and the request brings none of them.")
    unauthorized["headers"] = {
        "WWW-Authenticate": {"description": "Always Bearer.", "schema": {"type": "string"}}
    }
    away = _error("503", "DATABASE_UNAVAILABLE: the database is away; it is tried all the time.")
    return {
        "Unauthorized": unauthorized,
        "TooLarge": _error("413", "The body is larger than MAX_BODY_SIZE_MB."),
        "NotJson": _error("415", "The body is not JSON, or Content-Type does not say that it is."),
        "Invalid": _invalid("The request breaks a rule: `error.details.errors` names each place."),
        "DatabaseAway": {**away, "headers": _RETRY_AFTER},
    }


def _error(status: str, words: str) -> dict[str, Any]:
    """Describe an error, with an example that has its own code and not another's."""
    code, sentence = _code_and_sentence(status, words)
    example = {
        "detail": sentence,
        "error": {"code": code, "message": sentence, "details": {}},
        "request_id": "8c1f0e7a",
    }
    content = {"application/json": {"schema": _schema("ErrorDTO"), "example": example}}
    return {"description": words, "content": content}


def _invalid(words: str) -> dict[str, Any]:
    content = {"application/json": {"schema": _schema("InvalidDTO")}}
    return {"description": words, "content": content}


def _code_and_sentence(status: str, words: str) -> tuple[str, str]:
    if coded := _CODED.fullmatch(words):
        sentence = coded["words"].partition(". ")[0]
        return coded["code"], sentence[0].upper() + sentence[1:]
    if lost := _LOST.fullmatch(words):
        return f"{lost['kind'].upper().replace(' ', '_')}_NOT_FOUND", words
    return _CODES[status], words


def _schema(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def _shared(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/responses/{name}"}


def _add_errors(operation: Operation) -> None:
    """Add the errors that follow from what the route takes; those it tells itself stay."""
    name, told = operation["operationId"], operation["responses"]
    ours = {"422": _shared("Invalid")}
    if name not in _OPEN:
        ours["401"] = _shared("Unauthorized")
    if name not in _WITHOUT_DATABASE:
        ours["503"] = _shared("DatabaseAway")
    if "requestBody" in operation:
        ours |= {"413": _shared("TooLarge"), "415": _shared("NotJson")}
    if missing := _missing(operation):
        ours["404"] = _error("404", missing)
    merged = {**ours, **{code: _told(code, response) for code, response in told.items()}}
    operation["responses"] = dict(sorted(merged.items()))  # digits sort before "default"


def _told(status: str, response: dict[str, Any]) -> dict[str, Any]:
    """Give a route's own response what every one of its status has."""
    if status == "default":
        return {**response, "description": "Any other error."}
    words = response["description"]
    if status in _SUCCESS and words == "Successful Response":
        return {**response, "description": _SUCCESS[status]}
    if status == "422" and "content" not in response:
        return _invalid(words)
    told = response.get("content", {}).get("application/json", {}).get("schema")
    if status not in _CODES or told not in (None, _schema("ErrorDTO")):
        return response
    headers = {"headers": _RETRY_AFTER} if status in {"429", "503"} else {}
    return {**response, **headers, **_error(status, words)}


def _missing(operation: Operation) -> str:
    """Say what may not be there, by the ids in the path; "" when nothing can be missing."""
    named = [_NAMES[name] for name in _path_ids(operation)]
    if not named or operation["operationId"] in _MAKES_WHAT_IT_NAMES:
        return ""
    return f"No such {' or '.join(named)}."


def _name_ids(operation: Operation) -> None:
    for parameter in operation.get("parameters", ()):
        if parameter.get("description") == _SOME_ID:
            parameter["description"] = f"The {_NAMES[parameter['name']]}'s id."


def _path_ids(operation: Operation) -> list[str]:
    parameters = operation.get("parameters", ())
    return [p["name"] for p in parameters if p["in"] == "path" and p["name"] in _NAMES]


def _add_total(operation: Operation) -> None:
    """Tell the header that every list has."""
    names = {parameter["name"] for parameter in operation.get("parameters", ())}
    if {"skip", "limit"} <= names:
        operation["responses"]["200"]["headers"] = _TOTAL
