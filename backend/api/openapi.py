"""The manual: what /docs, /redoc and /openapi.json say beyond the signatures of the routes.

What every route has in common (the errors, the key, the total of a list, what an id is) is
written here once, and put into the document where it holds. What belongs to one route stands
there. docs/openapi.json is a copy for readers; `python -m scripts.openapi` writes it.
"""

from collections.abc import Iterator
from typing import Any

from fastapi import FastAPI
from pydantic.json_schema import models_json_schema

from backend.dtos.common_dto import ErrorDTO, InvalidDTO

Operation = dict[str, Any]

DESCRIPTION = """\
Plan a film as projects, scenes and clips, have its images and videos generated on your own
ComfyUI servers, and hand the timeline to your editor.

**Trying it out.** Press *Try it out* and *Execute*: the bodies shown are valid as they are. Ids in
them are placeholders: put in those of your own things, as the answers to creating and listing
give them. `POST /projects` needs none, so begin there; then a scene, then a clip.

**Errors** have one body, whatever goes wrong: `detail` is a sentence, `error.code` is for programs,
`request_id` is in the log and in the header `X-Request-ID` of every response.

**Lists** take `skip` and `limit`; the header `X-Total-Count` tells how many there are.
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
        "Generation": "Have takes made: one and wait for it, or one for each of many clips.",
        "Characters": "Words, a LoRA and a reference that clips of the same person share.",
        "Style templates": "A look to use again: model, LoRAs, parameters and what to avoid.",
        "Queue": "Every generation is a job. Follow, cancel and retry them; lend them to workers.",
        "ComfyUI servers": "The servers that render, what they have and what they do.",
        "Media": "Music of a project, and pictures of faces.",
        "OpenAI-compatible videos": "What the configured video provider holds.",
        "Legacy exports": "The timeline for an editor, at its older addresses.",
        "Exports": "The timeline for an editor.",
        "Events": "What happens, as it happens.",
        "Selection": "Which take a clip shows.",
        "Alternates": "Another go at a clip or a scene, beside the original.",
        "Web client": "What the web client reads in one go.",
        "Models": "The model families, their presets and parameters.",
        "Pool": "Takes and files that a project keeps for later.",
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
    "list_model_types", "read_model_presets", "read_model_parameters", "read_model_defaults",
    "upload_face_image", "upload_face", "read_metrics",
}  # fmt: skip
#: Its id may be one that nobody knows yet.
_MAKES_WHAT_IT_NAMES = frozenset({"register_server"})
_NAMES = {
    "project_id": "project",
    "scene_id": "scene",
    "clip_id": "clip",
    "batch_id": "batch",
    "character_id": "character",
    "template_id": "style template",
    "job_id": "job",
    "server_id": "server",
    "item_id": "pool item",
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
        used.update(operation.get("tags", ()))
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
    unauthorized = _error("API_KEYS is set, and the request brings none of them.")
    unauthorized["headers"] = {
        "WWW-Authenticate": {"description": "Always Bearer.", "schema": {"type": "string"}}
    }
    away = _error("The database is away; it is tried again all the time.")
    return {
        "Unauthorized": unauthorized,
        "TooLarge": _error("The body is larger than MAX_BODY_SIZE_MB."),
        "NotJson": _error("The body is not JSON, or Content-Type does not say that it is."),
        "Invalid": _error(
            "The request breaks a rule: `error.details.errors` names each place.", "InvalidDTO"
        ),
        "DatabaseAway": {**away, "headers": _RETRY_AFTER},
    }


def _error(words: str, schema: str = "ErrorDTO") -> dict[str, Any]:
    return {"description": words, "content": _content(schema)}


def _content(schema: str) -> dict[str, Any]:
    return {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}}


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
        ours["404"] = _error(missing)
    merged = {**ours, **{code: _told(code, response) for code, response in told.items()}}
    operation["responses"] = dict(sorted(merged.items()))  # digits sort before "default"


def _told(code: str, response: dict[str, Any]) -> dict[str, Any]:
    """Give a route's own error the body that every error has."""
    if code == "default":
        return {**response, "description": "Any other error."}
    if code < "400" or "content" in response:
        return response
    headers = {"headers": _RETRY_AFTER} if code == "503" else {}
    return {**response, **headers, "content": _content("ErrorDTO")}


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
