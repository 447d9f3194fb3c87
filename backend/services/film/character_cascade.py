"""What goes with a character: unfinished jobs, takes, their files and their graphs."""

from backend.models.character import Character
from backend.repositories.character_take_repository import CharacterTakeRepository
from backend.repositories.graph_repository import GraphRepository
from backend.services.film.cascade import JobCanceller
from backend.services.media.media_files import MediaFiles, character_folder


class CharacterCascade:
    def __init__(
        self,
        takes: CharacterTakeRepository,
        graphs: GraphRepository,
        *,
        jobs: JobCanceller,
        media: MediaFiles,
    ) -> None:
        self._takes = takes
        self._graphs = graphs
        self._jobs = jobs
        self._media = media

    async def remove(self, character: Character) -> None:
        """Cancel its jobs first, so that no take comes while the others go."""
        project_id = character.project_id or ""
        await self._jobs.cancel_for("character_id", character.id, project_id=project_id)
        await self._takes.delete_for(character.id)
        await self._graphs.delete_for_project(character.id)
        await self._media.remove_folder(character_folder(character.id))
