"""Something worth keeping: a take in its project's pool, with files of its own."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from pydantic import Field

from backend.models.content import ContentType, GeneratedContent, MadeWithParams


class PoolSource(StrEnum):
    """Where an item came from. Its older words are read as what they are called now."""

    #: A take of a clip's gallery.
    CLIP_GENERATION = "clip_generation"
    #: A file under /uploads/ that somebody brought.
    MANUAL_UPLOAD = "manual_upload"
    #: Made for many clips at once, or a generated file that is named by its path.
    BATCH_GENERATION = "batch_generation"

    @classmethod
    def _missing_(cls, value: object) -> "PoolSource | None":
        """Documents of older versions and clients made for them have these."""
        match value:
            case "clip":
                return cls.CLIP_GENERATION
            case "upload":
                return cls.MANUAL_UPLOAD
            case "generated":
                return cls.BATCH_GENERATION
        return None


class PoolItem(MadeWithParams):
    """`take` is the pool's own copy, and what a clip gets; its source may go."""

    id: str
    project_id: str
    name: str
    description: str = ""
    content_type: ContentType
    source_type: PoolSource
    source_clip_id: str | None = None
    take: GeneratedContent
    tags: tuple[str, ...] = ()
    metadata: dict[str, Any] = Field(default_factory=dict)
    created_at: datetime

    @property
    def media_url(self) -> str:
        return self.take.url

    @property
    def thumbnail_url(self) -> str | None:
        return self.take.thumbnail_url
