"""The galleries of clips and characters: takes are added, read, selected and made again here."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from backend.models.clip import Clip
from backend.models.content import ContentType, GeneratedContent
from backend.models.job import Job
from backend.models.provenance import GraphPlan, graph_id_of
from backend.repositories.character_repository import CharacterRepository
from backend.repositories.character_take_repository import CharacterTakeRepository
from backend.repositories.clip_repository import ClipRepository
from backend.repositories.graph_repository import GraphRepository
from backend.services.media.media_files import character_folder, clip_folder
from backend.utils.clock import Clock
from backend.utils.errors import (
    ConflictError,
    InvalidRequestError,
    ResourceNotFoundError,
    StoryCanvasError,
)


class KnownTake(NamedTuple):
    """A take of a clip, and the graph that made it."""

    clip: Clip
    take: GeneratedContent
    plan: GraphPlan


class GalleryManager:
    """The one owner of galleries: whoever makes, moves or shows a take comes here."""

    def __init__(
        self,
        clips: ClipRepository,
        characters: CharacterRepository,
        character_takes: CharacterTakeRepository,
        *,
        graphs: GraphRepository,
        clock: Clock,
    ) -> None:
        self._clips = clips
        self._characters = characters
        self._character_takes = character_takes
        self._graphs = graphs
        self._clock = clock

    async def add(self, job: Job, take: GeneratedContent) -> bool:
        """Add a take once, however often it is delivered; False: its clip or character is gone."""
        if job.character_id is not None:
            return await self._add_to_character(job.character_id, take)
        return await self._clips.add_take(job.clip_id or "", take)

    async def add_and_select(self, clip_id: str, take: GeneratedContent) -> bool:
        """Have a clip show a take that it may have already; False: there is no such clip."""
        if not await self._clips.add_take(clip_id, take):
            return False
        await self._clips.select(clip_id, take.content_type, take.id, take.created_at)
        return True

    async def select(self, clip_id: str, content_id: str, kind: ContentType) -> Clip:
        """Show a take; one guarded write, so that selections made at once lose nothing.

        ResourceNotFoundError for a take that the clip does not have, InvalidRequestError for one
        of the other kind.
        """
        selected = await self._clips.select(clip_id, kind, content_id, self._clock())
        clip = await self._clips.get(clip_id)
        if not selected:
            raise _not_in_gallery(clip, content_id, kind)
        return clip

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

    async def graphs_of(
        self, owner_id: str, takes: Iterable[GeneratedContent]
    ) -> dict[str, GraphPlan]:
        """Read the graphs of takes by hash; one that takes share is there once.

        `owner_id` is the project of a clip's takes, else the character.
        """
        hashes = dict.fromkeys(take.provenance.graph_hash for take in takes if take.provenance)
        ids = {graph_id_of(owner_id, one): one for one in hashes}
        found = await self._graphs.list_by_ids(list(ids))
        return {ids[kept.id]: kept.plan for kept in found}

    async def known_take(self, clip_id: str, content_id: str) -> KnownTake:
        """Find a take that can be made again as it was.

        ResourceNotFoundError without it, ConflictError for one whose graph nobody knows.
        """
        clip = await self._clips.get(clip_id)
        take = clip.take(content_id)
        if take is None:
            raise ResourceNotFoundError.of("take", content_id)
        made = take.provenance
        graph_id = graph_id_of(clip.project_id, made.graph_hash) if made else None
        kept = await self._graphs.find_by_id(graph_id) if graph_id else None
        if kept is None:
            raise ConflictError(
                "Nobody knows this take's graph: it was uploaded, imported, or made elsewhere.",
                code="NO_GRAPH",
                content_id=take.id,
            )
        return KnownTake(clip, take, kept.plan)

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


def _not_in_gallery(clip: Clip, content_id: str, kind: ContentType) -> StoryCanvasError:
    take = clip.take(content_id)
    if take is None:
        return ResourceNotFoundError.of("take", content_id)
    return InvalidRequestError(
        f"That take is of type {take.content_type}, not {kind}.", code="WRONG_CONTENT_TYPE"
    )
