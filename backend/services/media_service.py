"""Uploads: music for a project."""

import asyncio
import os
from pathlib import Path
from typing import BinaryIO, NamedTuple

from backend.repositories.project_repository import ProjectRepository
from backend.services.audio_probe import probe_audio
from backend.services.comfyui_client import storage_errors
from backend.services.media_files import MediaFiles, project_folder
from backend.utils.clock import Clock
from backend.utils.errors import PayloadTooLargeError, ResourceNotFoundError
from backend.utils.ids import new_id

_CHUNK = 1 << 20


class StoredMusic(NamedTuple):
    """`duration` in seconds; the path is relative to UPLOAD_DIR."""

    message: str
    file_path: str
    file_url: str
    duration: float


class MediaService:
    def __init__(
        self, projects: ProjectRepository, media: MediaFiles, *, max_music_bytes: int, clock: Clock
    ) -> None:
        self._projects = projects
        self._media = media
        self._max_music_bytes = max_music_bytes
        self._clock = clock

    async def upload_music(self, project_id: str, file: BinaryIO) -> StoredMusic:
        """Take a project's music; the content decides what it is.

        UnsupportedMediaError for what is no audio, PayloadTooLargeError beyond the limit; neither
        leaves a file behind. The music before it goes once the new one is in place.
        """
        project = await self._projects.get(project_id)
        incoming = self._media.incoming(new_id())
        try:
            await asyncio.to_thread(self._save, file, incoming)
            audio = await asyncio.to_thread(probe_audio, incoming)
            path = f"{project_folder(project_id)}/music/{new_id()}.{audio.extension}"
            await asyncio.to_thread(self._take_in, incoming, path)
        finally:
            await asyncio.to_thread(incoming.unlink, missing_ok=True)
        music = StoredMusic("Music uploaded.", path, f"/uploads/{path}", audio.duration)
        await self._hand_over(project_id, music)
        if project.music_file_path:
            await self._media.remove_file(project.music_file_path)
        return music

    async def _hand_over(self, project_id: str, music: StoredMusic) -> None:
        """Write the music into its project, or remove the file that then belongs to nobody."""
        changes = {
            "music_file_path": music.file_path,
            "music_file_url": music.file_url,
            "music_duration": music.duration,
            "updated_at": self._clock(),
        }
        kept = False
        try:
            kept = await self._projects.update(project_id, changes)
        finally:
            if not kept:
                await self._media.remove_file(music.file_path)
        if not kept:
            raise ResourceNotFoundError.of("project", project_id)

    def _take_in(self, incoming: Path, path: str) -> None:
        with storage_errors():
            self._media.take_in(incoming, path)

    def _save(self, source: BinaryIO, target: Path) -> None:
        size = 0
        with storage_errors(), target.open("xb") as out:
            while chunk := source.read(_CHUNK):
                size += len(chunk)
                if size > self._max_music_bytes:
                    limit = self._max_music_bytes / 1_048_576
                    raise PayloadTooLargeError(f"Music may have {limit:g} MB at most.")
                out.write(chunk)
            out.flush()
            os.fsync(out.fileno())
