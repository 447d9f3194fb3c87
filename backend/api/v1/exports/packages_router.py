"""What is made of the film and its media (3), beyond the 65: a package, and a film to watch."""

from contextlib import aclosing
from typing import Annotated, Any

from fastapi import Query, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BeforeValidator
from starlette.responses import StreamingResponse
from starlette.types import Send

from backend.api.http.uploads import RangedFile
from backend.api.http.versioned_router import versioned_router
from backend.api.streams.downloads import ExportQueryDep, IfNoneMatch, disposition, has_copy
from backend.api.v1.dependencies import AnimaticServiceDep, BundleServiceDep, Id
from backend.dtos.exports.animatic_dto import AnimaticDTO, animatic_dto
from backend.dtos.shared.common_dto import DeletedDTO, ErrorDTO
from backend.models.exports.animatic import AnimaticOptions, AnimaticRender, BurnIn, Height
from backend.services.exports.animatic_service import AnimaticFile
from backend.services.exports.bundle import Bundle
from backend.services.exports.timeline_media import MediaMode, ShortVideo

router = versioned_router("/projects", tags=["Exports"])

#: Seconds after which those who ask for an animatic that is not finished should ask again.
_RETRY_AFTER = "2"
_ANSWERS: dict[int | str, dict[str, Any]] = {
    304: {"description": "The copy named in If-None-Match is still right."},
    404: {"model": ErrorDTO, "description": "No such project."},
}
_REFUSED = "EXPORT_REFUSED: the film has a rate that no editor knows."

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


class _Stream(StreamingResponse):
    """Ends its source with itself: a client that goes away stops the work behind it."""

    async def stream_response(self, send: Send) -> None:
        async with aclosing(self.body_iterator):  # type: ignore[type-var]
            await super().stream_response(send)


@router.get(
    "/{project_id}/export/bundle.zip",
    response_class=Response,
    summary="Download the film with its media, for any editor",
    responses={
        **_ANSWERS,
        200: {
            "description": "A zip that is written while it is sent: its length is not known.",
            "content": {"application/zip": {}},
        },
        400: {"model": ErrorDTO, "description": "INVALID_MEDIA_ROOT: it is no absolute path."},
        409: {"model": ErrorDTO, "description": _REFUSED},
    },
)
async def export_bundle(
    project_id: Id,
    bundles: BundleServiceDep,
    query: ExportQueryDep,
    short_video: ShortVideos = "gap",
) -> Response:
    """Timelines of every format, the media they name, and a README.txt on what to open where.

    Videos are converted to the timeline's rate, which takes its time at the first download.
    Media that are broken or gone are left out, or become cards, as `media` says.
    """
    bundle = await bundles.open(project_id, query.options, short_video=short_video)
    headers = {"ETag": f"W/{bundle.etag}", "Cache-Control": "private, no-cache"}
    if has_copy(query.if_none_match, bundle.etag):
        return Response(status_code=304, headers=headers)
    return _sent(bundle, headers)


def _sent(bundle: Bundle, headers: dict[str, str]) -> Response:
    headers["Content-Disposition"] = disposition(bundle.filename, bundle.title)
    headers["X-Content-Type-Options"] = "nosniff"
    return _Stream(bundle.pieces(), media_type="application/zip", headers=headers)


@router.get(
    "/{project_id}/export/animatic.mp4",
    response_class=Response,
    summary="Download the film as a video to watch",
    responses={
        **_ANSWERS,
        200: {
            "description": "H.264 and AAC, at the project's rate, as long as its timeline.",
            "content": {"video/mp4": {}},
        },
        202: {"model": AnimaticDTO, "description": "It is being rendered: ask again."},
        206: {"description": "The part that Range names."},
        400: {"model": ErrorDTO, "description": "The Range header can't be understood."},
        409: {"model": ErrorDTO, "description": _REFUSED},
        416: {"model": ErrorDTO, "description": "The file has nothing in that range."},
        503: {"model": ErrorDTO, "description": "ANIMATIC_FAILED: it could not be rendered."},
    },
)
async def export_animatic(  # noqa: PLR0913 - all that it may look like
    project_id: Id,
    request: Request,
    animatics: AnimaticServiceDep,
    if_none_match: IfNoneMatch = None,
    height: Heights = 720,
    burn_in: Annotated[
        str | None,
        Query(
            pattern=r"^(timecode|name)(,(timecode|name))?$",
            description="What to write into the picture: timecode, name, or both with a comma.",
            examples=["timecode,name"],
        ),
    ] = None,
    include_alternates: Annotated[
        bool, Query(description="Put alternates behind the main line too.")
    ] = False,
    media: Annotated[
        MediaMode,
        Query(description="What stands for a clip without a take: black, or a card with its name."),
    ] = "selected",
    short_video: ShortVideos = "gap",
    wait: Annotated[bool, Query(description="Wait for it, up to GENERATE_WAIT_SECONDS.")] = False,
) -> Response:
    """Stills held, videos played, gaps black, with the music; letterboxed into the film's shape.

    It is rendered in the background, one at a time, and kept until the film changes. Until then
    the answer is 202; events of the topic `export` tell how far it is.
    """
    options = AnimaticOptions(
        height=height,
        burn_in=_burn_in(burn_in),
        include_alternates=include_alternates,
        media_mode=media,
        short_video=short_video,
    )
    found = await animatics.get(project_id, options, wait=wait)
    if isinstance(found, AnimaticRender):
        return _under_way(found, request)
    return _file(found, if_none_match)


@router.delete(
    "/{project_id}/export/animatic.mp4",
    summary="Cancel the rendering of a project's animatics",
    responses={404: _ANSWERS[404]},
)
async def cancel_animatic(project_id: Id, animatics: AnimaticServiceDep) -> DeletedDTO:
    """Of all heights and kinds. What is rendered already stays."""
    ended = await animatics.cancel(project_id)
    return DeletedDTO(message=f"{ended} renderings were cancelled.", deleted=ended)


def _burn_in(words: str | None) -> tuple[BurnIn, ...]:
    kinds: tuple[BurnIn, ...] = ("timecode", "name")
    given = (words or "").split(",")
    return tuple(kind for kind in kinds if kind in given)


def _under_way(render: AnimaticRender, request: Request) -> Response:
    query = f"?{request.url.query}" if request.url.query else ""
    body = animatic_dto(render, f"{request.url.path}{query}").model_dump(mode="json")
    headers = {"Retry-After": _RETRY_AFTER, "Cache-Control": "no-store"}
    return JSONResponse(body, status_code=202, headers=headers)


def _file(file: AnimaticFile, if_none_match: str | None) -> Response:
    headers = {"ETag": file.etag, "Cache-Control": "private, no-cache"}
    if has_copy(if_none_match, file.etag):
        return Response(status_code=304, headers=headers)
    headers["Content-Disposition"] = disposition(file.filename, file.title)
    headers["X-Content-Type-Options"] = "nosniff"
    return RangedFile(file.path, media_type="video/mp4", headers=headers)
