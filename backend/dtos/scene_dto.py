"""Scenes and the analysis of their timelines."""

from typing import Annotated

from pydantic import Field

from backend.dtos.shared import example_ids
from backend.dtos.shared.common_dto import (
    OMITTED,
    Name,
    RequestDTO,
    ResourceId,
    ResponseDTO,
    Timestamp,
    request_example,
)

Description = Annotated[str, Field(max_length=2000)]
Lyrics = Annotated[str, Field(max_length=5000)]
LAST_ORDER = 1_000_000
Order = Annotated[int, Field(ge=0, le=LAST_ORDER)]


class SceneCreateDTO(RequestDTO):
    project_id: ResourceId = Field(
        description="The project it belongs to: one of yours.", examples=[example_ids.PROJECT]
    )
    name: Name = Field(description="1 to 200 characters.", examples=["Verse 1: the garage"])
    description: Description = Field(
        default="", description="For people.", examples=["Blue hour, neon, first rain."]
    )
    lyrics: Lyrics = Field(
        default="", description="What is sung meanwhile.", examples=["Turn the key and wait"]
    )
    order: Order = Field(
        default=OMITTED, description="Left out: after the last scene.", examples=[0]
    )
    parent_scene_id: ResourceId | None = Field(
        default=None, description="The scene it is another go at.", examples=[None]
    )


class SceneUpdateDTO(RequestDTO):
    """Fields left out stay as they are."""

    model_config = request_example(name="Verse 1: the tunnel", lyrics="Turn the key and wait")

    name: Name = Field(
        default=OMITTED, description="1 to 200 characters.", examples=["Verse 1: the tunnel"]
    )
    description: Description = Field(
        default=OMITTED, description="For people.", examples=["Sodium light, wet tiles."]
    )
    lyrics: Lyrics = Field(
        default=OMITTED, description="What is sung meanwhile.", examples=["Turn the key and wait"]
    )
    order: Order = Field(default=OMITTED, description="Its place in the film.", examples=[1])
    parent_scene_id: ResourceId | None = Field(
        default=None, description="The scene it is another go at; null: none.", examples=[None]
    )


class SceneResponseDTO(ResponseDTO):
    id: str = Field(description="The scene's id.", examples=[example_ids.SCENE])
    project_id: str = Field(description="Its project.", examples=[example_ids.PROJECT])
    name: str = Field(description="For people.", examples=["Verse 1: the garage"])
    description: str = Field(description="For people.", examples=["Blue hour, neon, first rain."])
    lyrics: str = Field(description="What is sung meanwhile.", examples=["Turn the key and wait"])
    order: int = Field(description="Its place in the film; smaller is earlier.", examples=[0])
    parent_scene_id: str | None = Field(
        description="The scene it is an alternate of.", examples=[None]
    )
    alternate_number: int = Field(
        description="1 is the first alternate; 0: it is none.", examples=[0]
    )
    is_alternate: bool = Field(description="Whether it stands beside the film.", examples=[False])
    clip_count: int = Field(description="Clips on its timeline.", examples=[4])
    duration: float = Field(description="Seconds: where the last clip ends.", examples=[17.0])
    created_at: Timestamp = Field(description="UTC.", examples=[example_ids.MOMENT])
    updated_at: Timestamp = Field(description="UTC.", examples=[example_ids.MOMENT])


class TimelineSummaryDTO(ResponseDTO):
    total_clips: int = Field(description="Clips on the timeline.", examples=[4])
    total_duration: float = Field(description="Seconds of clips, added up.", examples=[16.0])
    timeline_end: float = Field(description="Seconds: where the last clip ends.", examples=[17.0])
    gaps: int = Field(description="How many gaps there are.", examples=[1])


class TimelineOverlapDTO(ResponseDTO):
    clip1_id: str = Field(description="The clip that begins first.", examples=[example_ids.CLIP])
    clip1_name: str = Field(description="For people.", examples=["Wide: rooftop"])
    clip2_id: str = Field(
        description="The clip that begins in it.", examples=[example_ids.OTHER_CLIP]
    )
    clip2_name: str = Field(description="For people.", examples=["Close: hands"])
    start: float = Field(description="Seconds: where both are shown from.", examples=[4.0])
    end: float = Field(description="Seconds: where that ends.", examples=[4.5])
    duration: float = Field(description="Seconds that they share.", examples=[0.5])
    error: str = Field(
        description="The same in one sentence.",
        examples=["'Wide: rooftop' and 'Close: hands' overlap from 4 s to 4.5 s."],
    )


class TimelineGapDTO(ResponseDTO):
    after_clip_id: str | None = Field(
        description="The clip before it; null where the scene begins with the gap.",
        examples=[example_ids.CLIP],
    )
    after_clip_name: str | None = Field(description="For people.", examples=["Wide: rooftop"])
    before_clip_id: str = Field(
        description="The clip behind it.", examples=[example_ids.OTHER_CLIP]
    )
    before_clip_name: str = Field(description="For people.", examples=["Close: hands"])
    gap_start: float = Field(description="Seconds: where it begins.", examples=[4.5])
    gap_end: float = Field(description="Seconds: where it ends.", examples=[5.5])
    gap_duration: float = Field(description="Seconds.", examples=[1.0])


class TimelineSuggestionDTO(ResponseDTO):
    clip_id: str = Field(description="The clip to move.", examples=[example_ids.OTHER_CLIP])
    suggested_position: float = Field(description="Seconds: where to.", examples=[4.5])
    reason: str = Field(
        description="Why, in one sentence.",
        examples=["'Close: hands' starts before the clip ahead of it ends."],
    )


class TimelineAnalysisDTO(ResponseDTO):
    """Applying every suggestion clears every overlap. At most 1,000 overlaps are listed.

    A suggestion beyond 10,000 s, where no clip may start, is left out.
    """

    scene_id: str = Field(description="The scene.", examples=[example_ids.SCENE])
    total_clips: int = Field(description="Clips on its timeline.", examples=[4])
    summary: TimelineSummaryDTO = Field(description="The timeline in numbers.")
    overlaps: list[TimelineOverlapDTO] = Field(description="Those of at least 1 ms.")
    gaps: list[TimelineGapDTO] = Field(description="Those of at least 1 ms.")
    suggestions: list[TimelineSuggestionDTO] = Field(description="What would clear the overlaps.")
    has_issues: bool = Field(description="Whether there is a gap or an overlap.", examples=[True])
