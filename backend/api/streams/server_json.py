"""A server with its files as JSON, made in a thread: there may be tens of thousands."""

import asyncio
from collections.abc import Mapping
from typing import Any

import orjson
from fastapi import Response

from backend.dtos.comfyui_dto import ServerInfoHeadDTO, ServerResponseDTO


async def detail_json(detail: Mapping[str, Any]) -> Response:
    """Answer with a whole ServerDetailDTO."""
    head = ServerResponseDTO.model_validate(detail["server"]).model_dump_json().encode()
    return await _with_files(head, detail, ("models", "loras"))


async def info_json(info: Mapping[str, Any]) -> Response:
    """Answer with a whole ServerInfoDTO."""
    head = ServerInfoHeadDTO.model_validate(info).model_dump_json().encode()
    return await _with_files(head, info, ("models", "loras", "vaes"))


async def _with_files(head: bytes, told: Mapping[str, Any], names: tuple[str, ...]) -> Response:
    body = await asyncio.to_thread(_joined, head, {name: told[name] for name in names})
    return Response(body, media_type="application/json")


def _joined(head: bytes, files: Mapping[str, Mapping[str, str]]) -> bytes:
    lists = [b',"%s":%s' % (name.encode(), _rows(families)) for name, families in files.items()]
    return b"".join((head[:-1], *lists, b"}"))


def _rows(families: Mapping[str, str]) -> bytes:
    return orjson.dumps([{"name": name, "type": family} for name, family in families.items()])
