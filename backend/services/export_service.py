"""Exports a project: loads it once, builds its timeline, lets one exporter write it."""

import asyncio

from backend.models.exports.preflight import Preflight
from backend.services.exports import preflight
from backend.services.exports.export_files import ExportFile, export_file
from backend.services.exports.film import ExportFormat, ExportOptions, Film
from backend.services.exports.film_timelines import FilmTimelines


class ExportService:
    def __init__(self, timelines: FilmTimelines) -> None:
        self._timelines = timelines

    async def export(
        self, project_id: str, fmt: ExportFormat, options: ExportOptions | None = None
    ) -> ExportFile:
        """The project in a format.

        ResourceNotFoundError; ConflictError in the words of the preflight for what the format
        can't carry; InvalidRequestError for a `media_root` that is none.
        """
        async with self._timelines.turn():
            film = await self._timelines.load(project_id, options, with_characters=fmt == "json")
            return await asyncio.to_thread(self._write, film, fmt)

    async def preflight(
        self, project_id: str, fmt: ExportFormat, options: ExportOptions | None = None
    ) -> Preflight:
        """What a format would leave out, change or refuse."""
        async with self._timelines.turn():
            film = await self._timelines.load(project_id, options)
            return await asyncio.to_thread(self._inspect, film, fmt)

    def _write(self, film: Film, fmt: ExportFormat) -> ExportFile:
        timeline = self._timelines.build(film)
        preflight.refuse(timeline, fmt)
        return export_file(fmt, film, timeline)

    def _inspect(self, film: Film, fmt: ExportFormat) -> Preflight:
        if preflight.bad_rate(film):
            return preflight.of_bad_rate(film, fmt)
        return preflight.inspect(film, self._timelines.build(film), fmt)
