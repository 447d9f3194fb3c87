"""Workers: hand in the result of a leased job as a file."""

from typing import Annotated

from fastapi import Query

from backend.api.http.upload_stream import UploadedFile, file_body, upload_errors
from backend.api.http.versioned_router import versioned_router
from backend.api.v1.dependencies import Id, Reporter, WorkerReportsDep
from backend.dtos.queue_dto import JobMessageDTO

RESULT_BODY = file_body("The picture or video, up to MAX_RESULT_SIZE_MB.")
RESULT_ERRORS = upload_errors(
    _404="No such job.",
    _409="JOB_NOT_LEASED: no worker holds the job, or another one does. If the lease of this "
    "worker ran out, the file is kept as an extra take.",
)

router = versioned_router("/queue", tags=["Workers"])


@router.post(
    "/jobs/{job_id}/result",
    response_model=JobMessageDTO,
    summary="Hand in a leased job's result as a file, and complete the job",
    responses=RESULT_ERRORS,
    openapi_extra=RESULT_BODY,
)
async def hand_in_result(
    job_id: Id,
    file: UploadedFile,
    reports: WorkerReportsDep,
    server_id: Reporter = None,
    complete: Annotated[
        bool, Query(description="false: more is to come; `complete` ends the job then.")
    ] = True,
) -> dict[str, object]:
    """For workers whose results nobody else can reach: pictures and videos of any kind we take.

    The content decides the type. The same file twice is one take.
    """
    job = await reports.hand_in(job_id, file, server_id=server_id, complete=complete)
    return {"message": "The result was taken.", "job_id": job.id, "status": job.status}
