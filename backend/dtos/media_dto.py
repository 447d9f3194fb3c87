"""Uploads."""

from pydantic import Field

from backend.dtos.shared import example_ids
from backend.dtos.shared.common_dto import ResponseDTO
from backend.dtos.shared.media_address import MediaUrl


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


class PicturesByFieldDTO(ResponseDTO):
    """Where the pictures are served, by the fields of a character. What was not sent is left out.

    Of several pictures in a field for one, the last counts.
    """

    face_image: MediaUrl | None = Field(
        default=None,
        description="That of `face_image`.",
        examples=[f"{example_ids.FACES}/77ac.png"],
    )
    full_body_image: MediaUrl | None = Field(
        default=None,
        description="That of `full_body_image`.",
        examples=[f"{example_ids.FACES}/9be2.png"],
    )
    reference_images: list[MediaUrl] | None = Field(
        default=None,
        description="Those of `reference_images`.",
        examples=[[f"{example_ids.FACES}/51aa.png"]],
    )


class CharacterImagesUploadedDTO(ResponseDTO):
    message: str = Field(description="A sentence for people.", examples=["2 pictures uploaded."])
    file_urls: list[MediaUrl] = Field(
        description="Where all of them are served, in the order in which they were sent.",
        examples=[[f"{example_ids.FACES}/77ac.png", f"{example_ids.FACES}/51aa.png"]],
    )
    file_paths: list[str] = Field(
        description="The same, relative to UPLOAD_DIR.",
        examples=[["faces/77ac.png", "faces/51aa.png"]],
    )
    files: PicturesByFieldDTO = Field(
        description="Those that came in a field of their own.",
        examples=[{"face_image": f"{example_ids.FACES}/77ac.png"}],
    )
