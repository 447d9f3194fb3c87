"""Uploads beside the media router: music and faces at shorter addresses, pictures of characters."""

from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import Depends

from backend.api.http.upload_stream import UploadedFile, files_body, upload_errors, uploaded_files
from backend.api.http.versioned_router import versioned_router
from backend.api.v1.dependencies import Id, MediaServiceDep
from backend.api.v1.media_router import IMAGE_BODY, IMAGE_ERRORS, MUSIC_BODY, MUSIC_ERRORS
from backend.dtos.media_dto import (
    CharacterImagesUploadedDTO,
    FaceImageUploadedDTO,
    MusicUploadedDTO,
)
from backend.services.media.uploads import IncomingFile
from backend.services.media_service import MAX_PICTURES, StoredImage, StoredMusic, StoredPictures

_PICTURES = {
    "files": f"Pictures: png, jpeg, webp or gif, each up to MAX_IMAGE_SIZE_MB, {MAX_PICTURES} in "
    "all.",
    "face_image": "A picture of the face; its address comes back as `files.face_image`.",
    "full_body_image": "One of the whole figure; its address is `files.full_body_image`.",
    "reference_images": "Others of the character; their addresses are `files.reference_images`.",
}
_PICTURE_ERRORS = upload_errors(
    _413="A picture is too large, or all together; the error says which. The rest is not read.",
    _415="The error says which picture is of no kind that is taken, damaged or cut short.",
    _422=f"There is no file in any of the fields, or TOO_MANY_FILES: more than {MAX_PICTURES}.",
)

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


@router.post(
    "/upload-character-images",
    response_model=CharacterImagesUploadedDTO,
    response_model_exclude_none=True,
    summary="Upload pictures of a character: png, jpeg, webp or gif, all or none",
    responses=_PICTURE_ERRORS,
    openapi_extra=files_body(**_PICTURES),
)
async def upload_character_images(
    files: Annotated[AsyncIterator[IncomingFile], Depends(uploaded_files(*_PICTURES))],
    media: MediaServiceDep,
) -> dict[str, Any]:
    """The content decides the types, not the names. When one is refused, none is kept."""
    stored = await media.upload_pictures(files)
    return {**stored._asdict(), "files": _by_field(stored)}


def _by_field(stored: StoredPictures) -> dict[str, Any]:
    found = list(zip(stored.fields, stored.file_urls, strict=True))
    named = {field: url for field, url in found if field in {"face_image", "full_body_image"}}
    references = [url for field, url in found if field == "reference_images"]
    return {**named, **({"reference_images": references} if references else {})}
