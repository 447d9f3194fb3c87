"""Scenes and the analysis of their timelines."""

from typing import Annotated

from pydantic import Field

from backend.dtos.common_dto import (
    OMITTED,
    Name,
    RequestDTO,
    ResourceId,
    ResponseDTO,
    Timestamp,
)

Description = Annotated[str, Field(max_length=2000)]
Lyrics = Annotated[str, Field(max_length=5000)]
LAST_ORDER = 1_000_000
Order = Annotated[int, Field(ge=0, le=LAST_ORDER)]


class SceneCreateDTO(RequestDTO):
    project_id: ResourceId = Field(examples=["0d3c9a52-6f0e-4f57-9d0e-5d7c7a2b1c11"])
    name: Name = Field(description="1 to 200 characters.", examples=["Verse 1: the garage"])
    description: Description = Field(default="", examples=["Blue hour, neon, first rain."])
    lyrics: Lyrics = Field(default="", examples=["Turn the key and wait"])
    order: Order = Field(default=OMITTED, description="Left out: after the last scene.")
    parent_scene_id: ResourceId | None = None


class SceneUpdateDTO(RequestDTO):
    """Fields left out stay as they are."""

    name: Name = Field(default=OMITTED, examples=["Verse 1: the tunnel"])
    description: Description = OMITTED
    lyrics: Lyrics = OMITTED
    order: Order = OMITTED
    parent_scene_id: ResourceId | None = None


class SceneResponseDTO(ResponseDTO):
    id: str
    project_id: str
    name: str
    description: str
    lyrics: str
    order: int
    parent_scene_id: str | None
    alternate_number: int
    is_alternate: bool
    clip_count: int
    duration: float = Field(description="Seconds: where the last clip ends.")
    created_at: Timestamp
    updated_at: Timestamp


class TimelineSummaryDTO(ResponseDTO):
    total_clips: int
    total_duration: float = Field(description="Seconds of clips, added up.")
    timeline_end: float = Field(description="Seconds: where the last clip ends.")
    gaps: int


class TimelineOverlapDTO(ResponseDTO):
    clip1_id: str
    clip1_name: str
    clip2_id: str
    clip2_name: str
    start: float
    end: float
    duration: float
    error: str = Field(description="The same in one sentence.")


class TimelineGapDTO(ResponseDTO):
    after_clip_id: str
    after_clip_name: str
    before_clip_id: str
    before_clip_name: str
    gap_start: float
    gap_end: float
    gap_duration: float


class TimelineSuggestionDTO(ResponseDTO):
    clip_id: str
    suggested_position: float
    reason: str


class TimelineAnalysisDTO(ResponseDTO):
    """Applying every suggestion clears every overlap. At most 1,000 overlaps are listed.

    A suggestion beyond 10,000 s, where no clip may start, is left out.
    """

    scene_id: str
    total_clips: int
    summary: TimelineSummaryDTO
    overlaps: list[TimelineOverlapDTO]
    gaps: list[TimelineGapDTO]
    suggestions: list[TimelineSuggestionDTO]
    has_issues: bool
