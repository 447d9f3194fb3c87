"""A built web client below /app/: its files, and its index for the addresses that it makes itself.

One address for client and API needs no setting in the client but its base. The files are public,
as any client's are: a browser has no key yet when it asks for them.
"""

import re
from os import PathLike
from pathlib import Path, PurePath

from fastapi import FastAPI, Request
from fastapi.responses import RedirectResponse
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import Scope

from backend.api.http.uploads import ServedFiles, is_hidden

#: Where the client is; it must have been built for that.
PREFIX = "/app"
INDEX = "index.html"
_FOREVER = "public, max-age=31536000, immutable"
#: Builders put a hash of the content into names: index-DiwrgTda.js, main.8f3a2b1c.chunk.css.
_HASHED = re.compile(
    r"-(?=[A-Za-z0-9_-]*[A-Z0-9])[A-Za-z0-9_-]{8}\.[A-Za-z0-9.]+$|\.[0-9a-f]{8,32}\.[A-Za-z0-9.]+$"
)
_ASSETS = frozenset({"assets", "static"})
#: Endings that are sure to mean a file, and what browsers want such a file to be called: they run
#: no script that comes as anything else, and a system's own table may say anything or nothing.
_TYPES = {
    ".html": "text/html",
    ".js": "text/javascript",
    ".mjs": "text/javascript",
    ".css": "text/css",
    ".json": "application/json",
    ".map": "application/json",
    ".webmanifest": "application/manifest+json",
    ".wasm": "application/wasm",
    ".txt": "text/plain",
    ".xml": "application/xml",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".gif": "image/gif",
    ".webp": "image/webp",
    ".avif": "image/avif",
    ".ico": "image/vnd.microsoft.icon",
    ".woff": "font/woff",
    ".woff2": "font/woff2",
    ".ttf": "font/ttf",
    ".otf": "font/otf",
    ".mp3": "audio/mpeg",
    ".mp4": "video/mp4",
    ".webm": "video/webm",
}


def install(app: FastAPI, folder: Path) -> None:
    """Have the app serve the client that lies in a folder."""
    app.add_api_route(PREFIX, _enter, methods=["GET", "HEAD"], include_in_schema=False)
    app.mount(PREFIX, WebClientFiles(folder))


async def _enter(request: Request) -> RedirectResponse:
    """Relative addresses in the client start at the slash."""
    query = f"?{request.url.query}" if request.url.query else ""
    return RedirectResponse(f"{request.scope.get('root_path', '')}{PREFIX}/{query}")


class WebClientFiles(ServedFiles):
    async def get_response(self, path: str, scope: Scope) -> Response:
        try:
            response = await super().get_response(path, scope)
        except HTTPException as error:
            if error.status_code == 401:  # a file that the server may not read
                raise HTTPException(404) from None
            if error.status_code != 404 or not _is_page(path, scope):
                raise
            path = INDEX
            response = await super().get_response(path, scope)
        response.headers["Cache-Control"] = _FOREVER if _never_changes(path) else "no-cache"
        return response

    def type_of(self, path: str | PathLike[str]) -> str | None:
        return _TYPES.get(PurePath(path).suffix.lower())


def _is_page(path: str, scope: Scope) -> bool:
    """Tell whether a path that names no file may be one of the client's own addresses."""
    if is_hidden(path):
        return False
    suffix = PurePath(path).suffix.lower()
    accepts_html = "text/html" in Headers(scope=scope).get("accept", "")
    return not suffix or (suffix not in _TYPES and accepts_html)


def _never_changes(path: str) -> bool:
    parts = PurePath(path).parts
    return len(parts) > 1 and parts[0] in _ASSETS and _HASHED.search(parts[-1]) is not None
