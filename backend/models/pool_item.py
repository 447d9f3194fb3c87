"""Something worth keeping: a take in its project's pool, with files of its own."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from pydantic import Field

from backend.models.content import ContentType, GeneratedContent, MadeWithParams


class PoolSource(StrEnum):
    #: A take of a clip's gallery.
    CLIP = "clip"
    #: A file under /uploads/ that somebody brought.
    UPLOAD = "upload"
    #: A file under /uploads/ that was generated, named by its path.
    GENERATED = "generated"


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
