"""Media: music of a project, and pictures of faces."""

from backend.api.http.upload_stream import UploadedFile, file_body, upload_errors
from backend.api.http.versioned_router import versioned_router
from backend.api.v1.dependencies import Id, MediaServiceDep
from backend.dtos.media_dto import FaceImageUploadedDTO, MusicUploadedDTO
from backend.services.media_service import StoredImage, StoredMusic

MUSIC_BODY = file_body("The music: mp3, wav, ogg, flac, m4a or aac, up to MAX_MUSIC_SIZE_MB.")
IMAGE_BODY = file_body("The picture: png, jpeg, webp or gif, up to MAX_IMAGE_SIZE_MB.")
MUSIC_ERRORS = upload_errors(_404="No such project.")
IMAGE_ERRORS = upload_errors()

router = versioned_router("/media", tags=["Media"])


@router.post(
    "/projects/{project_id}/upload-music",
    response_model=MusicUploadedDTO,
    summary="Give a project its music: mp3, wav, ogg, flac, m4a or aac",
    responses=MUSIC_ERRORS,
    openapi_extra=MUSIC_BODY,
)
async def upload_music(project_id: Id, file: UploadedFile, media: MediaServiceDep) -> StoredMusic:
    """The content decides the type, not the name. It replaces the music that the project has."""
    return await media.upload_music(project_id, file)


@router.post(
    "/upload-face-image",
    response_model=FaceImageUploadedDTO,
    summary="Upload a picture of a face: png, jpeg, webp or gif",
    responses=IMAGE_ERRORS,
    openapi_extra=IMAGE_BODY,
)
async def upload_face_image(file: UploadedFile, media: MediaServiceDep) -> StoredImage:
    """The content decides the type, not the name. A character's `face_image` can then name it."""
    return await media.upload_face_image(file)
