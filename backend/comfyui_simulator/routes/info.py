"""What the server says about itself: nodes, models, features, memory. And /ws."""

import asyncio
import os
import platform
import sys
from pathlib import Path

from aiohttp import web

from backend.comfyui_simulator.engine import engine_of
from backend.comfyui_simulator.faults import Fault
from backend.comfyui_simulator.nodes import folders
from backend.comfyui_simulator.sockets import FEATURES

COMFYUI_VERSION = "0.3.64"
GIB = 1024**3
PAGE = """<!doctype html><meta charset="utf-8"><title>ComfyUI simulator</title>
<h1>StoryCanvas ComfyUI simulator</h1>
<p>It speaks the protocol of ComfyUI {version} and renders labelled placeholders.
See <a href="/simulator/stats">/simulator/stats</a> and
<a href="/simulator/faults">/simulator/faults</a>.</p>"""


async def get_index(_: web.Request) -> web.Response:
    return web.Response(text=PAGE.format(version=COMFYUI_VERSION), content_type="text/html")


async def get_ws(request: web.Request) -> web.WebSocketResponse:
    return await engine_of(request).hub.serve(request)


async def get_object_info(request: web.Request) -> web.Response:
    world = engine_of(request).world
    if slow := world.faults.take(Fault.SLOW_CATALOG):
        await asyncio.sleep(float(slow.value))
    if world.faults.take(Fault.CATALOG_500):
        return web.Response(status=500)
    return web.json_response(world.nodes.with_files(world.folders.input_files()))


async def get_node_info(request: web.Request) -> web.Response:
    """An unknown class is {} with 200."""
    world = engine_of(request).world
    class_type = request.match_info["class_type"]
    info = world.nodes.with_files(world.folders.input_files())
    return web.json_response({class_type: info[class_type]} if class_type in info else {})


async def get_models(request: web.Request) -> web.Response:
    return web.json_response(list(folders(engine_of(request).world.nodes.models)))


async def get_model_folder(request: web.Request) -> web.Response:
    found = folders(engine_of(request).world.nodes.models).get(request.match_info["folder"])
    return web.Response(status=404) if found is None else web.json_response(list(found))


async def get_embeddings(request: web.Request) -> web.Response:
    names = engine_of(request).world.nodes.models.get("embeddings", ())
    return web.json_response([Path(name).stem for name in names])


async def get_features(_: web.Request) -> web.Response:
    return web.json_response(FEATURES)


async def get_system_stats(request: web.Request) -> web.Response:
    vram = int(engine_of(request).world.options.vram_gb * GIB)
    system = {
        "os": os.name,
        "ram_total": 32 * GIB,
        "ram_free": 24 * GIB,
        "comfyui_version": COMFYUI_VERSION,
        "python_version": sys.version,
        "pytorch_version": "none (simulator)",
        "embedded_python": False,
        "argv": ["comfyui_simulator"],
        "simulator": True,
        "platform": platform.system(),
    }
    device = {
        "name": "StoryCanvas simulator",
        "type": "cpu",
        "index": None,
        "vram_total": vram,
        "vram_free": vram,
        "torch_vram_total": vram,
        "torch_vram_free": vram,
    }
    return web.json_response({"system": system, "devices": [device]})


async def get_metadata(request: web.Request) -> web.Response:
    """Give LoRAs a safetensors header that says they are simulated; other files have none."""
    folder, name = request.match_info["folder"], request.query.get("filename", "")
    known = name in engine_of(request).world.nodes.models.get(folder, ())
    if folder != "loras" or not known:
        return web.Response(status=404)
    return web.json_response({"ss_output_name": Path(name).stem, "simulated": "true"})


ROUTES = [
    web.get("/", get_index),
    web.get("/ws", get_ws),
    web.get("/object_info", get_object_info),
    web.get("/object_info/{class_type}", get_node_info),
    web.get("/models", get_models),
    web.get("/models/{folder}", get_model_folder),
    web.get("/embeddings", get_embeddings),
    web.get("/features", get_features),
    web.get("/system_stats", get_system_stats),
    web.get("/view_metadata/{folder}", get_metadata),
]
