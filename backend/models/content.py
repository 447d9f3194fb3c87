"""A take: one generated image or video in a clip's gallery."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from pydantic import Field

from backend.models.base import FrozenModel, is_none
from backend.models.provenance import Provenance


class ContentType(StrEnum):
    IMAGE = "image"
    VIDEO = "video"


class MadeWithParams(FrozenModel):
    """How something was made, as it is kept: plain values, `loras`, and whatever is nested."""

    generation_params: dict[str, Any] = Field(default_factory=dict)

    @property
    def loras(self) -> list[dict[str, Any]]:
        """Each with its `name` and `weight`; empty where what is kept as such is none."""
        kept = self.generation_params.get("loras")
        entries = kept if isinstance(kept, list | tuple) else []
        return [dict(each) for each in entries] if all(map(_is_lora, entries)) else []

    @property
    def structured_params(self) -> dict[str, Any]:
        """The values that are lists or objects, without what `loras` tells."""
        told = {"loras"} if self.loras else set()
        return {
            name: value
            for name, value in self.generation_params.items()
            if isinstance(value, dict | list | tuple) and value and name not in told
        }


def _is_lora(entry: object) -> bool:
    return (
        isinstance(entry, dict)
        and isinstance(entry.get("name"), str)
        and isinstance(entry.get("weight"), int | float)
    )


class GeneratedContent(MadeWithParams):
    """Paths are relative to UPLOAD_DIR, so that the folder can move; urls are `/uploads/…`.

    `duration` is seconds and `fps` frames a second; both are None for images.
    """

    id: str
    content_type: ContentType
    path: str
    thumbnail_path: str | None = None
    prompt: str = ""
    negative_prompt: str = ""
    server_id: str | None = None
    server_name: str | None = None
    model_name: str | None = None
    model_type: str | None = None
    seed: int | None = None
    width: int | None = None
    height: int | None = None
    duration: float | None = None
    fps: float | None = None
    #: Of the file as it was delivered: another size tells that it is no longer that file.
    size_bytes: int | None = Field(default=None, exclude_if=is_none)
    job_id: str | None = None
    #: None for what was uploaded, and where nobody knows the graph.
    provenance: Provenance | None = Field(default=None, exclude_if=is_none)
    is_selected: bool = False
    created_at: datetime

    @property
    def url(self) -> str:
        return f"/uploads/{self.path}"

    @property
    def thumbnail_url(self) -> str | None:
        return f"/uploads/{self.thumbnail_path}" if self.thumbnail_path else None
