"""The live page as HTML: templates that escape everything, and files of its own."""

import asyncio
import re
from datetime import datetime
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from backend import __version__
from backend.api.http.addresses import STATIC
from backend.services.monitoring.live_board import QueueSnapshot
from backend.services.queue.scheduling.reasons import seconds

_HERE = Path(__file__).parent
#: Nothing but what this server serves, nothing inline, and in nobody's frame.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
_DAY = 86_400
#: A host that may stand in a command line that people copy.
_HOST = re.compile(r"https?://([A-Za-z0-9.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(:\d{1,5})?/?")


class Pages:
    """`keyed`: requests need a key, and the command lines of the page say so.

    `client` is the path of the web client, or "" when none is served.
    """

    def __init__(self, *, keyed: bool, client: str = "") -> None:
        self._keyed = keyed
        self._templates = Environment(
            loader=FileSystemLoader(_HERE / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.filters.update(
            length_of_time=length_of_time, cut=cut, millis=millis, moment=moment
        )
        self._templates.globals.update(version=__version__, static=STATIC, client=client)

    async def whole(self, board: QueueSnapshot | None, *, origin: str) -> Response:
        """The page with the board in it; None says that the database is away."""
        return await self._page("live.html", board, origin=origin)

    async def shell(self) -> Response:
        """A 401 for people: the page without anything that a key protects, which asks for it."""
        html = await asyncio.to_thread(self._render, "live.html", board=None, locked=True)
        return HTMLResponse(html, 401, headers={**_HEADERS, "WWW-Authenticate": "Bearer"})

    async def part(self, board: QueueSnapshot | None, *, origin: str) -> Response:
        """The board alone, which the page puts in place of the one it has."""
        return await self._page("board.html", board, origin=origin)

    async def _page(self, name: str, board: QueueSnapshot | None, *, origin: str) -> Response:
        shown = origin.rstrip("/") if _HOST.fullmatch(origin) else "http://127.0.0.1:8001"
        # Hundreds of rows take longer than others may wait for the event loop.
        html = await asyncio.to_thread(
            self._render, name, board=board, locked=False, origin=shown, keyed=self._keyed
        )
        if board is None:
            return HTMLResponse(html, 503, headers={**_HEADERS, "Retry-After": "3"})
        return HTMLResponse(html, headers=_HEADERS)

    def _render(self, name: str, **context: object) -> str:
        return self._templates.get_template(name).render(**context)


class PageFiles(StaticFiles):
    """The page's script, style and icon. Asked about each time, so that an update is seen."""

    def __init__(self) -> None:
        super().__init__(directory=_HERE / "static")

    async def get_response(self, path: str, scope: Scope) -> Response:
        if "\x00" in path:
            raise HTTPException(404)
        response = await super().get_response(path, scope)
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Cache-Control"] = "no-cache"
        return response


def length_of_time(value: float) -> str:
    """As people say it: '8 s', '3 min', '2.5 h', '4 days'. live.js says the same."""
    return seconds(value) if value < 2 * _DAY else f"{round(value / _DAY)} days"


def cut(text: str, length: int) -> str:
    """The beginning of a text that may be very long."""
    return text if len(text) <= length else f"{text[:length].rstrip()}…"


def millis(value: datetime) -> int:
    """POSIX milliseconds, as JavaScript counts."""
    return round(value.timestamp() * 1000)


def moment(value: datetime) -> str:
    return value.strftime("%Y-%m-%dT%H:%M:%SZ")
