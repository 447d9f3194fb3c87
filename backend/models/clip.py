"""A clip: a stretch of a scene's timeline with its prompts and its gallery of takes."""

from datetime import datetime
from typing import Any

from pydantic import Field

from backend.models.base import FrozenModel
from backend.models.character import CharacterWords
from backend.models.content import ContentType, GeneratedContent


def _is_none(value: object) -> bool:
    return value is None


class Clip(FrozenModel):
    """`timeline_position` and `length` are seconds within the scene, rounded to 1 ms."""

    id: str
    scene_id: str
    project_id: str
    name: str
    lyrics: str = ""
    length: float = 5.0
    timeline_position: float = 0.0
    order: int = 0
    image_prompt: str = ""
    video_prompt: str = ""
    generated_images: tuple[GeneratedContent, ...] = ()
    generated_videos: tuple[GeneratedContent, ...] = ()
    selected_image_id: str | None = None
    selected_video_id: str | None = None
    character_id: str | None = None
    #: What that character added to the prompts; stored where there is any, never answered.
    character_words: CharacterWords | None = Field(default=None, exclude_if=_is_none)
    versions: tuple[dict[str, Any], ...] = ()
    active_version: int = 1
    parent_clip_id: str | None = None
    alternate_number: int = 0
    is_alternate: bool = False
    created_at: datetime
    updated_at: datetime

    @property
    def timeline_end(self) -> float:
        return round(self.timeline_position + self.length, 3)

    @property
    def takes(self) -> tuple[GeneratedContent, ...]:
        """The whole gallery: images, then videos, each in the order in which they came."""
        return (*self.generated_images, *self.generated_videos)

    def take(self, content_id: str | None) -> GeneratedContent | None:
        return next((take for take in self.takes if take.id == content_id), None)

    def selected(self, kind: ContentType) -> GeneratedContent | None:
        """The take this clip shows of a kind, if it has one."""
        if kind is ContentType.IMAGE:
            takes, chosen = self.generated_images, self.selected_image_id
        else:
            takes, chosen = self.generated_videos, self.selected_video_id
        return next((take for take in takes if take.id == chosen), None)
