"""The OpenAPI document as random requests need it: ids of things that exist, and links.

A link says which answer gives the id that another operation takes: "the id that POST /projects
answers with is the `project_id` of every path and body that has one". They follow from the names
of the ids, so a new route is linked by itself.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

Document = dict[str, Any]

#: Which operation makes what an id names, and where its answer has the id.
MAKERS = {
    "project_id": ("create_project", "id"),
    "scene_id": ("create_scene", "id"),
    "clip_id": ("create_clip", "id"),
    "source_clip_id": ("create_clip", "id"),
    "batch_id": ("generate_batch", "id"),
    "character_id": ("create_character", "id"),
    "template_id": ("create_template", "id"),
    "job_id": ("create_job", "job_id"),
    "server_id": ("create_server", "id"),
    "item_id": ("create_pool_item", "id"),
    "workflow_id": ("create_workflow", "id"),
}


def operations(document: Document) -> Iterator[tuple[str, str, Document]]:
    """Every operation as (method, path, what it is)."""
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield method, path, operation


def without_default(document: Document) -> None:
    """Let only those statuses count as documented that an operation names itself."""
    for _, _, operation in operations(document):
        operation["responses"].pop("default", None)


def with_ids(document: Document, ids: Mapping[str, str]) -> Document:
    """The document with the placeholders of its examples replaced by the ids of what exists."""
    text = json.dumps(document)
    for placeholder, real in ids.items():
        text = text.replace(placeholder, real)
    replaced: Document = json.loads(text)
    return replaced


def narrow(document: Document, ids: Mapping[str, str]) -> None:
    """Let ids in paths, queries and bodies be those of things that exist: `ids` by their names.

    What is deleted is what links lead to, so what the others need stays.
    """
    for method, _, operation in operations(document):
        for parameter in operation.get("parameters", ()):
            if parameter["name"] in ids and method != "delete":
                parameter["schema"] = _one_of(parameter["schema"], ids[parameter["name"]])
        fields = _json_fields(document, operation)
        for name in fields.keys() & ids.keys():
            fields[name] = _one_of(fields[name], ids[name])


def once(document: Document, part: str, keeper: str) -> None:
    """Spell out a schema that many bodies have in one operation's alone; elsewhere any object is.

    Its borders are then asked once, and not once for each body.
    """
    reference = f"#/components/schemas/{part}"
    for _, _, operation in operations(document):
        if operation["operationId"] != keeper:
            fields = _json_fields(document, operation)
            for name, field in fields.items():
                if field.get("$ref") == reference:
                    fields[name] = {"type": "object", "enum": field["examples"]}


def _one_of(schema: Document, real: str) -> Document:
    nothing = [each for each in schema.get("anyOf", ()) if each.get("type") == "null"]
    return {"anyOf": [{"type": "string", "enum": [real]}, *nothing]}


def add_links(document: Document) -> int:
    """Link every maker to all that take the id of what it makes; give how many links that are."""
    found = list(operations(document))
    by_name = {operation["operationId"]: operation for _, _, operation in found}
    added = 0
    for name, (maker, field) in MAKERS.items():
        for _, _, operation in found:
            link = _link(document, operation, name, f"$response.body#/{field}")
            if link is not None:
                target = operation["operationId"]
                links = by_name[maker]["responses"]["201"].setdefault("links", {})
                links[f"{target}_{name}"] = {"operationId": target, **link}
                added += 1
    return added


def _link(document: Document, operation: Document, name: str, value: str) -> Document | None:
    for parameter in operation.get("parameters", ()):
        if parameter["name"] == name:
            return {"parameters": {f"{parameter['in']}.{name}": value}}
    if name in _json_fields(document, operation):
        return {"requestBody": {name: value}}
    return None


def _json_fields(document: Document, operation: Document) -> Document:
    content = operation.get("requestBody", {}).get("content", {})
    return _fields(document, content.get("application/json", {}).get("schema", {}))


def _fields(document: Document, schema: Document) -> Document:
    if "anyOf" in schema:
        return _fields(document, schema["anyOf"][0])
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return _fields(document, document["components"]["schemas"][name])
    fields: Document = schema.get("properties", {})
    return fields
