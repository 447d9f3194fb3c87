"""The live page for people: `/`, and its board, which the page reads again and again."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from backend.api.http.strict_json import StrictJsonRoute
from backend.api.pages.pages import Pages
from backend.api.v1.dependencies import LiveBoardDep

router = APIRouter(include_in_schema=False, route_class=StrictJsonRoute)


async def _pages(request: Request) -> Pages:
    pages: Pages = request.app.state.pages
    return pages


PagesDep = Annotated[Pages, Depends(_pages)]


@router.api_route("/", methods=["GET", "HEAD"])
async def live_page(request: Request, pages: PagesDep, board: LiveBoardDep) -> Response:
    """Without a key that it needs, it comes empty and asks for one."""
    if not getattr(request.state, "has_key", True):
        return await pages.shell()
    return await pages.whole(await board.look(), origin=str(request.base_url))


@router.get("/live/board")
async def live_board(request: Request, pages: PagesDep, board: LiveBoardDep) -> Response:
    """Servers, queue and failures as a piece of HTML."""
    return await pages.part(await board.look(), origin=str(request.base_url))
