"""Exports under v1 (2), beyond the 65: the very bytes of the legacy routes, and more formats."""

from typing import Annotated, Any

from fastapi import Path, Query, Response

from backend.api.http.versioned_router import versioned_router
from backend.api.streams.downloads import ExportOptionsDep, ExportQueryDep, download
from backend.api.v1.dependencies import ExportServiceDep, Id
from backend.dtos.exports.preflight_dto import PreflightDTO
from backend.dtos.shared.common_dto import ErrorDTO
from backend.models.exports.preflight import Preflight
from backend.services.exports.film import ExportFormat

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

router = versioned_router("/projects", tags=["Exports"])


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
