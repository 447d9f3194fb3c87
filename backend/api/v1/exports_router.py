"""Exports under v1 (1), beyond the 65: the very bytes of the legacy routes."""

from fastapi import APIRouter, Response

from backend.api.dependencies import ExportServiceDep, Id
from backend.api.downloads import ExportQueryDep, download
from backend.api.strict_json import StrictJsonRoute
from backend.services.export_service import ExportFormat

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
    format: ExportFormat,  # noqa: A002 - the contract's name of it
    exports: ExportServiceDep,
    query: ExportQueryDep,
) -> Response:
    return download(await exports.export(project_id, format, **query._asdict()))
