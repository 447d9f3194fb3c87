"""Exports under v1 (1), beyond the 65: the very bytes of the legacy routes."""

from typing import Annotated

from fastapi import APIRouter, Path, Response

from backend.api.dependencies import ExportServiceDep, Id
from backend.api.downloads import ExportQueryDep, download
from backend.api.strict_json import StrictJsonRoute
from backend.services.export_service import ExportFormat

Format = Annotated[ExportFormat, Path(description="Which editor or program it is for.")]

router = APIRouter(prefix="/projects", tags=["Exports"], route_class=StrictJsonRoute)


@router.get(
    "/{project_id}/export/{format}",
    response_class=Response,
    summary="Download a project for an editor: as FCPXML, EDL, for Resolve, or as JSON",
    responses={
        200: {
            "description": "The file, as an attachment.",
            "content": {
                kind: {}
                for kind in ("application/xml", "text/plain", "application/zip", "application/json")
            },
        },
        404: {"description": "No such project."},
        422: {"description": "No such format; the error lists those there are."},
    },
)
async def export_project(
    project_id: Id,
    format: Format,  # noqa: A002 - the contract's name of it
    exports: ExportServiceDep,
    query: ExportQueryDep,
) -> Response:
    """A clip without a take is a gap or a placeholder, as `media` says.

    A project without clips gives a valid file too.
    """
    return download(await exports.export(project_id, format, **query._asdict()))
