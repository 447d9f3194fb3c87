"""Pictures of characters, made on request and read as a gallery."""

from collections.abc import Sequence

from backend.dtos.character_dto import CharacterPictureDTO
from backend.models.content import GeneratedContent
from backend.models.job import Job
from backend.models.provenance import GraphPlan
from backend.repositories.character_repository import CharacterRepository
from backend.services.film.galleries import Galleries
from backend.services.generation.awaited_jobs import AwaitedJobs, Generated
from backend.services.generation.job_factory import JobFactory
from backend.services.generation.take_graphs import TakeGraphs


class CharacterPictures:
    def __init__(
        self,
        characters: CharacterRepository,
        galleries: Galleries,
        *,
        factory: JobFactory,
        awaited: AwaitedJobs,
        graphs: TakeGraphs,
    ) -> None:
        self._characters = characters
        self._galleries = galleries
        self._factory = factory
        self._awaited = awaited
        self._graphs = graphs

    async def generate(
        self, character_id: str, dto: CharacterPictureDTO, *, wait: bool
    ) -> Job | Generated:
        """Queue a picture of a character; waits, answers and raises as `generate` for a clip."""
        character = await self._characters.get(character_id)
        job = await self._factory.prepare_picture(character, dto)
        return await self._awaited.run(job, wait=wait)

    async def gallery(self, character_id: str) -> Sequence[GeneratedContent]:
        """Read a character's takes, oldest first; ResourceNotFoundError when it is gone."""
        return await self._galleries.of_character(character_id)

    async def graphs(
        self, character_id: str, takes: Sequence[GeneratedContent]
    ) -> dict[str, GraphPlan]:
        """Read the graphs of a character's takes by hash."""
        return await self._graphs.of_takes(character_id, takes)
