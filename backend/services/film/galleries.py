"""Decides into whose gallery the takes of a job go: its clip's, or its character's."""

from collections.abc import Sequence

from backend.models.content import ContentType, GeneratedContent
from backend.models.job import Job
from backend.repositories.character_repository import CharacterRepository
from backend.repositories.character_take_repository import CharacterTakeRepository
from backend.repositories.clip_repository import ClipRepository
from backend.services.media.media_files import character_folder, clip_folder


class Galleries:
    """Adds takes to galleries and reads them."""

    def __init__(
        self,
        clips: ClipRepository,
        characters: CharacterRepository,
        character_takes: CharacterTakeRepository,
    ) -> None:
        self._clips = clips
        self._characters = characters
        self._character_takes = character_takes

    async def add(self, job: Job, take: GeneratedContent) -> bool:
        """Add a take once, however often it is delivered; False: its clip or character is gone."""
        if job.character_id is not None:
            return await self._add_to_character(job.character_id, take)
        return await self._clips.add_take(job.clip_id or "", take)

    async def takes(self, job: Job) -> Sequence[GeneratedContent]:
        """Read the whole gallery; ResourceNotFoundError when its clip or character is gone."""
        if job.character_id is not None:
            return await self.of_character(job.character_id)
        return (await self._clips.get(job.clip_id or "")).takes

    async def of_character(self, character_id: str) -> Sequence[GeneratedContent]:
        """Read a character's takes, oldest first; the one that is its reference is selected."""
        character = await self._characters.get(character_id)
        takes = await self._character_takes.list_for(character_id)
        return [
            take.model_copy(update={"is_selected": _shows(take, character.reference)})
            for take in takes
        ]

    async def _add_to_character(self, character_id: str, take: GeneratedContent) -> bool:
        """Look for the character again after the write: it may be deleted meanwhile.

        Who deletes it removes the takes once it is gone, so one of the two removes this one.
        """
        if await self._characters.find_by_id(character_id) is None:
            return False
        await self._character_takes.keep(character_id, take)
        if await self._characters.find_by_id(character_id) is None:
            await self._character_takes.delete(take.id)
            return False
        return True


def folder_of(job: Job) -> str:
    """Name the folder for the files of a job's takes, relative to UPLOAD_DIR."""
    if job.character_id is not None:
        return character_folder(job.character_id)
    return clip_folder(job.project_id, job.clip_id or "")


def _shows(take: GeneratedContent, reference: str | None) -> bool:
    return take.content_type is ContentType.IMAGE and take.url == reference
