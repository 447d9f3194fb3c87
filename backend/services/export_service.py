"""Exports a project: loads it once, builds its timeline, lets one exporter write it."""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import NamedTuple, TypeVar

from backend.models.exports.preflight import Preflight
from backend.models.exports.timeline import Media, Timeline
from backend.services.exports import preflight
from backend.services.exports.export_files import ExportFile, export_file
from backend.services.exports.film import ExportFormat, ExportOptions, Film, FilmLoader
from backend.services.exports.formats import placeholder
from backend.services.exports.media_facts import MediaInspector
from backend.services.exports.timeline import build_timeline
from backend.services.exports.timeline_media import MediaFacts, MediaMode, ShortVideo
from backend.utils.collector_pause import CollectorPause

__all__ = ["CardFile", "ExportFile", "ExportFormat", "ExportService", "MediaFile"]

#: Films that are built and written at once: each takes a core, and memory for all its clips.
_AT_ONCE = 2

T = TypeVar("T")


class MediaFile(NamedTuple):
    """A file of the upload folder and the name under which timelines refer to it."""

    source: Path
    name: str


class CardFile(NamedTuple):
    """A placeholder's PNG, which exists nowhere else, and its name in timelines."""

    body: bytes
    name: str


class ExportService:
    """Building and writing run in a thread: 10,000 clips take a second, and others wait here."""

    def __init__(self, films: FilmLoader, upload_dir: Path) -> None:
        self._films = films
        self._inspector = MediaInspector(upload_dir)
        self._turns = asyncio.Semaphore(_AT_ONCE)
        self._pause = CollectorPause()

    async def export(
        self, project_id: str, fmt: ExportFormat, options: ExportOptions | None = None
    ) -> ExportFile:
        """The project in a format.

        ResourceNotFoundError; ConflictError in the words of the preflight for what the format
        can't carry; InvalidRequestError for a `media_root` that is none.
        """
        async with self._turns:
            with self._pause():
                film = await self._film(project_id, options, with_characters=fmt == "json")
                return await asyncio.to_thread(self._write, film, fmt)

    async def preflight(
        self, project_id: str, fmt: ExportFormat, options: ExportOptions | None = None
    ) -> Preflight:
        """What a format would leave out, change or refuse."""
        async with self._turns:
            with self._pause():
                film = await self._film(project_id, options)
                return await asyncio.to_thread(self._inspect, film, fmt)

    async def film_and_timeline(
        self,
        project_id: str,
        options: ExportOptions | None = None,
        *,
        short_video: ShortVideo = "gap",
    ) -> tuple[Film, Timeline]:
        """For what is made of the film beside timelines: paper, pictures, packages.

        ConflictError for a film that no timeline can carry. With `hold`, whoever writes the media
        must make each video as long as its `frames` say, by its last picture.
        """
        async with self._turns:
            with self._pause():
                film = await self._film(project_id, options)
                build = partial(self._build, film, short_video=short_video)
                return film, await asyncio.to_thread(build)

    async def whole_film(self, project_id: str, options: ExportOptions) -> Film:
        """With its characters, as a package needs it."""
        return await self._film(project_id, options, with_characters=True)

    async def check(self, project_id: str) -> None:
        """ResourceNotFoundError without the project."""
        await self._films.project(project_id)

    async def in_turn(self, work: Callable[[], T]) -> T:
        """Do what takes a core for long in a thread, in turn with other exports."""
        async with self._turns:
            with self._pause():
                return await asyncio.to_thread(work)

    def build(
        self, film: Film, *, short_video: ShortVideo = "gap", known: Mapping[str, MediaFacts]
    ) -> Timeline:
        """The timeline of a film; `known` is what somebody found out of its media meanwhile.

        Blocking: call it `in_turn`. ConflictError for a film that no timeline can carry.
        """
        return self._build(film, short_video=short_video, known=known)

    def locate(self, path: str) -> Path | None:
        """The file of a stored path, None if there is none inside the upload folder."""
        return self._inspector.locate(path)

    async def timeline(
        self,
        project_id: str,
        *,
        include_alternates: bool = False,
        media_mode: MediaMode = "selected",
    ) -> Timeline:
        """What the exporters would write, with the problems they would meet."""
        options = ExportOptions(include_alternates=include_alternates, media_mode=media_mode)
        _, timeline = await self.film_and_timeline(project_id, options)
        return timeline

    async def media_files(
        self,
        project_id: str,
        *,
        include_alternates: bool = False,
        media_mode: MediaMode = "selected",
    ) -> list[MediaFile]:
        """The files to copy into the media folder beside a timeline of the same options.

        Files that are missing, or lie outside the upload folder, are left out.
        """
        timeline = await self.timeline(
            project_id, include_alternates=include_alternates, media_mode=media_mode
        )
        return await asyncio.to_thread(lambda: list(self._found(timeline)))

    async def placeholder_cards(
        self, project_id: str, *, include_alternates: bool = False
    ) -> list[CardFile]:
        """What a timeline in placeholder mode needs beside its `media_files`."""
        timeline = await self.timeline(
            project_id, include_alternates=include_alternates, media_mode="placeholder"
        )
        return await asyncio.to_thread(_cards, timeline)

    async def _film(
        self, project_id: str, options: ExportOptions | None, *, with_characters: bool = False
    ) -> Film:
        return await self._films.load(
            project_id, options or ExportOptions(), with_characters=with_characters
        )

    def _build(
        self,
        film: Film,
        *,
        short_video: ShortVideo = "gap",
        known: Mapping[str, MediaFacts] | None = None,
    ) -> Timeline:
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

    def _write(self, film: Film, fmt: ExportFormat) -> ExportFile:
        timeline = self._build(film)
        preflight.refuse(timeline, fmt)
        return export_file(fmt, film, timeline)

    def _inspect(self, film: Film, fmt: ExportFormat) -> Preflight:
        if preflight.bad_rate(film):
            return preflight.of_bad_rate(film, fmt)
        return preflight.inspect(film, self._build(film), fmt)

    def _found(self, timeline: Timeline) -> Iterator[MediaFile]:
        for media in timeline.media:
            source = self._inspector.locate(media.path) if media.path else None
            if source:
                yield MediaFile(source, media.name)


def _cards(timeline: Timeline) -> list[CardFile]:
    return [CardFile(_card(media), media.name) for media in timeline.media if media.path is None]


def _card(media: Media) -> bytes:
    return placeholder.draw(media.label, size=(media.width, media.height))
