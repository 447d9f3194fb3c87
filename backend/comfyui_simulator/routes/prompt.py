"""POST and GET /prompt, /queue, /interrupt, /history, /free."""

import asyncio
import json
import uuid
from typing import Any

from aiohttp import web

from backend.comfyui_simulator.engine import Engine, engine_of
from backend.comfyui_simulator.errors import InternalError
from backend.comfyui_simulator.faults import Fault
from backend.comfyui_simulator.prompt_queue import QueuedPrompt
from backend.comfyui_simulator.responses import json_body
from backend.comfyui_simulator.validation import problem, validate

REJECTION = {
    "error": problem("prompt_outputs_failed_validation", "Prompt outputs failed validation", ""),
    "node_errors": {},
}


async def post_prompt(request: web.Request) -> web.StreamResponse:
    engine = engine_of(request)
    faults = engine.world.faults
    body = await json_body(request)
    if faults.take(Fault.PROMPT_500):
        raise InternalError("fault")
    if rejection := faults.take(Fault.REJECT):
        engine.world.tally.rejected += 1
        return web.json_response(rejection.value or REJECTION, status=400)
    answer, status = accept(engine, body)
    if status != web.HTTPOk.status_code:
        engine.world.tally.rejected += 1
        return web.json_response(answer, status=status)
    if delay := faults.take(Fault.DELAYED_ANSWER):
        await asyncio.sleep(float(delay.value))
    if faults.take(Fault.DROPPED_ANSWER) and request.transport is not None:
        request.transport.abort()
    return web.json_response(answer)


def accept(engine: Engine, body: Any) -> tuple[dict[str, Any], int]:
    """Check and queue one prompt; the answer and its status."""
    if not isinstance(body, dict | list | str):
        raise InternalError("argument is not iterable")
    number = engine.queue.number(body)
    if not isinstance(body, dict) or "prompt" not in body:
        error = problem("no_prompt", "No prompt provided", "No prompt provided")
        return {"error": error, "node_errors": {}}, 400
    world = engine.world
    verdict = validate(
        body["prompt"],
        world.nodes,
        file_exists=world.folders.exists,
        only=body.get("partial_execution_targets"),
    )
    if verdict.error is not None:
        return {"error": verdict.error, "node_errors": verdict.node_errors}, 400
    prompt_id = str(body.get("prompt_id", uuid.uuid4()))
    item = QueuedPrompt(number, prompt_id, body["prompt"], extra_data(body), verdict.outputs)
    world.tally.accepted += 1
    engine.worker.wake()
    engine.queue.put(item)
    return {"prompt_id": prompt_id, "number": number, "node_errors": verdict.node_errors}, 200


def extra_data(body: dict[str, Any]) -> dict[str, Any]:
    """extra_data as it came, with the client_id in it."""
    found = dict(body.get("extra_data") or {})
    return found | ({"client_id": body["client_id"]} if "client_id" in body else {})


async def get_prompt(request: web.Request) -> web.Response:
    return web.json_response(engine_of(request).hub.queue_info())


async def get_queue(request: web.Request) -> web.Response:
    return web.json_response(engine_of(request).queue.as_json())


async def post_queue(request: web.Request) -> web.Response:
    queue = engine_of(request).queue
    body = await json_body(request)
    if body.get("clear"):
        queue.wipe()
    for prompt_id in body.get("delete", ()):
        queue.delete(prompt_id)
    return web.Response()


async def post_interrupt(request: web.Request) -> web.Response:
    try:
        body = json.loads(await request.text())
    except ValueError:
        body = {}
    prompt_id = body.get("prompt_id") if isinstance(body, dict) else None
    engine_of(request).worker.interrupt(prompt_id or None)
    return web.Response()


async def post_free(request: web.Request) -> web.Response:
    body = await json_body(request)
    engine_of(request).worker.free(
        unload_models=bool(body.get("unload_models")), free_memory=bool(body.get("free_memory"))
    )
    return web.Response()


def check_history_fault(engine: Engine) -> None:
    if engine.world.faults.take(Fault.HISTORY_500):
        raise InternalError("fault")


async def get_history(request: web.Request) -> web.Response:
    engine = engine_of(request)
    check_history_fault(engine)
    try:
        most = request.query.get("max_items")
        max_items = None if most is None else int(most)
        offset = int(request.query.get("offset", -1))
    except ValueError as error:
        raise InternalError(str(error)) from error
    return web.json_response(engine.queue.history_page(max_items, offset))


async def get_history_entry(request: web.Request) -> web.Response:
    """Answer {} for what is unknown, pending or running: never 404."""
    engine = engine_of(request)
    check_history_fault(engine)
    prompt_id = request.match_info["prompt_id"]
    entry = engine.queue.history.get(prompt_id)
    return web.json_response({} if entry is None else {prompt_id: entry})


async def post_history(request: web.Request) -> web.Response:
    history = engine_of(request).queue.history
    body = await json_body(request)
    if body.get("clear"):
        history.clear()
    for prompt_id in body.get("delete", ()):
        history.pop(prompt_id, None)
    return web.Response()


ROUTES = [
    web.post("/prompt", post_prompt),
    web.get("/prompt", get_prompt),
    web.get("/queue", get_queue),
    web.post("/queue", post_queue),
    web.post("/interrupt", post_interrupt),
    web.post("/free", post_free),
    web.get("/history", get_history),
    web.get("/history/{prompt_id}", get_history_entry),
    web.post("/history", post_history),
]
