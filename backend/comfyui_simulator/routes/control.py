"""/simulator/…: faults and counts. No real server has these."""

from typing import Any

from aiohttp import web

from backend.comfyui_simulator.engine import Engine, engine_of
from backend.comfyui_simulator.faults import Fault, FaultBook, UnknownFaultError
from backend.comfyui_simulator.responses import json_body
from backend.comfyui_simulator.tally import Tally


def stats_of(tally: Tally, faults: FaultBook, engine: Engine | None) -> dict[str, Any]:
    """Counts, faults, and the client ids that are connected."""
    clients = [] if engine is None else engine.hub.client_ids
    return {**tally.as_json(), "clients": clients, "faults": faults.as_json()}


def mute_open_sockets(engine: Engine) -> None:
    """A silence that is switched on also falls on the sockets that are open already."""
    if engine.world.faults.active(Fault.SILENT_WEBSOCKET):
        engine.hub.mute()


async def get_faults(request: web.Request) -> web.Response:
    return web.json_response(engine_of(request).world.faults.as_json())


async def post_faults(request: web.Request) -> web.Response:
    """Take a whole new set; `{}` clears all. An unknown name is 400 and changes nothing."""
    engine = engine_of(request)
    body = await json_body(request)
    if not isinstance(body, dict):
        return web.json_response({"error": "an object of faults is expected"}, status=400)
    try:
        engine.world.faults.replace(body)
    except UnknownFaultError as error:
        return web.json_response({"error": str(error)}, status=400)
    mute_open_sockets(engine)
    return web.json_response(engine.world.faults.as_json())


async def get_stats(request: web.Request) -> web.Response:
    engine = engine_of(request)
    return web.json_response(stats_of(engine.world.tally, engine.world.faults, engine))


async def post_forget(request: web.Request) -> web.Response:
    """Lose history and pending jobs at once, as a restart does."""
    engine_of(request).queue.forget()
    return web.Response()


ROUTES = [
    web.get("/simulator/faults", get_faults),
    web.post("/simulator/faults", post_faults),
    web.get("/simulator/stats", get_stats),
    web.post("/simulator/forget", post_forget),
]
