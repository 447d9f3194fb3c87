"""Legacy exports (4), outside v1."""

from fastapi import APIRouter, Response

from backend.api.http.strict_json import StrictJsonRoute
from backend.api.streams.downloads import ExportQueryDep, download
from backend.api.v1.dependencies import ExportServiceDep, Id
from backend.api.v1.exports.exports_router import EXPORT_ANSWERS
from backend.dtos.shared.common_dto import ErrorDTO

router = APIRouter(
    prefix="/api/projects/{project_id}/export",
    tags=["Legacy exports"],
    responses={"default": {"model": ErrorDTO}, **EXPORT_ANSWERS},
    route_class=StrictJsonRoute,
)


@router.get("/fcpxml", summary="FCPXML 1.10 for Final Cut Pro", response_class=Response)
async def export_fcpxml(
    project_id: Id, exports: ExportServiceDep, query: ExportQueryDep
) -> Response:
    """In frames of the project's rate. A project without clips gives a valid file too."""
    return download(await exports.export(project_id, "fcpxml", query.options), query)


@router.get("/edl", summary="CMX3600 EDL; over 999 events a zip of parts", response_class=Response)
async def export_edl(project_id: Id, exports: ExportServiceDep, query: ExportQueryDep) -> Response:
    """In frames of the project's rate. A project without clips gives a valid file too."""
    return download(await exports.export(project_id, "edl", query.options), query)


@router.get("/resolve", summary="FCPXML 1.10 for DaVinci Resolve", response_class=Response)
async def export_resolve(
    project_id: Id, exports: ExportServiceDep, query: ExportQueryDep
) -> Response:
    """Written as Resolve's import likes it. A project without clips gives a valid file too."""
    return download(await exports.export(project_id, "resolve", query.options), query)


@router.get("/json", summary="Everything as JSON", response_class=Response)
async def export_json(project_id: Id, exports: ExportServiceDep, query: ExportQueryDep) -> Response:
    """Every scene and clip with its times in seconds and frames; it can be imported again."""
    return download(await exports.export(project_id, "json", query.options), query)
