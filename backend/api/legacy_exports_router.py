"""Legacy exports (4), outside v1."""

from fastapi import APIRouter, Response

from backend.api.dependencies import ExportServiceDep, Id
from backend.api.downloads import ExportQueryDep, download
from backend.api.strict_json import StrictJsonRoute
from backend.dtos.common_dto import ErrorDTO

router = APIRouter(
    prefix="/api/projects/{project_id}/export",
    tags=["Legacy exports"],
    responses={"default": {"model": ErrorDTO}},
    route_class=StrictJsonRoute,
)


@router.get("/fcpxml", summary="FCPXML 1.10 for Final Cut Pro", response_class=Response)
async def export_fcpxml(
    project_id: Id, exports: ExportServiceDep, query: ExportQueryDep
) -> Response:
    """In frames of the project's rate. A project without clips gives a valid file too."""
    return download(await exports.export(project_id, "fcpxml", **query._asdict()))


@router.get("/edl", summary="CMX3600 EDL; over 999 events a zip of parts", response_class=Response)
async def export_edl(project_id: Id, exports: ExportServiceDep, query: ExportQueryDep) -> Response:
    """In frames of the project's rate. A project without clips gives a valid file too."""
    return download(await exports.export(project_id, "edl", **query._asdict()))


@router.get("/resolve", summary="FCPXML 1.10 for DaVinci Resolve", response_class=Response)
async def export_resolve(
    project_id: Id, exports: ExportServiceDep, query: ExportQueryDep
) -> Response:
    """Written as Resolve's import likes it. A project without clips gives a valid file too."""
    return download(await exports.export(project_id, "resolve", **query._asdict()))


@router.get("/json", summary="Everything as JSON", response_class=Response)
async def export_json(project_id: Id, exports: ExportServiceDep, query: ExportQueryDep) -> Response:
    """Every scene and clip with its times in seconds and frames."""
    return download(await exports.export(project_id, "json", **query._asdict()))
