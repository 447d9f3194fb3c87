"""An export as a download, and what may be asked of it: shared by both export routers."""

import re
from typing import Annotated, Literal, NamedTuple
from urllib.parse import quote

from fastapi import Depends, Header, Query, Response

from backend.services.exports.export_files import ExportFile
from backend.services.exports.film import ExportOptions
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


def download(file: ExportFile, query: ExportQuery) -> Response:
    """The file as an attachment, or 304 when the client has it."""
    headers = {"ETag": file.etag, "Cache-Control": "private, no-cache"}
    if has_copy(query.if_none_match, file.etag):
        return Response(status_code=304, headers=headers)
    headers["Content-Disposition"] = disposition(file.filename, file.title)
    headers["X-Content-Type-Options"] = "nosniff"
    return Response(file.body, media_type=file.media_type, headers=headers)


def disposition(filename: str, title: str) -> str:
    """RFC 6266: an ASCII name for everyone, and the title in UTF-8 for those who read it."""
    encoded = quote(title.encode(), safe=_ATTRIBUTE_CHARS)
    return f"attachment; filename=\"{filename}\"; filename*=UTF-8''{encoded}"


def has_copy(given: str | None, etag: str) -> bool:
    """If-None-Match of RFC 9110: `*`, or a list of tags compared weakly."""
    if given is None:
        return False
    return given.strip() == "*" or etag in _TAG.findall(given)
