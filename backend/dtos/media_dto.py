"""Uploads."""

from pydantic import Field

from backend.dtos import example_ids
from backend.dtos.common_dto import ResponseDTO
from backend.dtos.media_address import MediaUrl


class MusicUploadedDTO(ResponseDTO):
    message: str = Field(description="A sentence for people.", examples=["Music uploaded."])
    file_path: str = Field(
        description="Relative to UPLOAD_DIR; the project's `music_file_path`.",
        examples=["projects/4f1c/music/9b2e.mp3"],
    )
    file_url: MediaUrl = Field(
        description="Where it is served, with Range.",
        examples=[f"{example_ids.MEDIA}/music/9b2e.mp3"],
    )
    duration: float = Field(gt=0, description="Seconds, counted in samples.", examples=[182.413])


class FaceImageUploadedDTO(ResponseDTO):
    message: str = Field(description="A sentence for people.", examples=["Face image uploaded."])
    file_url: MediaUrl = Field(
        description="Where it is served.", examples=[f"{example_ids.FACES}/77ac.png"]
    )
    file_path: str = Field(description="Relative to UPLOAD_DIR.", examples=["faces/77ac.png"])
    width: int = Field(ge=1, description="Pixels, as shown: EXIF's turn counts.", examples=[832])
    height: int = Field(ge=1, description="Pixels, as shown: EXIF's turn counts.", examples=[1216])
