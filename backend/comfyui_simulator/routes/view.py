"""GET /view: safety rules, ranges, re-encoding, and the download faults."""

import asyncio
import mimetypes
from pathlib import Path

from aiohttp import hdrs, web

from backend.comfyui_simulator import media
from backend.comfyui_simulator.engine import Engine, engine_of
from backend.comfyui_simulator.errors import InternalError
from backend.comfyui_simulator.faults import Fault
from backend.comfyui_simulator.folders import Folders

#: Never served under their own type, so that no browser runs them.
ACTIVE_TYPES = {"text/html", "text/html-sandboxed", "application/xhtml+xml"} | {
    "text/javascript",
    "application/javascript",
    "text/css",
}
BINARY = "application/octet-stream"


async def get_view(request: web.Request) -> web.StreamResponse:
    engine = engine_of(request)
    found = locate(request, engine.world.folders)
    if isinstance(found, int):
        return web.Response(status=found)
    if "preview" in request.query or request.query.get("channel") in {"rgb", "a"}:
        return await reencoded(request, found)
    if has_download_fault(engine):
        return await faulty(request, engine, found)
    return web.FileResponse(found, headers=headers_of(found))


def locate(request: web.Request, folders: Folders) -> Path | int:
    """Find the file, or say the status that refuses it."""
    if "filename" not in request.query:
        return 404
    filename, folder = folders.annotated(request.query["filename"])
    if not filename or filename.startswith("/") or ".." in filename:
        return 400
    folder = folder or folders.by_type(request.query.get("type", "output"))
    if folder is None:
        return 400
    home = (folder / request.query.get("subfolder", "")).resolve()
    if not home.is_relative_to(folder):
        return 403
    path = home / filename.rpartition("/")[2]
    return path if path.is_file() else 404


def headers_of(path: Path) -> dict[str, str]:
    kind = mimetypes.guess_type(path.name)[0] or BINARY
    if kind in ACTIVE_TYPES:
        kind = BINARY
    return {hdrs.CONTENT_DISPOSITION: f'filename="{path.name}"', hdrs.CONTENT_TYPE: kind}


async def reencoded(request: web.Request, path: Path) -> web.Response:
    channel = request.query.get("channel", "")
    try:
        if "preview" in request.query:
            preview = request.query["preview"]
            body, kind = await asyncio.to_thread(media.reencoded, path, preview, channel)
        else:
            body, kind = await asyncio.to_thread(media.one_channel, path, channel), "image/png"
    except OSError as error:
        raise InternalError(str(error)) from error
    disposition = f'filename="{path.name}"'
    return web.Response(
        body=body, content_type=kind, headers={hdrs.CONTENT_DISPOSITION: disposition}
    )


DOWNLOAD_FAULTS = (
    Fault.WRONG_CONTENT_TYPE,
    Fault.GARBAGE_DOWNLOAD,
    Fault.SLOW_DOWNLOAD,
    Fault.TRUNCATED_DOWNLOAD,
)


def has_download_fault(engine: Engine) -> bool:
    return any(engine.world.faults.active(fault) for fault in DOWNLOAD_FAULTS)


async def faulty(request: web.Request, engine: Engine, path: Path) -> web.StreamResponse:
    """The file as the active faults have it; several may act at once."""
    faults = engine.world.faults
    headers = headers_of(path)
    body = await asyncio.to_thread(path.read_bytes)
    if wrong := faults.take(Fault.WRONG_CONTENT_TYPE):
        headers[hdrs.CONTENT_TYPE] = str(wrong.value)
    if faults.take(Fault.GARBAGE_DOWNLOAD):
        body = b"garbage " * (len(body) // 8) + b"g" * (len(body) % 8)
    slow = faults.take(Fault.SLOW_DOWNLOAD)
    truncated = faults.take(Fault.TRUNCATED_DOWNLOAD)
    response = web.StreamResponse(headers=headers)
    response.content_length = len(body)
    await response.prepare(request)
    sent = body if truncated is None else body[: int(len(body) * float(truncated.value))]
    await write(response, sent, None if slow is None else float(slow.value))
    if truncated is not None and request.transport is not None:
        # close() sends what is buffered first: the client sees a part, then the end.
        request.transport.close()
    return response


async def write(response: web.StreamResponse, body: bytes, bytes_per_second: float | None) -> None:
    """Ten pieces a second, so that even a slow download keeps trickling."""
    size = len(body) if bytes_per_second is None else max(1, int(bytes_per_second / 10))
    for start in range(0, len(body), max(1, size)):
        await response.write(body[start : start + size])
        if bytes_per_second is not None:
            await asyncio.sleep(0.1)


ROUTES = [web.get("/view", get_view)]
