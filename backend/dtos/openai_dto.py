"""Videos of the OpenAI-compatible provider, passed on in the wire shape of its API."""

from typing import Literal

from pydantic import ConfigDict, Field

from backend.dtos.shared.common_dto import ResponseDTO


class VideoErrorDTO(ResponseDTO):
    code: str | None = Field(
        description="The provider's own code.", max_length=100, examples=["moderation_blocked"]
    )
    message: str | None = Field(
        description="The provider's own words.", examples=["The prompt was refused."]
    )


class VideoDTO(ResponseDTO):
    """What the provider says, and only that: fields it leaves out are left out.

    Fields of its own are passed on. Its words for `status` become the four of the API.
    """

    model_config = ConfigDict(extra="allow")

    id: str = Field(max_length=500, description="The provider's id.", examples=["video_68d7512d"])
    object: Literal["video"] = Field(description="Always `video`.", examples=["video"])
    status: Literal["queued", "in_progress", "completed", "failed"] = Field(
        description="How far it is.", examples=["in_progress"]
    )
    progress: int | None = Field(default=None, ge=0, le=100, description="Percent.", examples=[42])
    model: str | None = Field(
        default=None, description="The model that makes it.", examples=["sora-2"]
    )
    prompt: str | None = Field(
        default=None, description="What was asked for.", examples=["a red car under neon"]
    )
    seconds: str | None = Field(default=None, description="Its length.", examples=["8"])
    size: str | None = Field(
        default=None, description="Width x height in pixels.", examples=["1280x720"]
    )
    created_at: int | None = Field(
        default=None, description="Unix seconds, as the API has it.", examples=[1_764_347_090]
    )
    completed_at: int | None = Field(
        default=None, description="Unix seconds.", examples=[1_764_347_180]
    )
    expires_at: int | None = Field(
        default=None,
        description="Unix seconds: until then the provider keeps the file.",
        examples=[1_764_433_490],
    )
    remixed_from_video_id: str | None = Field(
        default=None, description="The video it was made from.", examples=["video_1"]
    )
    error: VideoErrorDTO | None = Field(default=None, description="Why it failed.", examples=[None])


class VideoListDTO(ResponseDTO):
    """One page, newest first unless `order` says otherwise."""

    object: Literal["list"] = Field(description="Always `list`.", examples=["list"])
    data: list[VideoDTO] = Field(description="At most `limit` videos.")
    first_id: str | None = Field(description="The first video's id.", examples=["video_9"])
    last_id: str | None = Field(
        description="The last one's: `after` for the next page.", examples=["video_1"]
    )
    has_more: bool = Field(description="Whether there is a next page.", examples=[False])


class VideoDeletedDTO(ResponseDTO):
    id: str = Field(max_length=500, description="The video's id.", examples=["video_68d7512d"])
    object: Literal["video.deleted"] = Field(
        description="Always `video.deleted`.", examples=["video.deleted"]
    )
    deleted: Literal[True] = Field(description="It is gone there.", examples=[True])
    message: str = Field(
        max_length=200, description="The same for people.", examples=["Video deleted."]
    )
