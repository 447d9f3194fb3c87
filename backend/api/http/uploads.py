"""Folders of files: Range and ETag by Starlette; no sniffing, no listing, no hidden files."""

from os import PathLike, stat_result
from pathlib import Path

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.responses import FileResponse, Response
from starlette.staticfiles import NotModifiedResponse, StaticFiles
from starlette.types import Message, Receive, Scope, Send

#: Files are named by ids that are never used twice, so a copy stays right for ever.
_FOREVER = "max-age=31536000, immutable"
_REFUSALS = {
    400: "The Range header can't be understood.",
    416: "The file has nothing in that range.",
}


class RangedFile(FileResponse):
    """A file whose refusals of a Range have the body that every error has."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def checked(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] in _REFUSALS:
                status = message["status"]
                raise HTTPException(status, _REFUSALS[status], _content_range(message))
            await send(message)

        await super().__call__(scope, receive, checked)


def _content_range(message: Message) -> dict[str, str]:
    given = Headers(raw=message["headers"]).get("content-range")
    return {"Content-Range": given} if given else {}


class ServedFiles(StaticFiles):
    """What lies in a folder. Nothing hidden is served, and nothing that a link leads out to."""

    def __init__(self, folder: Path) -> None:
        super().__init__(directory=folder, check_dir=False)

    async def get_response(self, path: str, scope: Scope) -> Response:
        if is_hidden(path):
            raise HTTPException(404)
        response = await super().get_response(path, scope)
        response.headers["X-Content-Type-Options"] = "nosniff"
        return response

    def type_of(self, path: str | PathLike[str]) -> str | None:
        """Give the media type of a file; None leaves that to what the system knows."""
        return None

    def file_response(
        self,
        full_path: str | PathLike[str],
        stat_result: stat_result,
        scope: Scope,
        status_code: int = 200,
    ) -> Response:
        response = RangedFile(
            full_path,
            status_code=status_code,
            stat_result=stat_result,
            media_type=self.type_of(full_path),
        )
        if self.is_not_modified(response.headers, Headers(scope=scope)):
            return NotModifiedResponse(response.headers)
        return response


def is_hidden(path: str) -> bool:
    """Tell whether a path has a part that begins with a dot, `..` among them, or is no path."""
    return "\x00" in path or any(part.startswith(".") for part in Path(path).parts)


class UploadedFiles(ServedFiles):
    """Media under /uploads.

    `keyed`: keys are asked for, so a copy is for one client alone and in no shared cache.
    """

    def __init__(self, upload_dir: Path, *, keyed: bool) -> None:
        super().__init__(upload_dir)
        self._caching = f"{'private' if keyed else 'public'}, {_FOREVER}"

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        response.headers["Cache-Control"] = self._caching
        return response
