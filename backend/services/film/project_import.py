"""Makes a project out of a JSON export: an equal one, with ids and files of its own."""

import asyncio
import re
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import AsyncExitStack
from typing import NamedTuple

import orjson
from pydantic import ValidationError

from backend.dtos.exports.project_file_dto import ProjectFileDTO
from backend.models.clip import Clip
from backend.models.content import GeneratedContent
from backend.models.project import Project
from backend.repositories.registry import Repositories
from backend.services.film.imported_film import ImportedFilm, imported_film, not_a_project
from backend.services.media.media_files import MediaFiles, clip_folder, project_folder
from backend.services.media.take_copies import TakeCopier, duplicate
from backend.services.media.uploads import read_upload
from backend.utils.clock import Clock

#: 10,000 clips with a few takes each have 30 MB.
MAX_FILE_BYTES = 256 * 1_048_576
_TOLD = 20
#: An escape that really is one: behind an even number of backslashes.
_NUL_ESCAPE = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
#: Clips whose files are linked at a time.
_AT_ONCE = 16


class ImportedProject(NamedTuple):
    project: Project
    scenes: int
    clips: int
    characters: int
    takes: int
    missing_files: int


class ProjectImporter:
    def __init__(self, repositories: Repositories, media: MediaFiles, *, clock: Clock) -> None:
        self._repos = repositories
        self._media = media
        self._copier = TakeCopier(media)
        self._clock = clock

    async def take_in(self, chunks: AsyncIterator[bytes]) -> ImportedProject:
        """Make the project. PayloadTooLargeError, or UnprocessableError for what is no export.

        The project itself is written last: one that was cut short is never seen. Files that are
        on this server are linked; takes of others are kept without a file.
        """
        body = await read_upload(chunks, MAX_FILE_BYTES, noun="A project file")
        given = await asyncio.to_thread(_parsed, body)
        known = await self._shared_characters(given)
        film = await asyncio.to_thread(imported_film, given, known, self._clock())
        async with AsyncExitStack() as undo:
            self._undo_with(undo, film)
            clips = await self._with_files(film.clips)
            project = await self._with_music(film.project)
            for character in film.characters:
                await self._repos.characters.add(character)
            await self._repos.scenes.add_many(film.scenes)
            await self._repos.clips.add_many(clips)
            await self._repos.projects.add(project)
            undo.pop_all()
        missing = await asyncio.to_thread(self._missing, project, clips)
        takes = sum(1 for _ in _takes(clips))
        counts = (len(film.scenes), len(clips), len(film.characters))
        return ImportedProject(project, *counts, takes, missing)

    async def _shared_characters(self, given: ProjectFileDTO) -> set[str]:
        """Which characters of all projects, that the film uses, this server knows."""
        shared = {each.id for each in given.characters if each.project_id is None}
        found = await self._repos.characters.list_by_ids(shared)
        return {each.id for each in found if each.project_id is None}

    def _undo_with(self, undo: AsyncExitStack, film: ImportedFilm) -> None:
        project_id = film.project.id
        undo.push_async_callback(self._media.remove_folder, project_folder(project_id))
        undo.push_async_callback(self._repos.characters.delete_for_project, project_id)
        undo.push_async_callback(self._repos.scenes.delete_for_project, project_id)
        undo.push_async_callback(self._repos.clips.delete_for_project, project_id)

    async def _with_files(self, clips: Sequence[Clip]) -> list[Clip]:
        made: list[Clip] = []
        for first in range(0, len(clips), _AT_ONCE):
            some = clips[first : first + _AT_ONCE]
            made += await asyncio.gather(*(self._with_own_takes(clip) for clip in some))
        return made

    async def _with_own_takes(self, clip: Clip) -> Clip:
        if not clip.generated_images and not clip.generated_videos:
            return clip
        return await self._copier.copy_gallery(clip, clip_folder(clip.project_id, clip.id))

    async def _with_music(self, project: Project) -> Project:
        """The music under a name of its own, whether its file is here or not."""
        source = project.music_file_path
        if source is None:
            return project
        name = source.rpartition("/")[2]
        path = f"{project_folder(project.id)}/music/{name}"
        await asyncio.to_thread(duplicate, self._media, source, path)
        return project.model_copy(
            update={"music_file_path": path, "music_file_url": f"/uploads/{path}"}
        )

    def _missing(self, project: Project, clips: Iterable[Clip]) -> int:
        paths = [take.path for take in _takes(clips)]
        if project.music_file_path:
            paths.append(project.music_file_path)
        return sum(not self._media.absolute(path).is_file() for path in paths)


def _takes(clips: Iterable[Clip]) -> Iterable[GeneratedContent]:
    for clip in clips:
        yield from clip.generated_images
        yield from clip.generated_videos


def _parsed(body: bytes) -> ProjectFileDTO:
    """UnprocessableError with the faults by place, as of any request; nothing sent is echoed."""
    if _NUL_ESCAPE.search(body):
        raise not_a_project("the character U+0000 can't be stored or exported")
    try:
        return ProjectFileDTO.model_validate(orjson.loads(body))
    except orjson.JSONDecodeError as error:
        raise not_a_project(f"it is no valid JSON ({error})") from error
    except ValidationError as error:
        faults = [
            {"loc": list(each["loc"]), "msg": each["msg"], "type": each["type"]}
            for each in error.errors(include_url=False, include_context=False, include_input=False)
        ]
        where = ".".join(str(part) for part in faults[0]["loc"])
        raise not_a_project(f"{where}: {faults[0]['msg']}", errors=faults[:_TOLD]) from error
