"""Uploads."""

from pydantic import Field

from backend.dtos.common_dto import ResponseDTO


class MusicUploadedDTO(ResponseDTO):
    message: str = Field(description="A sentence for people.", examples=["Music uploaded."])
    file_path: str = Field(
        description="Relative to UPLOAD_DIR; the project's `music_file_path`.",
        examples=["projects/4f1c/music/9b2e.mp3"],
    )
    file_url: str = Field(
        description="Where it is served, with Range.",
        examples=["/uploads/projects/4f1c/music/9b2e.mp3"],
    )
    duration: float = Field(gt=0, description="Seconds, counted in samples.", examples=[182.413])


class FaceImageUploadedDTO(ResponseDTO):
    message: str = Field(description="A sentence for people.", examples=["Face image uploaded."])
    file_url: str = Field(description="Where it is served.", examples=["/uploads/faces/77ac.png"])
    file_path: str = Field(description="Relative to UPLOAD_DIR.", examples=["faces/77ac.png"])
    width: int = Field(ge=1, description="Pixels, as shown: EXIF's turn counts.", examples=[832])
    height: int = Field(ge=1, description="Pixels, as shown: EXIF's turn counts.", examples=[1216])
