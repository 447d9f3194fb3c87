"""Uploads at the addresses that the single-page app has for them; the same as in media_router."""

from backend.api.dependencies import Id, MediaServiceDep
from backend.api.upload_stream import UploadedFile
from backend.api.v1.media_router import IMAGE_BODY, IMAGE_ERRORS, MUSIC_BODY, MUSIC_ERRORS
from backend.api.versioned_router import versioned_router
from backend.dtos.media_dto import FaceImageUploadedDTO, MusicUploadedDTO
from backend.services.media_service import StoredImage, StoredMusic

router = versioned_router(tags=["Media"])


@router.post(
    "/projects/{project_id}/upload-music",
    response_model=MusicUploadedDTO,
    summary="The same as POST /media/projects/{project_id}/upload-music",
    responses=MUSIC_ERRORS,
    openapi_extra=MUSIC_BODY,
)
async def upload_project_music(
    project_id: Id, file: UploadedFile, media: MediaServiceDep
) -> StoredMusic:
    """The content decides the type, not the name. It replaces the music that the project has."""
    return await media.upload_music(project_id, file)


@router.post(
    "/upload-face-image",
    response_model=FaceImageUploadedDTO,
    summary="The same as POST /media/upload-face-image",
    responses=IMAGE_ERRORS,
    openapi_extra=IMAGE_BODY,
)
async def upload_face(file: UploadedFile, media: MediaServiceDep) -> StoredImage:
    """The content decides the type, not the name."""
    return await media.upload_face_image(file)
