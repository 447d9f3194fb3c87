"""Legacy exports (4), outside v1."""

from typing import Annotated, Literal, NamedTuple

from fastapi import APIRouter, Depends, Query, Response

from backend.api.dependencies import ExportServiceDep, Id
from backend.api.strict_json import StrictJsonRoute
from backend.dtos.common_dto import ErrorDTO
from backend.services.export_service import ExportFile

router = APIRouter(
    prefix="/api/projects/{project_id}/export",
    tags=["Legacy exports"],
    responses={"default": {"model": ErrorDTO}},
    route_class=StrictJsonRoute,
)


class ExportQuery(NamedTuple):
    include_alternates: bool
    media_mode: Literal["selected", "placeholder"]


def _query(
    include_alternates: Annotated[
        bool, Query(description="Put alternates behind the main line too.")
    ] = False,
    media: Annotated[
        Literal["selected", "placeholder"],
        Query(description="What stands for a clip without a take: a gap, or a placeholder."),
    ] = "selected",
) -> ExportQuery:
    return ExportQuery(include_alternates, media)


ExportQueryDep = Annotated[ExportQuery, Depends(_query)]


@router.get("/fcpxml", summary="FCPXML 1.10 for Final Cut Pro", response_class=Response)
async def export_fcpxml(
    project_id: Id, exports: ExportServiceDep, query: ExportQueryDep
) -> Response:
    return _download(await exports.export(project_id, "fcpxml", **query._asdict()))


@router.get("/edl", summary="CMX3600 EDL; over 999 events a zip of parts", response_class=Response)
async def export_edl(project_id: Id, exports: ExportServiceDep, query: ExportQueryDep) -> Response:
    return _download(await exports.export(project_id, "edl", **query._asdict()))


@router.get("/resolve", summary="FCPXML 1.10 for DaVinci Resolve", response_class=Response)
async def export_resolve(
    project_id: Id, exports: ExportServiceDep, query: ExportQueryDep
) -> Response:
    return _download(await exports.export(project_id, "resolve", **query._asdict()))


@router.get("/json", summary="Everything as JSON", response_class=Response)
async def export_json(project_id: Id, exports: ExportServiceDep, query: ExportQueryDep) -> Response:
    return _download(await exports.export(project_id, "json", **query._asdict()))


def _download(file: ExportFile) -> Response:
    disposition = f'attachment; filename="{file.filename}"'
    return Response(
        file.body, media_type=file.media_type, headers={"Content-Disposition": disposition}
    )
