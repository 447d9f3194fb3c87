"""Takes of characters, a document each, so that no read of characters grows with them."""

import contextlib
from collections.abc import Sequence

from backend.models.character_take import CharacterTake
from backend.models.content import GeneratedContent
from backend.repositories.base_repository import BaseRepository, Document
from backend.repositories.shared.by_age import OLDEST_FIRST
from backend.utils.errors import ConflictError
from backend.utils.index_spec import IndexSpec


class CharacterTakeRepository(BaseRepository[CharacterTake]):
    """Which of them is shown is not stored: it is the character's reference."""

    collection = "character_takes"
    kind = "take"
    model = CharacterTake
    indexes = (
        IndexSpec(
            name="by_character_oldest_first",
            keys=(("character_id", 1), *OLDEST_FIRST),
            replaces=("by_character",),
        ),
    )

    def to_document(self, model: CharacterTake) -> Document:
        document = super().to_document(model)
        del document["is_selected"]
        return document

    async def keep(self, character_id: str, take: GeneratedContent) -> None:
        """Store a take once, however often it is delivered."""
        ours = CharacterTake(**{**dict(take), "character_id": character_id})
        with contextlib.suppress(ConflictError):
            await self.add(ours)

    async def list_for(self, character_id: str) -> Sequence[CharacterTake]:
        """Oldest first."""
        return await self._find({"character_id": character_id}, sort=OLDEST_FIRST)

    async def delete_for(self, character_id: str) -> int:
        return await self._delete_where({"character_id": character_id})
