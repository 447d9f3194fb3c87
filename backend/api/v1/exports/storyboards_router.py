"""The storyboard on paper (2), beyond the 65."""

import asyncio
from typing import Annotated, Any

from fastapi import Depends, Query, Response
from starlette.responses import FileResponse
from starlette.types import Receive, Scope, Send

from backend.api.http.versioned_router import versioned_router
from backend.api.streams.downloads import IfNoneMatch, disposition, has_copy
from backend.api.v1.dependencies import Id, StoryboardServiceDep
from backend.dtos.shared.common_dto import ErrorDTO
from backend.services.exports.film import ExportOptions
from backend.services.exports.storyboard.page_form import Orientation, PageForm, PanelsAPage, Paper
from backend.services.exports.storyboard_export import StoryboardFile

router = versioned_router("/projects", tags=["Exports"])


def _answers(media_type: str) -> dict[int | str, dict[str, Any]]:
    return {
        200: {
            "description": "The file, as an attachment with an ETag of its content.",
            "content": {media_type: {}},
        },
        304: {"description": "The copy named in If-None-Match is still right."},
        404: {"model": ErrorDTO, "description": "No such project."},
        409: {
            "model": ErrorDTO,
            "description": "EXPORT_REFUSED: the project's rate is none, or there is no typesetter.",
        },
    }


async def _form(
    panels: Annotated[PanelsAPage, Query(description="Panels on a page.")] = PanelsAPage.SIX,
    paper: Annotated[Paper, Query(description="The sheet.")] = "a4",
    orientation: Annotated[Orientation, Query(description="How the sheet lies.")] = "portrait",
) -> PageForm:
    return PageForm(panels, paper, orientation)


async def _options(
    include_alternates: Annotated[
        bool, Query(description="Put alternates behind the main line too.")
    ] = False,
) -> ExportOptions:
    return ExportOptions(include_alternates=include_alternates)


PageFormDep = Annotated[PageForm, Depends(_form)]
BoardOptionsDep = Annotated[ExportOptions, Depends(_options)]


class _PassingFile(FileResponse):
    """Streams a file and removes it, also when the client hangs up on the way."""

    def __init__(self, file: StoryboardFile, headers: dict[str, str]) -> None:
        super().__init__(file.path, media_type=file.media_type, headers=headers)
        self._file = file

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            await asyncio.to_thread(self._file.discard)


@router.get(
    "/{project_id}/export/storyboard.pdf",
    response_class=Response,
    summary="Download the storyboard as PDF",
    responses=_answers("application/pdf"),
)
async def export_storyboard_pdf(
    project_id: Id,
    storyboards: StoryboardServiceDep,
    form: PageFormDep,
    options: BoardOptionsDep,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """A title page with the scenes, then the panels in story order, in any script.

    Each has its picture, scene, name, timecode, length, lyrics, prompt and notes; what does not
    fit its place ends in an ellipsis. A clip without a picture is a card with its name.
    """
    file = await storyboards.export(project_id, "pdf", form=form, options=options)
    return await _sent(file, if_none_match)


@router.get(
    "/{project_id}/export/storyboard.html",
    response_class=Response,
    summary="Download the storyboard as one HTML file",
    responses=_answers("text/html"),
)
async def export_storyboard_html(
    project_id: Id,
    storyboards: StoryboardServiceDep,
    form: PageFormDep,
    options: BoardOptionsDep,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """The same pages for a browser, pictures inside. It fetches nothing and prints well."""
    file = await storyboards.export(project_id, "html", form=form, options=options)
    return await _sent(file, if_none_match)


async def _sent(file: StoryboardFile, if_none_match: str | None) -> Response:
    headers = {"ETag": file.etag, "Cache-Control": "private, no-cache"}
    if has_copy(if_none_match, file.etag):
        await asyncio.to_thread(file.discard)
        return Response(status_code=304, headers=headers)
    headers["Content-Disposition"] = disposition(file.filename, file.title)
    headers["X-Content-Type-Options"] = "nosniff"
    return _PassingFile(file, headers)
