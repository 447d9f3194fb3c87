"""Media."""

from fastapi import APIRouter, UploadFile

from backend.api.dependencies import Id, MediaServiceDep
from backend.api.strict_json import StrictJsonRoute
from backend.dtos.media_dto import MusicUploadedDTO
from backend.services.media_service import StoredMusic

router = APIRouter(prefix="/media", tags=["Media"], route_class=StrictJsonRoute)


@router.post(
    "/projects/{project_id}/upload-music",
    response_model=MusicUploadedDTO,
    summary="Give a project its music: mp3, wav, ogg, flac, m4a or aac",
)
async def upload_music(project_id: Id, file: UploadFile, media: MediaServiceDep) -> StoredMusic:
    return await media.upload_music(project_id, file.file)
