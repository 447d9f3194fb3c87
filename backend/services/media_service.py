"""Uploads: music for a project, faces for characters."""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from backend.models.project import Project
from backend.repositories.project_repository import ProjectRepository
from backend.services.media.audio_probe import AudioFacts, probe_audio, sniff_audio
from backend.services.media.image_probe import ImageFacts, probe_image, sniff_image
from backend.services.media.media_files import MediaFiles, project_folder
from backend.services.media.uploads import IncomingFile, UploadRule, write_upload
from backend.utils.clock import Clock
from backend.utils.errors import (
    DatabaseUnavailableError,
    PayloadTooLargeError,
    UnprocessableError,
    UnsupportedMediaError,
)
from backend.utils.ids import random_id

logger = logging.getLogger(__name__)

#: Files that are decoded at a time: more would only take cores and memory from the requests.
_DECODERS = 2
#: Pictures of one upload: as many as a character may have.
MAX_PICTURES = 50
#: Characters of a file's name that an error repeats.
_NAME_SHOWN = 100


class StoredMusic(NamedTuple):
    """`duration` in seconds; the path is relative to UPLOAD_DIR."""

    message: str
    file_path: str
    file_url: str
    duration: float


class StoredImage(NamedTuple):
    """Sizes in pixels, as shown; the path is relative to UPLOAD_DIR."""

    message: str
    file_url: str
    file_path: str
    width: int
    height: int


class StoredPictures(NamedTuple):
    """`fields` are the fields of the form that the pictures came in, in the same order."""

    message: str
    file_urls: list[str]
    file_paths: list[str]
    fields: list[str]


class MediaService:
    """The content decides what a file is; names are ours. A failed upload leaves no file."""

    def __init__(
        self,
        projects: ProjectRepository,
        media: MediaFiles,
        *,
        max_music_bytes: int,
        max_image_bytes: int,
        clock: Clock,
    ) -> None:
        self._projects = projects
        self._media = media
        self._music = UploadRule("Music", max_music_bytes, sniff_audio)
        self._image = UploadRule("A picture", max_image_bytes, sniff_image)
        self._clock = clock
        self._decoders = asyncio.Semaphore(_DECODERS)

    async def upload_music(self, project_id: str, chunks: AsyncIterator[bytes]) -> StoredMusic:
        """Take a project's music; the file before it goes once no project points to it.

        ResourceNotFoundError before anything is read; UnsupportedMediaError for what is no
        sound audio file, PayloadTooLargeError, StorageFullError.
        """
        await self._projects.get(project_id)
        async with self._media.workspace() as work:
            incoming = work / "music"
            await write_upload(chunks, incoming, self._music, media=self._media)
            async with self._decoders:
                audio = await asyncio.to_thread(probe_audio, incoming)
            music = _stored_music(project_id, audio)
            before = await self._hand_over(project_id, incoming, music)
        if before:
            await self._remove_unused(before)
        return music

    async def upload_face_image(self, chunks: AsyncIterator[bytes]) -> StoredImage:
        """Take a picture of a face, for a character to name; errors as with music."""
        async with self._media.workspace() as work:
            incoming = work / "image"
            image = await self._checked_image(chunks, incoming)
            path = _face_path(image)
            await asyncio.to_thread(self._media.take_in, incoming, path)
        return StoredImage("Face image uploaded.", _url(path), path, image.width, image.height)

    async def upload_pictures(self, files: AsyncIterator[IncomingFile]) -> StoredPictures:
        """Take the pictures of a character: all of them, or none when one is refused.

        Errors as with one picture, and they say which; UnprocessableError for too many.
        """
        fields: list[str] = []
        taken: list[tuple[Path, str]] = []
        async with self._media.workspace() as work:
            async for file in files:
                if len(taken) == MAX_PICTURES:
                    raise _too_many()
                incoming = work / str(len(taken))
                with _named(file, len(taken)):
                    image = await self._checked_image(file.chunks, incoming)
                fields.append(file.field)
                taken.append((incoming, _face_path(image)))
            await self._take_in_all(taken)
        paths = [path for _, path in taken]
        message = f"{len(paths)} picture{'s' if len(paths) > 1 else ''} uploaded."
        return StoredPictures(message, [_url(path) for path in paths], paths, fields)

    async def _checked_image(self, chunks: AsyncIterator[bytes], incoming: Path) -> ImageFacts:
        """Write a picture to a file of the workspace, and look at all of it."""
        await write_upload(chunks, incoming, self._image, media=self._media)
        async with self._decoders:
            return await asyncio.to_thread(probe_image, incoming)

    async def _take_in_all(self, taken: Sequence[tuple[Path, str]]) -> None:
        """Put files in their places; none stays when one can't be put there."""
        done = False
        try:
            for incoming, path in taken:
                await asyncio.to_thread(self._media.take_in, incoming, path)
            done = True
        finally:
            if not done:
                for _, path in taken:
                    await self._media.remove_file(path)

    async def _hand_over(self, project_id: str, incoming: Path, music: StoredMusic) -> str | None:
        """Put the file in its place and into its project; give the path that was there before.

        The file goes again when the project can't be written: it would belong to nobody.
        """
        kept = False
        try:
            await asyncio.to_thread(self._media.take_in, incoming, music.file_path)
            before = await self._exchange(project_id, music)
            kept = True
        finally:
            if not kept:
                await self._media.remove_file(music.file_path)
        return before

    async def _exchange(self, project_id: str, music: StoredMusic) -> str | None:
        """Write the music into the project as it stands: of two uploads at once none is lost."""
        while True:
            project: Project = await self._projects.get(project_id)
            changes = {
                "music_file_path": music.file_path,
                "music_file_url": music.file_url,
                "music_duration": music.duration,
                "updated_at": self._clock(),
            }
            if await self._projects.exchange_music(project, changes):
                return project.music_file_path

    async def _remove_unused(self, path: str) -> None:
        """Remove music that was replaced. The new one is in place: what stays is only litter."""
        try:
            if not await self._projects.uses_music(path):
                await self._media.remove_file(path)
        except (OSError, DatabaseUnavailableError):
            logger.warning("The music before could not be removed: %s", path, exc_info=True)


@contextmanager
def _named(file: IncomingFile, index: int) -> Iterator[None]:
    """Have a refusal say which of several files it is about."""
    try:
        yield
    except (PayloadTooLargeError, UnsupportedMediaError) as error:
        name = "".join(letter for letter in file.name if letter.isprintable())[:_NAME_SHOWN]
        which = f"File {index + 1} ('{name}')" if name else f"File {index + 1}"
        details = {**error.details, "index": index, "file_name": name}
        raise type(error)(f"{which}: {error.message}", code=error.code, **details) from error


def _too_many() -> UnprocessableError:
    words = f"One upload may have {MAX_PICTURES} pictures at most. Send the rest in another one."
    return UnprocessableError(words, code="TOO_MANY_FILES", limit=MAX_PICTURES)


def _face_path(image: ImageFacts) -> str:
    return f"faces/{random_id()}.{image.extension}"


def _url(path: str) -> str:
    return f"/uploads/{path}"


def _stored_music(project_id: str, audio: AudioFacts) -> StoredMusic:
    path = f"{project_folder(project_id)}/music/{random_id()}.{audio.extension}"
    return StoredMusic("Music uploaded.", path, _url(path), audio.duration)
