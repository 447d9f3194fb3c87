"""Uploads."""

from pydantic import Field

from backend.dtos.common_dto import ResponseDTO


class MusicUploadedDTO(ResponseDTO):
    message: str
    file_path: str = Field(description="Relative to UPLOAD_DIR.")
    file_url: str
    duration: float = Field(description="Seconds.")
