"""An export as a download, and what may be asked of it: shared by both export routers."""

from typing import Annotated, Literal, NamedTuple

from fastapi import Depends, Query, Response

from backend.services.export_service import ExportFile


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


def download(file: ExportFile) -> Response:
    disposition = f'attachment; filename="{file.filename}"'
    return Response(
        file.body, media_type=file.media_type, headers={"Content-Disposition": disposition}
    )
