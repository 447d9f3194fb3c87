"""A style template: a look that many generations share."""

from datetime import datetime
from typing import Any

from pydantic import Field

from backend.models.base import FrozenModel


class StyleLora(FrozenModel):
    name: str
    weight: float = 1.0


class StyleTemplate(FrozenModel):
    """`params` has the names and ranges of a generation's own; `use_count` only ever grows."""

    id: str
    name: str
    description: str = ""
    category: str = "general"
    model: str | None = None
    negative_prompt: str = ""
    loras: tuple[StyleLora, ...] = ()
    params: dict[str, Any] = Field(default_factory=dict)
    preview_url: str | None = None
    is_public: bool = True
    created_by: str | None = None
    use_count: int = 0
    created_at: datetime
    updated_at: datetime
