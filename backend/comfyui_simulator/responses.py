"""Answers and middlewares that every route shares."""

import ipaddress
import json
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit

from aiohttp import web

from backend.comfyui_simulator.errors import InternalError

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

SERVER_ERROR_TEXT = "500 Internal Server Error\n\nServer got itself in trouble"


def internal_error() -> web.Response:
    response = web.Response(status=500, text=SERVER_ERROR_TEXT)
    response.force_close()
    return response


async def json_body(request: web.Request) -> Any:
    """Read the body as JSON whatever its content type says; InternalError when it is none."""
    try:
        return json.loads(await request.text())
    except ValueError as error:
        raise InternalError(str(error)) from error


@web.middleware
async def errors_middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
    """What the real server does not catch is a plain 500; unknown routes are an empty 404."""
    try:
        return await handler(request)
    except InternalError:
        return internal_error()
    except web.HTTPNotFound:
        return web.Response(status=404)
    except ConnectionResetError:
        return web.Response(status=400)  # whoever asked is gone, and hears nothing of it


@web.middleware
async def origin_middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse a page of another site that talks to a loopback server (DNS rebinding)."""
    host, origin = request.headers.get("Host", ""), request.headers.get("Origin", "")
    if origin and is_loopback(urlsplit(f"//{host}").hostname or ""):
        wanted, given = f"//{host}", f"//{urlsplit(origin).netloc}"
        if urlsplit(given).netloc and urlsplit(wanted).netloc != urlsplit(given).netloc:
            return web.Response(status=403)
    return await handler(request)


def is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


async def add_simulator_header(_: web.Request, response: web.StreamResponse) -> None:
    """Let no one mistake an answer for the real server's."""
    response.headers["X-Simulator"] = "StoryCanvas"
