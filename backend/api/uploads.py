"""Media under /uploads: Range and ETag by Starlette; no sniffing, no listing, no hidden files."""

from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

#: Files are named by ids that are never used twice, so a copy stays right for ever.
_FOREVER = "public, max-age=31536000, immutable"


class UploadedFiles(StaticFiles):
    def __init__(self, upload_dir: Path) -> None:
        super().__init__(directory=upload_dir, check_dir=False)

    async def get_response(self, path: str, scope: Scope) -> Response:
        if "\x00" in path or any(part.startswith(".") for part in Path(path).parts):
            raise HTTPException(404)
        response = await super().get_response(path, scope)
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Cache-Control"] = _FOREVER
        return response
