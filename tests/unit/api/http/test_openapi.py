"""The manual is complete: every route and field says what it is, and the counts are the contract's.

Whoever adds a route or a field reads here what the manual asks of it.
"""

import importlib
import json
import pkgutil
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.routing import APIRoute
from pydantic import BaseModel

from backend import dtos
from backend.api.http import openapi
from backend.api.v1.exports import legacy_exports_router
from backend.dtos.shared.common_dto import RequestDTO
from scripts.openapi import TARGET, document

#: Routes of each router that the contract counts; what is beyond them has routers of its own.
COUNTED = {
    "health": 2,
    "projects": 7,
    "scenes": 6,
    "clips": 8,
    "generation": 4,
    "characters": 6,
    "templates": 6,
    "queue": 12,
    "comfyui": 5,
    "media": 2,
    "openai": 3,
}
REFRESH = "docs/openapi.json is out of date: run `.venv/bin/python -m scripts.openapi`"
DOCUMENT = document()
SCHEMAS: dict[str, Any] = DOCUMENT["components"]["schemas"]
OPERATIONS = {operation["operationId"]: operation for operation in openapi.operations(DOCUMENT)}
#: Told by everybody who adds a field: where it is, and what it lacks.
Fields = Iterator[tuple[str, dict[str, Any]]]


def fields_of(names: set[str]) -> Fields:
    for name in sorted(names):
        for field, schema in SCHEMAS[name].get("properties", {}).items():
            yield f"{name}.{field}", schema


def referred(schema: Any) -> set[str]:
    """Give the names of all schemas that one leads to."""
    found: set[str] = set()
    waiting = [schema]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            name = str(node.get("$ref", "")).rpartition("/")[2]
            if name in SCHEMAS and name not in found:
                found.add(name)
                waiting.append(SCHEMAS[name])
            waiting.extend(node.values())
        elif isinstance(node, list):
            waiting.extend(node)
    return found


def json_body(operation: dict[str, Any]) -> dict[str, Any] | None:
    content = operation.get("requestBody", {}).get("content", {})
    found: dict[str, Any] | None = content.get("application/json", {}).get("schema")
    return found


REQUESTS = referred([json_body(operation) for operation in OPERATIONS.values()])


def is_composed(schema: dict[str, Any]) -> bool:
    """Tell what shows the examples of other schemas: a reference, or a list or map of them."""
    inner = [schema, schema.get("items", {}), schema.get("additionalProperties", {})]
    inner += [item for branch in schema.get("anyOf", ()) for item in (branch, branch.get("items"))]
    return any("$ref" in (item if isinstance(item, dict) else {}) for item in inner)


class TestCounts:
    @pytest.mark.parametrize(("name", "count"), COUNTED.items())
    def test_a_router_has_the_routes_of_the_contract(self, name: str, count: int) -> None:
        router = importlib.import_module(f"backend.api.v1.{name}_router").router
        assert len([r for r in router.routes if isinstance(r, APIRoute)]) == count

    def test_they_are_61_and_all_are_in_the_manual(self) -> None:
        routers = [importlib.import_module(f"backend.api.v1.{n}_router").router for n in COUNTED]
        names = {route.name for router in routers for route in router.routes}
        assert len(names) == sum(COUNTED.values()) == 61
        assert names <= set(OPERATIONS)

    def test_the_legacy_exports_are_4(self) -> None:
        paths = [path for path in DOCUMENT["paths"] if path.startswith("/api/projects/")]
        assert sorted(path.rpartition("/")[2] for path in paths) == [
            "edl", "fcpxml", "json", "resolve",
        ]  # fmt: skip
        assert len(legacy_exports_router.router.routes) == 4

    def test_templates_have_an_alias_outside_the_manual(self) -> None:
        assert "/api/v1/style-templates" in DOCUMENT["paths"]
        assert not [path for path in DOCUMENT["paths"] if path.startswith("/api/v1/templates")]


class TestRoutes:
    def test_tags_are_told_in_their_order(self) -> None:
        told = [tag["name"] for tag in DOCUMENT["tags"]]
        assert told == [tag["name"] for tag in openapi.TAGS if tag["name"] in told]
        assert all(tag["description"].endswith(".") for tag in DOCUMENT["tags"])
        used = Counter(tag for operation in OPERATIONS.values() for tag in operation["tags"])
        assert set(used) == set(told)

    def test_ids_of_operations_are_the_functions_names(self) -> None:
        ids = [operation["operationId"] for operation in openapi.operations(DOCUMENT)]
        assert len(ids) == len(set(ids))
        assert all(name.isidentifier() and name == name.lower() for name in ids)

    @pytest.mark.parametrize("name", OPERATIONS)
    def test_a_route_says_what_it_does(self, name: str) -> None:
        operation = OPERATIONS[name]
        assert len(operation["tags"]) == 1
        assert operation["summary"]
        assert operation["summary"] != name.replace("_", " ").title(), "FastAPI made it up"
        assert operation["description"].strip().endswith("."), "its docstring is its description"
        for parameter in operation.get("parameters", ()):
            assert parameter.get("description"), parameter["name"]

    @pytest.mark.parametrize("name", OPERATIONS)
    def test_a_route_says_how_it_fails(self, name: str) -> None:
        operation = OPERATIONS[name]
        responses = operation["responses"]
        codes = set(responses)
        assert {"422", "default"} <= codes
        assert ("401" in codes) == (name not in {"read_root", "read_health"})
        assert ("requestBody" in operation) <= ({"413", "415"} <= codes)
        assert list(responses) == sorted(responses)
        for code, response in responses.items():
            if code >= "400" and name != "read_health":
                assert referred(response) & {"ErrorDTO", "InvalidDTO", "OverlapErrorDTO"} or (
                    response["$ref"].rpartition("/")[2] in DOCUMENT["components"]["responses"]
                )

    def test_ours_are_the_only_errors(self) -> None:
        assert not {"HTTPValidationError", "ValidationError"} & set(SCHEMAS)
        shared = DOCUMENT["components"]["responses"]
        assert referred(shared["Invalid"]) == {
            "InvalidDTO",
            "InvalidBodyDTO",
            "FaultsDTO",
            "FaultDTO",
        }
        assert "Retry-After" in shared["DatabaseAway"]["headers"]

    def test_what_names_a_thing_may_miss_it(self) -> None:
        missing = {
            name: operation["responses"]["404"]["description"]
            for name, operation in OPERATIONS.items()
            if "404" in operation["responses"]
        }
        assert missing["read_project"] == "No such project."
        assert missing["apply_character"] == "No such character or clip."
        assert "register_server" not in missing

    def test_lists_tell_their_total(self) -> None:
        lists = {
            name
            for name, operation in OPERATIONS.items()
            if "X-Total-Count" in operation["responses"].get("200", {}).get("headers", {})
        }
        assert {"list_projects", "list_jobs", "list_project_clips", "list_batches"} <= lists
        assert "list_openai_videos" not in lists

    def test_a_key_may_be_sent_and_need_not(self) -> None:
        assert OPERATIONS["create_project"]["security"] == [{}, {"ApiKey": []}]
        assert "security" not in OPERATIONS["read_health"]
        assert DOCUMENT["components"]["securitySchemes"]["ApiKey"]["scheme"] == "bearer"


class TestFields:
    def test_all_are_described(self) -> None:
        assert [
            name for name, field in fields_of(set(SCHEMAS)) if not field.get("description")
        ] == []

    def test_all_have_an_example(self) -> None:
        """A list or map of schemas shows theirs; in a request every field has its own."""
        lacking = [
            name
            for name, field in fields_of(set(SCHEMAS))
            if not field.get("examples")
            and (name.partition(".")[0] in REQUESTS or not is_composed(field))
        ]
        assert lacking == []

    def test_what_is_sent_has_limits(self) -> None:
        """A text has a longest, a number a least and a largest, a list a longest."""
        assert [name for name, field in fields_of(REQUESTS) if not is_bounded(field)] == []

    def test_examples_are_what_the_field_takes(self) -> None:
        for cls in dto_classes():
            for name, field in cls.model_fields.items():
                for example in field.examples or ():
                    cls.__pydantic_validator__.validate_assignment(
                        cls.model_construct(), name, example
                    )


def is_bounded(schema: dict[str, Any]) -> bool:
    branches = schema.get("anyOf")
    if branches:
        return all(is_bounded(branch) for branch in branches)
    if "$ref" in schema or {"enum", "const"} & set(schema):
        return True
    match schema.get("type"):
        case "string":
            return "maxLength" in schema
        case "integer" | "number":
            return {"minimum", "maximum"} <= set(schema)
        case "array":
            return "maxItems" in schema and is_bounded(schema["items"])
        case kind:
            return kind in {"boolean", "null", "object"}


def dto_classes() -> list[type[BaseModel]]:
    """Give every class of the wire, each from the module that makes it."""
    found = []
    for info in pkgutil.walk_packages(dtos.__path__, f"{dtos.__name__}."):
        module = importlib.import_module(info.name)
        found += [
            value
            for value in vars(module).values()
            if isinstance(value, type)
            and issubclass(value, BaseModel)
            and value.__module__ == module.__name__
        ]
    return found


class TestClasses:
    def test_names_are_used_once(self) -> None:
        names = Counter(cls.__name__ for cls in dto_classes())
        assert [name for name, count in names.items() if count > 1] == []
        assert len(names) >= 42
        assert [
            name for name in SCHEMAS if "__" in name or name.endswith(("-Input", "-Output"))
        ] == []

    def test_all_are_named_after_what_they_are(self) -> None:
        assert [cls.__name__ for cls in dto_classes() if not cls.__name__.endswith("DTO")] == []

    def test_a_field_may_begin_with_model(self) -> None:
        """Pydantic would warn of `model_name` otherwise."""
        assert all(cls.model_config.get("protected_namespaces") == () for cls in dto_classes())

    def test_requests_refuse_what_is_no_number(self) -> None:
        requests = [cls for cls in dto_classes() if issubclass(cls, RequestDTO)]
        assert all(cls.model_config.get("allow_inf_nan") is False for cls in requests)


def test_the_copy_in_docs_is_current() -> None:
    assert json.loads(TARGET.read_text("utf-8")) == DOCUMENT, REFRESH
