"""Exports a project: loads it once, builds its timeline, lets one exporter write it."""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple, Protocol

from backend.models.clip import Clip
from backend.models.project import Project
from backend.models.scene import Scene
from backend.models.timeline import Media, Timeline
from backend.services.exporters import archive, edl, fcpxml, json_export, placeholder
from backend.services.exporters.names import slug
from backend.services.timeline import build_timeline
from backend.services.timeline_media import MediaFacts, MediaMode, shown_takes

ExportFormat = Literal["fcpxml", "edl", "resolve", "json"]

_XML = "application/xml"


class ProjectReader(Protocol):
    async def get(self, project_id: str, /) -> Project:
        """ResourceNotFoundError if there is none."""
        ...


class SceneReader(Protocol):
    async def list_for_project(self, project_id: str, /) -> list[Scene]: ...


class ClipReader(Protocol):
    async def list_for_project(self, project_id: str, /) -> list[Clip]: ...


class ExportFile(NamedTuple):
    """`filename` is ASCII; `media_type` goes into Content-Type."""

    body: bytes
    media_type: str
    filename: str


class MediaFile(NamedTuple):
    """A file of the upload folder and the name under which timelines refer to it."""

    source: Path
    name: str


class CardFile(NamedTuple):
    """A placeholder's PNG, which exists nowhere else, and its name in timelines."""

    body: bytes
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportOptions:
    """`media_root` is the absolute folder of the media on the editor's machine, if known."""

    include_alternates: bool = False
    media_mode: MediaMode = "selected"
    media_root: str | None = None


@dataclass(frozen=True, slots=True)
class _Film:
    project: Project
    scenes: Sequence[Scene]
    clips: Sequence[Clip]
    options: ExportOptions = field(default_factory=ExportOptions)


class ExportService:
    def __init__(
        self, projects: ProjectReader, scenes: SceneReader, clips: ClipReader, upload_dir: Path
    ) -> None:
        self._projects = projects
        self._scenes = scenes
        self._clips = clips
        self._upload_dir = upload_dir.resolve()

    async def export(
        self,
        project_id: str,
        fmt: ExportFormat,
        *,
        include_alternates: bool = False,
        media_mode: MediaMode = "selected",
        media_root: str | None = None,
    ) -> ExportFile:
        """The project in a format. ResourceNotFoundError, or UnprocessableError if it can't be.

        Building runs in a thread: 10,000 clips take two seconds, and others wait on the loop.
        """
        options = ExportOptions(
            include_alternates=include_alternates, media_mode=media_mode, media_root=media_root
        )
        film = await self._load(project_id, options)
        return await asyncio.to_thread(self._write, film, fmt)

    async def timeline(
        self,
        project_id: str,
        *,
        include_alternates: bool = False,
        media_mode: MediaMode = "selected",
    ) -> Timeline:
        """What the exporters would write, with the problems they would meet."""
        options = ExportOptions(include_alternates=include_alternates, media_mode=media_mode)
        film = await self._load(project_id, options)
        return await asyncio.to_thread(self._build, film)

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

    async def _load(self, project_id: str, options: ExportOptions) -> _Film:
        project = await self._projects.get(project_id)
        scenes = await self._scenes.list_for_project(project_id)
        clips = await self._clips.list_for_project(project_id)
        return _Film(project, scenes, clips, options)

    def _build(self, film: _Film) -> Timeline:
        return build_timeline(
            film.project,
            film.scenes,
            film.clips,
            self._facts(film.clips),
            include_alternates=film.options.include_alternates,
            media_mode=film.options.media_mode,
        )

    def _write(self, film: _Film, fmt: ExportFormat) -> ExportFile:
        timeline = self._build(film)
        stem = slug(film.project.name, fallback="project", limit=60)
        root = film.options.media_root
        match fmt:
            case "fcpxml":
                return ExportFile(fcpxml.write(timeline, media_root=root), _XML, f"{stem}.fcpxml")
            case "resolve":
                body = fcpxml.write(timeline, variant="resolve", media_root=root)
                return ExportFile(body, _XML, f"{stem}_resolve.fcpxml")
            case "edl":
                return _edl_file(timeline, stem)
            case "json":
                body = json_export.write(
                    timeline, project=film.project, scenes=film.scenes, clips=film.clips
                )
                return ExportFile(body, "application/json", f"{stem}.json")

    def _facts(self, clips: Sequence[Clip]) -> dict[str, MediaFacts]:
        """Only what the documents can't say: which files are gone."""
        takes = (take for clip in clips for take in shown_takes(clip))
        return {
            take.id: MediaFacts.of(take, exists=False)
            for take in takes
            if self._locate(take.path) is None
        }

    def _found(self, timeline: Timeline) -> Iterator[MediaFile]:
        for media in timeline.media:
            source = self._locate(media.path) if media.path else None
            if source:
                yield MediaFile(source, media.name)

    def _locate(self, path: str) -> Path | None:
        """The file of a stored path, None if there is none inside the upload folder."""
        source = (self._upload_dir / path).resolve()
        inside = source.is_relative_to(self._upload_dir)
        return source if inside and source.is_file() else None


def _edl_file(timeline: Timeline, stem: str) -> ExportFile:
    parts = edl.write(timeline)
    if len(parts) == 1:
        return ExportFile(parts[0], "text/plain", f"{stem}.edl")
    body = archive.zip_parts(parts, stem=stem, suffix=".edl")
    return ExportFile(body, "application/zip", f"{stem}_edl.zip")


def _cards(timeline: Timeline) -> list[CardFile]:
    return [CardFile(_card(media), media.name) for media in timeline.media if media.path is None]


def _card(media: Media) -> bytes:
    return placeholder.draw(media.label, size=(media.width, media.height))
