"""The storyboard on paper: the film's panels as a PDF, or as a page that prints like it."""

import asyncio
import calendar
import hashlib
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Literal, Protocol

from backend.models.exports.timeline import Timeline
from backend.services.exports.export_files import safe_title
from backend.services.exports.film import ExportOptions, Film
from backend.services.exports.formats.names import slug
from backend.services.exports.storyboard import typesetting
from backend.services.exports.storyboard.board import Storyboard, board_of
from backend.services.exports.storyboard.fonts import are_installed, fonts_for
from backend.services.exports.storyboard.page_form import PageForm, panel_form
from backend.services.exports.storyboard.paper import document_of, texts_of
from backend.services.exports.storyboard.pictures import pixels, write_pictures
from backend.services.exports.storyboard.web_fonts import write_fonts
from backend.services.exports.storyboard.web_page import write_page
from backend.services.exports.storyboard.words import TextSetter, home_language
from backend.services.exports.timeline_media import ShortVideo
from backend.services.media.media_files import INCOMING
from backend.utils.collector_pause import CollectorPause
from backend.utils.errors import ConflictError

StoryboardFormat = Literal["pdf", "html"]

#: Boards that are drawn at once: each takes two cores for seconds.
_AT_ONCE = 1
_BLOCK = 1 << 20
_MEDIA_TYPES = {"pdf": "application/pdf", "html": "text/html"}


class FilmReader(Protocol):
    async def film_and_timeline(
        self,
        project_id: str,
        options: ExportOptions | None = None,
        *,
        short_video: ShortVideo = "gap",
    ) -> tuple[Film, Timeline]:
        """ResourceNotFoundError; ConflictError for a film that no timeline can carry."""
        ...


@dataclass(frozen=True, slots=True)
class StoryboardFile:
    """A file in a folder of its own, which whoever sends it removes by `discard`."""

    path: Path
    media_type: str
    filename: str
    title: str
    etag: str
    size: int
    folder: "tempfile.TemporaryDirectory[str]"

    def discard(self) -> None:
        """Blocking."""
        self.folder.cleanup()


class StoryboardService:
    """Drawing runs in threads, setting the PDF in a process: others are not kept waiting."""

    def __init__(
        self,
        films: FilmReader,
        upload_dir: Path,
        *,
        panels_a_part: int = typesetting.PANELS_A_PART,
    ) -> None:
        self._films = films
        self._panels_a_part = panels_a_part
        self._uploads = upload_dir
        self._pause = CollectorPause()
        self._turns = asyncio.Semaphore(_AT_ONCE)

    async def export(
        self,
        project_id: str,
        fmt: StoryboardFormat,
        *,
        form: PageForm,
        options: ExportOptions | None = None,
    ) -> StoryboardFile:
        """ResourceNotFoundError; ConflictError where no typesetter is installed."""
        if fmt == "pdf" and not typesetting.is_available():
            raise ConflictError(
                "The typesetter typst or its fonts are not installed, so there is no PDF. Install"
                " the requirements, or print storyboard.html from a browser.",
                code="EXPORT_REFUSED",
                finding="library_missing",
            )
        async with self._turns:
            board = await self._board(project_id, options)
            making = asyncio.to_thread(self._make, board, fmt=fmt, form=form)
            return await _kept(asyncio.ensure_future(making))

    async def _board(self, project_id: str, options: ExportOptions | None) -> Storyboard:
        """The film is let go as soon as its board is known, before the long part of the work."""
        with self._pause():
            film, timeline = await self._films.film_and_timeline(
                project_id, options, short_video="hold"
            )
            return await asyncio.to_thread(board_of, film, timeline)

    def _make(self, board: Storyboard, *, fmt: StoryboardFormat, form: PageForm) -> StoryboardFile:
        # Windows keeps files from being removed for a moment after a process read them.
        folder = tempfile.TemporaryDirectory(
            prefix="storyboard-", dir=self._workshop(), ignore_cleanup_errors=True
        )
        with ExitStack() as unfinished:
            unfinished.callback(folder.cleanup)
            path = self._drawn(board, form, fmt, Path(folder.name))
            made = _file(path, board.title, fmt=fmt, folder=folder)
            unfinished.pop_all()
        return made

    def _workshop(self) -> Path:
        """Where a start sweeps up what a killed process left."""
        incoming = self._uploads / INCOMING
        incoming.mkdir(parents=True, exist_ok=True)
        return incoming

    def _drawn(
        self, board: Storyboard, form: PageForm, fmt: StoryboardFormat, folder: Path
    ) -> Path:
        boxes = panel_form(form, board.aspect)
        size = pixels(boxes.picture.width, boxes.picture.height)
        pictures = write_pictures(board.panels, self._uploads, folder, size=size)
        texts = texts_of(board)
        if fmt == "html":
            words = TextSetter(_every_letter, home_language(texts))
            document = document_of(board, form, boxes, words=words, pictures=pictures)
            fonts_css = write_fonts(folder, document) if are_installed() else ""
            return write_page(folder, document, fonts_css=fonts_css)
        fonts = fonts_for(texts)
        words = TextSetter(fonts.knows, home_language(texts))
        document = document_of(board, form, boxes, words=words, pictures=pictures)
        made = calendar.timegm(date.fromisoformat(board.date).timetuple())
        return typesetting.typeset(
            folder, document, fonts=fonts, date=made, panels_a_part=self._panels_a_part
        )


async def _kept(making: "asyncio.Future[StoryboardFile]") -> StoryboardFile:
    """Nobody stops a thread: what it makes for a request that is gone is removed when it ends."""
    try:
        return await asyncio.shield(making)
    except asyncio.CancelledError:
        making.add_done_callback(_thrown_away)
        raise


def _thrown_away(making: "asyncio.Future[StoryboardFile]") -> None:
    if not making.cancelled() and making.exception() is None:
        making.result().discard()


def _every_letter(_char: str) -> bool:
    """Browsers look for letters that the page lacks in the fonts of their machine."""
    return True


def _file(
    path: Path, name: str, *, fmt: StoryboardFormat, folder: "tempfile.TemporaryDirectory[str]"
) -> StoryboardFile:
    digest = hashlib.sha256()
    with path.open("rb") as handle:
        while block := handle.read(_BLOCK):
            digest.update(block)
    ending = f"_storyboard.{fmt}"
    return StoryboardFile(
        path=path,
        media_type=_MEDIA_TYPES[fmt],
        filename=slug(name, fallback="project", limit=60) + ending,
        title=safe_title(name) + ending,
        etag=f'"{digest.hexdigest()[:32]}"',
        size=path.stat().st_size,
        folder=folder,
    )
