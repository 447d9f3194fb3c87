"""Exports: the film for editors and programs, on paper, as a package and as a video to watch.

The files that have a route of their own stand before `{format}`, which would take their addresses.
"""

from typing import Annotated, Any

from fastapi import Path, Query, Request, Response
from fastapi.responses import JSONResponse

from backend.api.http.versioned_router import versioned_router
from backend.api.streams.downloads import (
    BoardOptionsDep,
    ExportOptionsDep,
    ExportQueryDep,
    Heights,
    IfNoneMatch,
    PageFormDep,
    ShortVideos,
    download,
    download_animatic,
    download_bundle,
    download_storyboard,
)
from backend.api.v1.dependencies import (
    AnimaticServiceDep,
    BundleServiceDep,
    ExportServiceDep,
    Id,
    StoryboardServiceDep,
)
from backend.dtos.exports.animatic_dto import AnimaticDTO, animatic_dto
from backend.dtos.exports.preflight_dto import PreflightDTO
from backend.dtos.shared.common_dto import DeletedDTO, ErrorDTO
from backend.models.exports.animatic import AnimaticOptions, AnimaticRender, BurnIn
from backend.models.exports.preflight import Preflight
from backend.services.exports.film import ExportFormat
from backend.services.exports.timeline_media import MediaMode

Format = Annotated[ExportFormat, Path(description="Which editor or program it is for.")]
_MEDIA_TYPES = ("application/xml", "text/plain", "application/zip", "application/json", "text/csv")

#: What any export may answer; the legacy routes say the same.
EXPORT_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The file, as an attachment with an ETag of its content.",
        "content": {kind: {} for kind in _MEDIA_TYPES},
    },
    304: {"description": "The copy named in If-None-Match is still right."},
    400: {"model": ErrorDTO, "description": "INVALID_MEDIA_ROOT: it is no absolute path."},
    404: {"model": ErrorDTO, "description": "No such project."},
    409: {
        "model": ErrorDTO,
        "description": "EXPORT_REFUSED: the format can't carry this film; the preflight says why.",
    },
}
_ANSWERS: dict[int | str, dict[str, Any]] = {code: EXPORT_ANSWERS[code] for code in (304, 404)}
#: Seconds after which those who ask for an animatic that is not finished should ask again.
_RETRY_AFTER = "2"
_REFUSED = "EXPORT_REFUSED: the film has a rate that no editor knows."

router = versioned_router("/projects", tags=["Exports"])


def _board_answers(media_type: str) -> dict[int | str, dict[str, Any]]:
    return {
        200: {
            "description": "The file, as an attachment with an ETag of its content.",
            "content": {media_type: {}},
        },
        **_ANSWERS,
        409: {
            "model": ErrorDTO,
            "description": "EXPORT_REFUSED: the project's rate is none, or there is no typesetter.",
        },
    }


@router.get(
    "/{project_id}/export/storyboard.pdf",
    response_class=Response,
    summary="Download the storyboard as PDF",
    responses=_board_answers("application/pdf"),
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
    return await download_storyboard(file, if_none_match)


@router.get(
    "/{project_id}/export/storyboard.html",
    response_class=Response,
    summary="Download the storyboard as one HTML file",
    responses=_board_answers("text/html"),
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
    return await download_storyboard(file, if_none_match)


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
        400: EXPORT_ANSWERS[400],
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
    return download_bundle(bundle, query.if_none_match)


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
    return download_animatic(found, if_none_match)


@router.delete(
    "/{project_id}/export/animatic.mp4",
    summary="Cancel the rendering of a project's animatics",
    responses={404: EXPORT_ANSWERS[404]},
)
async def cancel_animatic(project_id: Id, animatics: AnimaticServiceDep) -> DeletedDTO:
    """Of all heights and kinds. What is rendered already stays."""
    ended = await animatics.cancel(project_id)
    return DeletedDTO(message=f"{ended} renderings were cancelled.", deleted=ended)


@router.get(
    "/{project_id}/export/preflight",
    response_model=PreflightDTO,
    summary="Tell what an export would leave out, change or refuse",
    responses={404: EXPORT_ANSWERS[404]},
)
async def preflight_export(
    project_id: Id,
    exports: ExportServiceDep,
    options: ExportOptionsDep,
    format: Annotated[  # noqa: A002 - the contract's name of it
        ExportFormat, Query(description="The format to look at it for.")
    ] = "fcpxml",
) -> Preflight:
    """Nothing is written. Each finding names its clips and says what to do."""
    return await exports.preflight(project_id, format, options)


@router.get(
    "/{project_id}/export/{format}",
    response_class=Response,
    summary="Download a project for an editor or a program",
    responses={
        **EXPORT_ANSWERS,
        422: {"description": "No such format; the error lists those there are."},
    },
)
async def export_project(
    project_id: Id,
    format: Format,  # noqa: A002 - the contract's name of it
    exports: ExportServiceDep,
    query: ExportQueryDep,
) -> Response:
    """fcpxml: Final Cut Pro. resolve: DaVinci Resolve. xmeml: Premiere Pro. edl and otio: many.

    json is complete and can be imported again, csv is the shot list. A clip without a take is a
    gap or a placeholder, as `media` says. A project without clips gives a valid file too.
    """
    return download(await exports.export(project_id, format, query.options), query)


def _burn_in(words: str | None) -> tuple[BurnIn, ...]:
    kinds: tuple[BurnIn, ...] = ("timecode", "name")
    given = (words or "").split(",")
    return tuple(kind for kind in kinds if kind in given)


def _under_way(render: AnimaticRender, request: Request) -> Response:
    query = f"?{request.url.query}" if request.url.query else ""
    body = animatic_dto(render, f"{request.url.path}{query}").model_dump(mode="json")
    headers = {"Retry-After": _RETRY_AFTER, "Cache-Control": "no-store"}
    return JSONResponse(body, status_code=202, headers=headers)
