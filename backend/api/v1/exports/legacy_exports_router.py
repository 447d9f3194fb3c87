"""Exports at their older addresses, outside v1: the bytes are those of `/projects/{id}/export/`."""

from fastapi import APIRouter, Response

from backend.api.http.strict_json import StrictJsonRoute
from backend.api.streams.downloads import ExportQueryDep, download
from backend.api.v1.dependencies import ExportServiceDep, Id
from backend.api.v1.exports.exports_router import EXPORT_ANSWERS
from backend.dtos.shared.common_dto import ErrorDTO

router = APIRouter(
    prefix="/api/projects/{project_id}/export",
    tags=["Exports"],
    responses={"default": {"model": ErrorDTO}, **EXPORT_ANSWERS},
    route_class=StrictJsonRoute,
)


@router.get("/fcpxml", summary="FCPXML 1.10 for Final Cut Pro", response_class=Response)
async def export_fcpxml(
    project_id: Id, exports: ExportServiceDep, query: ExportQueryDep
) -> Response:
    """The older address of `/api/v1/projects/{project_id}/export/fcpxml`: the same file."""
    return download(await exports.export(project_id, "fcpxml", query.options), query)


@router.get("/edl", summary="CMX3600 EDL; over 999 events a zip of parts", response_class=Response)
async def export_edl(project_id: Id, exports: ExportServiceDep, query: ExportQueryDep) -> Response:
    """The older address of `/api/v1/projects/{project_id}/export/edl`: the same file."""
    return download(await exports.export(project_id, "edl", query.options), query)


@router.get("/resolve", summary="FCPXML 1.10 for DaVinci Resolve", response_class=Response)
async def export_resolve(
    project_id: Id, exports: ExportServiceDep, query: ExportQueryDep
) -> Response:
    """The older address of `/api/v1/projects/{project_id}/export/resolve`: the same file."""
    return download(await exports.export(project_id, "resolve", query.options), query)


@router.get("/json", summary="Everything as JSON", response_class=Response)
async def export_json(project_id: Id, exports: ExportServiceDep, query: ExportQueryDep) -> Response:
    """The older address of `/api/v1/projects/{project_id}/export/json`: the same file."""
    return download(await exports.export(project_id, "json", query.options), query)
