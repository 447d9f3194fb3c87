"""A page of the model library as JSON, made in a thread.

Two hundred servers have the same files: who has them is written once for all of these.
"""

import asyncio
from collections.abc import Sequence
from typing import Any

import orjson
from fastapi import Response

from backend.services.servers.model_library import ListedModel


async def models_json(models: Sequence[ListedModel], total: int) -> Response:
    """Answer with a list of LibraryModelDTO, and with how many there are."""
    body = await asyncio.to_thread(_written, models)
    headers = {"X-Total-Count": str(total)}
    return Response(body, media_type="application/json", headers=headers)


def _written(models: Sequence[ListedModel]) -> bytes:
    owners = {id(model.servers): model.servers for model in models}
    written = {key: orjson.Fragment(orjson.dumps(servers)) for key, servers in owners.items()}
    return orjson.dumps([_row(model, written[id(model.servers)]) for model in models])


def _row(model: ListedModel, servers: orjson.Fragment) -> dict[str, Any]:
    is_active = any(server["is_online"] for server in model.servers)
    return {
        "id": model.id,
        "name": model.name,
        "type": model.kind,
        "family": model.family,
        "servers": servers,
        "server_source": model.servers[0]["name"],
        "is_active": is_active,
        "is_available": is_active,
    }
