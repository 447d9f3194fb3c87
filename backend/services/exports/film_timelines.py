"""Films and their timelines, for everything that is made of a film."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TypeVar

from backend.models.exports.timeline import Timeline
from backend.services.exports import preflight
from backend.services.exports.film import ExportOptions, Film, FilmLoader
from backend.services.exports.media_facts import MediaInspector
from backend.services.exports.timeline import build_timeline
from backend.services.exports.timeline_media import MediaFacts, ShortVideo
from backend.utils.collector_pause import CollectorPause

#: Films that are built and written at once: each takes a core, and memory for all its clips.
_AT_ONCE = 2

T = TypeVar("T")


class FilmTimelines:
    """Loads films, builds their timelines and locates their media.

    10,000 clips take a second of a thread, so this happens in turns, for which others wait here.
    """

    def __init__(self, films: FilmLoader, upload_dir: Path) -> None:
        self._films = films
        self._inspector = MediaInspector(upload_dir)
        self._turns = asyncio.Semaphore(_AT_ONCE)
        self._pause = CollectorPause()

    async def check(self, project_id: str) -> None:
        """ResourceNotFoundError without the project."""
        await self._films.project(project_id)

    async def load(
        self,
        project_id: str,
        options: ExportOptions | None = None,
        *,
        with_characters: bool = False,
    ) -> Film:
        """ResourceNotFoundError without the project."""
        return await self._films.load(
            project_id, options or ExportOptions(), with_characters=with_characters
        )

    async def film_and_timeline(
        self,
        project_id: str,
        options: ExportOptions | None = None,
        *,
        short_video: ShortVideo = "gap",
    ) -> tuple[Film, Timeline]:
        """Load and build in one turn.

        ConflictError for a film that no timeline can carry. With `hold`, whoever writes the media
        must make each video as long as its `frames` say, by its last picture.
        """
        async with self.turn():
            film = await self.load(project_id, options)
            build = partial(self.build, film, short_video=short_video)
            return film, await asyncio.to_thread(build)

    async def in_turn(self, work: Callable[[], T]) -> T:
        """Do what takes a core for long in a thread, in turn with others."""
        async with self.turn():
            return await asyncio.to_thread(work)

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait until few others load and build films. A holder that asks again waits for itself."""
        async with self._turns:
            with self._pause():
                yield

    def build(
        self,
        film: Film,
        *,
        short_video: ShortVideo = "gap",
        known: Mapping[str, MediaFacts] | None = None,
    ) -> Timeline:
        """The timeline of a film; `known` is what somebody found out of its media meanwhile.

        Blocking: call it in a thread. ConflictError for a film that no timeline can carry.
        """
        preflight.refuse_rate(film)
        return build_timeline(
            film.project,
            film.scenes,
            film.clips,
            {**self._inspector.facts(film.project, film.clips), **(known or {})},
            include_alternates=film.options.include_alternates,
            media_mode=film.options.media_mode,
            short_video=short_video,
        )

    def locate(self, path: str) -> Path | None:
        """The file of a stored path, None if there is none inside the upload folder."""
        return self._inspector.locate(path)
