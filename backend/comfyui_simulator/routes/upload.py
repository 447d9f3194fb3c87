"""POST /upload/image and /upload/mask."""

import io
import json
import os.path
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiohttp import web
from PIL import Image

from backend.comfyui_simulator.engine import engine_of
from backend.comfyui_simulator.errors import InternalError
from backend.comfyui_simulator.folders import Folders


@dataclass(frozen=True)
class Upload:
    """Where an upload goes; `subfolder` and `kind` come back in the answer."""

    path: Path
    subfolder: str
    kind: str
    overwrite: bool
    body: bytes

    def store(self) -> web.Response:
        path = self.path if self.overwrite else free_place(self.path, self.body)
        path.write_bytes(self.body)
        answer = {"name": path.name, "subfolder": self.subfolder, "type": self.kind}
        return web.json_response(answer)


def read_form(form: Mapping[str, Any], folders: Folders) -> Upload | int:
    """Read the form, or say the status that refuses it. InternalError where the server fails."""
    image = form.get("image")
    kind = str(form.get("type", "input"))
    folder = folders.by_type(kind)
    if folder is None:
        raise InternalError("no such folder type")
    if not isinstance(image, web.FileField) or not image.filename:
        return 400
    subfolder = str(form.get("subfolder", ""))
    home = Path(os.path.normpath(folder / subfolder))
    if not Path(os.path.normpath(home / image.filename)).is_relative_to(folder):
        return 500 if image.filename.startswith("/") else 400
    if "/" in image.filename:
        raise InternalError("no such folder")
    home.mkdir(parents=True, exist_ok=True)
    overwrite = form.get("overwrite") in {"true", "1"}
    return Upload(home / image.filename, subfolder, kind, overwrite, image.file.read())


def free_place(path: Path, body: bytes) -> Path:
    """The path itself, or `name (1).png` …; same bytes under a name: that name again."""
    place, counter = path, 0
    while place.exists() and place.read_bytes() != body:
        counter += 1
        place = path.with_name(f"{path.stem} ({counter}){path.suffix}")
    return place


async def post_image(request: web.Request) -> web.Response:
    form = await request.post()
    upload = read_form(form, engine_of(request).world.folders)
    if isinstance(upload, int):
        return web.Response(status=upload)
    return upload.store()


async def post_mask(request: web.Request) -> web.Response:
    """Store the original picture with the mask's alpha. Original missing: 200, nothing written."""
    form = await request.post()
    folders = engine_of(request).world.folders
    upload = read_form(form, folders)
    if isinstance(upload, int):
        return web.Response(status=upload)
    original = find_original(str(form.get("original_ref", "")), folders)
    if original is None:
        name = {"name": upload.path.name, "subfolder": upload.subfolder, "type": upload.kind}
        return web.json_response(name)
    try:
        body = masked(original, upload.body)
    except OSError as error:
        raise InternalError(str(error)) from error
    masked_upload = Upload(upload.path, upload.subfolder, upload.kind, upload.overwrite, body)
    return masked_upload.store()


def find_original(text: str, folders: Folders) -> Path | None:
    try:
        reference = json.loads(text)
        name = str(reference["filename"])
    except (ValueError, KeyError, TypeError) as error:
        raise InternalError(str(error)) from error
    folder = folders.by_type(str(reference.get("type", "output")))
    if folder is None or ".." in name or name.startswith("/"):
        raise InternalError("no such place")
    path = (folder / str(reference.get("subfolder", "")) / name).resolve()
    return path if path.is_file() and folders.owns(path) else None


def masked(original: Path, mask: bytes) -> bytes:
    with Image.open(original) as picture, Image.open(io.BytesIO(mask)) as drawn:
        result = picture.convert("RGBA")
        result.putalpha(drawn.convert("RGBA").getchannel("A").resize(result.size))
    buffer = io.BytesIO()
    result.save(buffer, "PNG", compress_level=4)
    return buffer.getvalue()


ROUTES = [web.post("/upload/image", post_image), web.post("/upload/mask", post_mask)]
