"""Characters: create, read, change, delete, and apply to clips."""

import asyncio
from collections.abc import Hashable, Sequence

from backend.dtos.character_dto import CharacterCreateDTO, CharacterUpdateDTO
from backend.models.character import Character
from backend.models.clip import Clip
from backend.repositories.character_repository import CharacterRepository
from backend.repositories.clip_repository import ClipRepository
from backend.repositories.project_repository import ProjectRepository
from backend.services.film.character_cascade import CharacterCascade
from backend.services.film.character_words import applied, reassigned
from backend.utils.clock import Clock
from backend.utils.errors import ConflictError, InvalidRequestError, ResourceNotFoundError
from backend.utils.ids import new_id

#: What the prompt fields of a clip take, so that a client can send back what it read.
_LONGEST_PROMPT = 10_000
#: Each lost try means that somebody else changed the clip; nobody loses this often in earnest.
_TRIES = 200
#: Writes that a deleted character makes at a time.
_AT_ONCE = 25
#: Clips that one write may change: it must end within the time it has.
_ALIKE_AT_MOST = 500


class CharacterService:
    def __init__(
        self,
        characters: CharacterRepository,
        projects: ProjectRepository,
        clips: ClipRepository,
        *,
        belongings: CharacterCascade,
        clock: Clock,
    ) -> None:
        self._characters = characters
        self._projects = projects
        self._clips = clips
        self._belongings = belongings
        self._clock = clock

    async def create(self, dto: CharacterCreateDTO) -> Character:
        if dto.project_id:
            await self._projects.get(dto.project_id)
        now = self._clock()
        character = Character(id=new_id(), created_at=now, updated_at=now, **dto.changes())
        await self._characters.add(character)
        if dto.project_id and await self._projects.find_by_id(dto.project_id) is None:
            await self._characters.delete(character.id)
            raise ResourceNotFoundError.of("project", dto.project_id)
        return character

    async def get(self, character_id: str) -> Character:
        return await self._characters.get(character_id)

    async def page(
        self, project_id: str | None, *, skip: int, limit: int
    ) -> tuple[list[Character], int]:
        return await self._characters.page(project_id, skip=skip, limit=limit)

    async def update(self, character_id: str, dto: CharacterUpdateDTO) -> Character:
        """Change what was sent; clips keep the words they have until it is applied again."""
        character = await self._characters.get(character_id)
        changes = dto.changes()
        if changes.get("project_id") not in {None, character.project_id}:
            await self._check_move(character, changes["project_id"])
        await self._characters.update(character_id, {**changes, "updated_at": self._clock()})
        return await self._characters.get(character_id)

    async def delete(self, character_id: str) -> int:
        """Remove a character with its takes; its clips lose its words and stay as they are else.

        The character goes last, so that a delete which was cut short can be repeated. What it
        leaves behind is looked for once more after it: somebody may have applied it meanwhile,
        or asked for another picture.
        """
        character = await self._characters.get(character_id)
        await self._leave_clips(character_id)
        await self._belongings.remove(character)
        deleted = await self._characters.delete(character_id)
        await self._leave_clips(character_id)
        await self._belongings.remove(character)
        return int(deleted)

    async def delete_for_project(self, project_id: str) -> int:
        """Remove a project's characters with their takes; its clips are gone already."""
        characters = await self._characters.of_project(project_id)
        for character in characters:
            await self._belongings.remove(character)
        deleted = await self._characters.delete_for_project(project_id)
        for character in characters:
            await self._belongings.remove(character)
        return deleted

    async def apply(self, character_id: str, clip_id: str) -> Clip:
        """Write the character's words into the clip's prompts, in place of another one's.

        InvalidRequestError for a character of another project, or prompts that grow too long.
        """
        for _ in range(_TRIES):
            character = await self._characters.get(character_id)
            clip = await self._clips.get(clip_id)
            changes = _checked_changes(clip, character)
            if not changes:
                return clip
            changes["updated_at"] = self._clock()
            if await self._clips.update_as_read(clip, changes):
                return await self._still_there(character_id, clip_id)
        raise ConflictError("The clip is being changed. Try again.", code="CLIP_BUSY")

    async def _still_there(self, character_id: str, clip_id: str) -> Clip:
        """Give the clip, unless the character was deleted while it was applied."""
        clip = await self._clips.get(clip_id)
        if await self._characters.find_by_id(character_id) is None:
            await self._leave(clip, character_id)
            raise ResourceNotFoundError.of("character", character_id)
        return clip

    async def _check_move(self, character: Character, project_id: str) -> None:
        await self._projects.get(project_id)
        if await self._clips.projects_with_character(character.id) - {project_id}:
            raise ConflictError(
                f"Clips of other projects have '{character.name}'. Take it out of them first.",
                code="CHARACTER_IN_USE",
            )

    async def _leave_clips(self, character_id: str) -> None:
        """Take a character out of all clips, a scene at a time.

        Each write names what was read. What changed meanwhile, the next round finds again.
        """
        for tries in range(_TRIES):
            scene_ids = await self._clips.scenes_with_character(character_id)
            if not scene_ids:
                return
            for scene_id in sorted(scene_ids):
                clips = await self._clips.list_with_character(scene_id, character_id)
                groups = _alike(clips) if tries == 0 else [[clip] for clip in clips]
                for first in range(0, len(groups), _AT_ONCE):
                    await asyncio.gather(*map(self._release, groups[first : first + _AT_ONCE]))
        raise ConflictError("A clip is being changed. Try again.", code="CLIP_BUSY")

    async def _release(self, alike: Sequence[Clip]) -> None:
        """Take the character out of clips of one scene with the same words: often one write."""
        clip = alike[0]
        changes = reassigned(clip, {"character_id": None, "updated_at": self._clock()})
        if len(alike) == 1:
            await self._clips.update_as_read(clip, changes)
        else:
            await self._clips.update_alike(clip, changes)

    async def _leave(self, clip: Clip, character_id: str) -> None:
        """Take a character out of a clip, unless it has gone or been replaced meanwhile."""
        for _ in range(_TRIES):
            if clip.character_id != character_id:
                return
            changes = reassigned(clip, {"character_id": None, "updated_at": self._clock()})
            if await self._clips.update_as_read(clip, changes):
                return
            found = await self._clips.find_by_id(clip.id)
            if found is None:
                return
            clip = found
        raise ConflictError("A clip is being changed. Try again.", code="CLIP_BUSY")


def _alike(clips: Sequence[Clip]) -> list[list[Clip]]:
    """Group clips from which the same words go."""
    groups: dict[Hashable, list[Clip]] = {}
    for clip in clips:
        key = (clip.image_prompt, clip.video_prompt, clip.character_words)
        groups.setdefault(key, []).append(clip)
    whole = [group for group in groups.values() if len(group) <= _ALIKE_AT_MOST]
    large = [group for group in groups.values() if len(group) > _ALIKE_AT_MOST]
    return whole + [[clip] for group in large for clip in group]


def _checked_changes(clip: Clip, character: Character) -> dict[str, object]:
    if not character.fits(clip.project_id):
        raise InvalidRequestError(
            "The character belongs to another project.", code="CHARACTER_OF_ANOTHER_PROJECT"
        )
    changes = applied(clip, character)
    for field in ("image_prompt", "video_prompt"):
        if len(changes.get(field, "")) > _LONGEST_PROMPT:
            raise InvalidRequestError(
                f"With this character the {field} would be longer than {_LONGEST_PROMPT}"
                " characters: shorten it, or the character's words.",
                code="PROMPT_TOO_LONG",
            )
    return changes
