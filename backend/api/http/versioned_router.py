"""Routers under /api/v1 that know their whole address.

An app takes their routes as they are. Included the usual way, FastAPI would make every route a
second time for each app, and look through two levels at each request.
"""

from collections.abc import Mapping
from enum import Enum
from typing import Any

from fastapi import APIRouter
from fastapi.routing import APIRoute

from backend.api.http.strict_json import StrictJsonRoute
from backend.dtos.shared.common_dto import ErrorDTO

V1 = "/api/v1"

Responses = Mapping[int | str, dict[str, Any]]


def versioned_router(
    prefix: str = "",
    *,
    tags: list[str | Enum] | None = None,
    responses: Responses | None = None,
) -> APIRouter:
    """Its bodies are strict JSON, and its errors the contract's."""
    return APIRouter(
        prefix=f"{V1}{prefix}",
        tags=tags,
        route_class=StrictJsonRoute,
        responses={"default": {"model": ErrorDTO}, **(responses or {})},
        generate_unique_id_function=operation_id,
    )


def operation_id(route: APIRoute) -> str:
    """The name of its function: clients that are made from the schema call it by that."""
    return route.name
