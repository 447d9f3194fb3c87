"""Exports as downloads, and what may be asked of them."""

import asyncio
import re
from contextlib import aclosing
from typing import Annotated, Literal, NamedTuple
from urllib.parse import quote

from fastapi import Depends, Header, Query, Response
from pydantic import BeforeValidator
from starlette.responses import FileResponse, StreamingResponse
from starlette.types import Receive, Scope, Send

from backend.api.http.uploads import RangedFile
from backend.models.exports.animatic import Height
from backend.services.exports.animatic_service import AnimaticFile
from backend.services.exports.bundle import Bundle
from backend.services.exports.export_files import ExportFile
from backend.services.exports.film import ExportOptions
from backend.services.exports.storyboard.page_form import Orientation, PageForm, PanelsAPage, Paper
from backend.services.exports.storyboard_export import StoryboardFile
from backend.services.exports.timeline_media import ShortVideo
from backend.utils.media_links import media_links

#: An entity tag of RFC 9110; `W/` in front does not matter to If-None-Match.
_TAG = re.compile(r'(?:W/)?("[\x21\x23-\x7e\x80-\xff]*")')
#: RFC 8187's attr-char, beside letters and digits.
_ATTRIBUTE_CHARS = "!#$&+-.^_`|~"


class ExportQuery(NamedTuple):
    """What a request asks of an export, and which copy it has already."""

    options: ExportOptions
    if_none_match: str | None


async def _query(
    include_alternates: Annotated[
        bool, Query(description="Put alternates behind the main line too.")
    ] = False,
    media: Annotated[
        Literal["selected", "placeholder"],
        Query(description="What stands for a clip without a take: a gap, or a placeholder."),
    ] = "selected",
    media_root: Annotated[
        str | None,
        Query(
            min_length=1,
            max_length=1000,
            description="The absolute folder of the media on the editor's machine; left out: a"
            " folder `media` beside the file.",
            examples=["/Volumes/Films/night_drive/media"],
        ),
    ] = None,
    unique_reels: Annotated[
        bool, Query(description="EDL: a reel for each file, as Resolve and Avid want it.")
    ] = False,
) -> ExportOptions:
    return ExportOptions(
        include_alternates=include_alternates,
        media_mode=media,
        media_root=media_root,
        unique_reels=unique_reels,
        link=media_links.get().address,
    )


ExportOptionsDep = Annotated[ExportOptions, Depends(_query)]
IfNoneMatch = Annotated[
    str | None, Header(description="ETags of copies at hand: 304 if one is still right.")
]


async def _export_query(
    options: ExportOptionsDep, if_none_match: IfNoneMatch = None
) -> ExportQuery:
    return ExportQuery(options, if_none_match)


ExportQueryDep = Annotated[ExportQuery, Depends(_export_query)]
ShortVideos = Annotated[
    ShortVideo,
    Query(description="What follows a video that ends before its clip: a gap, or its last frame."),
]


def _number(given: object) -> object:
    """Queries are text, and a choice among numbers takes none by itself."""
    return int(given) if isinstance(given, str) and given.isdecimal() else given


Heights = Annotated[
    Height,
    BeforeValidator(_number),
    Query(description="Pixels; the width follows the film's shape."),
]


async def _form(
    panels: Annotated[PanelsAPage, Query(description="Panels on a page.")] = PanelsAPage.SIX,
    paper: Annotated[Paper, Query(description="The sheet.")] = "a4",
    orientation: Annotated[Orientation, Query(description="How the sheet lies.")] = "portrait",
) -> PageForm:
    return PageForm(panels, paper, orientation)


async def _board_options(
    include_alternates: Annotated[
        bool, Query(description="Put alternates behind the main line too.")
    ] = False,
) -> ExportOptions:
    return ExportOptions(include_alternates=include_alternates)


PageFormDep = Annotated[PageForm, Depends(_form)]
BoardOptionsDep = Annotated[ExportOptions, Depends(_board_options)]


class _StreamedZip(StreamingResponse):
    """Ends its source with itself: a client that goes away stops the work behind it."""

    async def stream_response(self, send: Send) -> None:
        async with aclosing(self.body_iterator):  # type: ignore[type-var]
            await super().stream_response(send)


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


def download(file: ExportFile, query: ExportQuery) -> Response:
    """Send the file as an attachment, or 304 when the client has it."""
    if has_copy(query.if_none_match, file.etag):
        return _not_changed(file.etag)
    headers = _attachment(file.etag, file.filename, file.title)
    return Response(file.body, media_type=file.media_type, headers=headers)


def download_bundle(bundle: Bundle, if_none_match: str | None) -> Response:
    """Send the zip while it is written. Its ETag is weak: the bytes may differ, the film not."""
    etag = f"W/{bundle.etag}"
    if has_copy(if_none_match, bundle.etag):
        return _not_changed(etag)
    headers = _attachment(etag, bundle.filename, bundle.title)
    return _StreamedZip(bundle.pieces(), media_type="application/zip", headers=headers)


def download_animatic(file: AnimaticFile, if_none_match: str | None) -> Response:
    """Send the video, or the part of it that Range names."""
    if has_copy(if_none_match, file.etag):
        return _not_changed(file.etag)
    headers = _attachment(file.etag, file.filename, file.title)
    return RangedFile(file.path, media_type="video/mp4", headers=headers)


async def download_storyboard(file: StoryboardFile, if_none_match: str | None) -> Response:
    """Send the file, and remove it whether it was sent or not."""
    if has_copy(if_none_match, file.etag):
        await asyncio.to_thread(file.discard)
        return _not_changed(file.etag)
    return _PassingFile(file, _attachment(file.etag, file.filename, file.title))


def _not_changed(etag: str) -> Response:
    return Response(status_code=304, headers=_copy_headers(etag))


def _copy_headers(etag: str) -> dict[str, str]:
    return {"ETag": etag, "Cache-Control": "private, no-cache"}


def _attachment(etag: str, filename: str, title: str) -> dict[str, str]:
    return {
        **_copy_headers(etag),
        "Content-Disposition": _disposition(filename, title),
        "X-Content-Type-Options": "nosniff",
    }


def _disposition(filename: str, title: str) -> str:
    """RFC 6266: an ASCII name for everyone, and the title in UTF-8 for those who read it."""
    encoded = quote(title.encode(), safe=_ATTRIBUTE_CHARS)
    return f"attachment; filename=\"{filename}\"; filename*=UTF-8''{encoded}"


def has_copy(given: str | None, etag: str) -> bool:
    """If-None-Match of RFC 9110: `*`, or a list of tags compared weakly."""
    if given is None:
        return False
    return given.strip() == "*" or etag in _TAG.findall(given)
