"""Imports: a project from its JSON export, and the timing of a cut that an editor made."""

from typing import Annotated

from fastapi import Query

from backend.api.http.upload_stream import UploadedFile, file_body, upload_errors
from backend.api.http.versioned_router import versioned_router
from backend.api.v1.dependencies import Id, ProjectImporterDep, TimingServiceDep
from backend.dtos.exports.project_file_dto import ProjectImportedDTO
from backend.dtos.exports.timing_dto import TimingDTO
from backend.dtos.shared.common_dto import ErrorDTO
from backend.services.film.project_import import ImportedProject

router = versioned_router("/projects", tags=["Import"])

_CUT_CONFLICT = {
    "model": ErrorDTO,
    "description": "TIMING_CONFLICT: the scenes can't carry this cut. Nothing was changed.",
}


@router.post(
    "/import",
    status_code=201,
    response_model=ProjectImportedDTO,
    summary="Make a project out of a JSON export",
    responses=upload_errors(_409="Its alternates contradict each other."),
    openapi_extra=file_body("A file of /projects/{project_id}/export/json, up to 256 MB."),
)
async def import_project(file: UploadedFile, importer: ProjectImporterDep) -> ImportedProject:
    """An equal project with new ids. Files that are on this server become its own."""
    return await importer.take_in(file)


@router.post(
    "/{project_id}/import-timing",
    response_model=TimingDTO,
    summary="Move clips as an edited cut has them: EDL, .otio or FCPXML",
    responses=upload_errors(_404="No such project.") | {409: _CUT_CONFLICT},
    openapi_extra=file_body("The edited cut: an EDL, .otio or .fcpxml of up to 32 MB."),
)
async def import_timing(
    project_id: Id,
    file: UploadedFile,
    timing: TimingServiceDep,
    dry_run: Annotated[bool, Query(description="Only tell what would change.")] = False,
) -> dict[str, object]:
    """Clips are found by id, file name or title, and stay in their scenes.

    What the cut does not have stays where it is. A cut that changes nothing changes nothing.
    """
    plan = await timing.take_over(project_id, file, dry_run=dry_run)
    told = ("format", "unchanged", "changes", "conflicts", "remarks")
    return {"dry_run": dry_run} | {name: getattr(plan, name) for name in told}
