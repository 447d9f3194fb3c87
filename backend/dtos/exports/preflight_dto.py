"""What an export would leave out, change or refuse."""

from typing import Literal

from pydantic import Field

from backend.dtos.shared import example_ids
from backend.dtos.shared.common_dto import ResponseDTO


class PreflightPlaceDTO(ResponseDTO):
    clip_id: str | None = Field(
        description="The clip; null: it belongs to none.", examples=[example_ids.CLIP]
    )
    message: str = Field(
        description="What is so there, for people.",
        examples=["Clip 'Wide: rooftop' has nothing to show."],
    )


class PreflightFindingDTO(ResponseDTO):
    code: str = Field(description="What was found, for programs.", examples=["no_media"])
    severity: Literal["error", "warning", "note"] = Field(
        description="error: the export is refused with 409; warning: the editor shows something"
        " else than the storyboard; note: worth knowing.",
        examples=["warning"],
    )
    message: str = Field(
        description="What was found, for people.", examples=["Some clips have nothing to show."]
    )
    advice: str = Field(description="What to do about it.", examples=["Generate or select a take."])
    count: int = Field(description="In how many places.", examples=[1])
    places: list[PreflightPlaceDTO] = Field(description="The first 1,000 of them.")


class PreflightDTO(ResponseDTO):
    """Findings come with errors first, then warnings, then notes."""

    project_id: str = Field(description="The project.", examples=[example_ids.PROJECT])
    format: str = Field(description="The format that was asked about.", examples=["edl"])
    can_export: bool = Field(description="Whether there is no error among them.", examples=[True])
    total_frames: int = Field(description="Length of the film in frames.", examples=[1308])
    duration: float = Field(description="Length of the film in seconds.", examples=[54.5])
    events: int = Field(description="Clips with media, the music included.", examples=[12])
    parts: int = Field(
        description="Files it takes: an EDL ends at 999 events, more come as a zip.", examples=[1]
    )
    findings: list[PreflightFindingDTO] = Field(description="Everything worth telling.")
