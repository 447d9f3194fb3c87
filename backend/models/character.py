"""A character: what makes somebody look the same in every clip they are in."""

from datetime import datetime
from typing import Any

from pydantic import Field

from backend.models.base import FrozenModel


class Character(FrozenModel):
    """`project_id` None: a character of every project. `lora_weight` runs from -100 to 100.

    References are http(s) addresses or `/uploads/…` paths.
    """

    id: str
    project_id: str | None = None
    name: str
    description: str = ""
    reference_images: tuple[str, ...] = ()
    face_image: str | None = None
    lora: str | None = None
    lora_weight: float = 1.0
    trigger_words: str = ""
    style_notes: str = ""
    generation_method: str | None = None
    generation_params: dict[str, Any] = Field(default_factory=dict)
    created_at: datetime
    updated_at: datetime

    @property
    def reference(self) -> str | None:
        """The picture that shows the character best: the first reference, else the face."""
        return self.reference_images[0] if self.reference_images else self.face_image

    def fits(self, project_id: str) -> bool:
        return self.project_id in {None, project_id}


class AddedWords(FrozenModel):
    """Terms that a character put before and behind a prompt, exactly as written there."""

    front: tuple[str, ...] = ()
    back: tuple[str, ...] = ()

    @property
    def terms(self) -> tuple[str, ...]:
        return (*self.front, *self.back)


class CharacterWords(FrozenModel):
    """What applying a character added to a clip's prompts.

    Kept with the clip, so that it can be taken out again whatever became of the character.
    """

    character_id: str
    image: AddedWords = AddedWords()
    video: AddedWords = AddedWords()
