"""What an edited cut changes in a film."""

from pydantic import Field

from backend.dtos.shared import example_ids
from backend.dtos.shared.common_dto import ResponseDTO, Seconds


class TimingChangeDTO(ResponseDTO):
    clip_id: str = Field(description="The clip.", examples=[example_ids.CLIP])
    clip_name: str = Field(description="For people.", examples=["Wide: rooftop"])
    scene_id: str = Field(description="Its scene.", examples=[example_ids.SCENE])
    old_position: Seconds = Field(description="Seconds within the scene.", examples=[4.5])
    new_position: Seconds = Field(description="Seconds within the scene.", examples=[4.0])
    old_length: Seconds = Field(description="Seconds.", examples=[4.5])
    new_length: Seconds = Field(description="Seconds.", examples=[3.25])


class TimingRemarkDTO(ResponseDTO):
    code: str = Field(
        description="unknown, repeated, not_in_cut, speed, trimmed_beginning, differs, conflict.",
        examples=["not_in_cut"],
    )
    message: str = Field(
        description="For people.",
        examples=["Clip 'Wide: rooftop' is not in the cut and stays where it is."],
    )
    clip_id: str | None = Field(
        description="The clip; null: it is none of the film's.", examples=[example_ids.CLIP]
    )


class TimingDTO(ResponseDTO):
    """With `dry_run` nothing was written, and conflicts are told instead of refused."""

    format: str = Field(description="edl, fcpxml or otio.", examples=["fcpxml"])
    dry_run: bool = Field(description="Whether nothing was written.", examples=[True])
    unchanged: int = Field(description="Clips of the cut that stay as they are.", examples=[11])
    changes: list[TimingChangeDTO] = Field(description="Every clip that moves or changes length.")
    conflicts: list[TimingRemarkDTO] = Field(
        description="What the scenes can't carry; while there is any, nothing is written."
    )
    remarks: list[TimingRemarkDTO] = Field(description="What else is worth knowing.")
