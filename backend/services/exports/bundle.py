"""The media package: timelines of every format and the media they name, as a zip that streams.

Media come first: what turns out to be broken on the way is left out, or becomes a card, and the
timelines behind them are written of what really is in the package.

`ZipStream` is written while it is read: nothing of the archive is ever whole in memory. It stands
on the standard library, over a stream that can't seek: sizes and checksums follow each file, and
what is larger than 4 GB, or lies behind that, is written as ZIP64. Media are stored as they are:
they are compressed already. It blocks: call `pieces` and `finish` in a thread, step by step.
"""

import asyncio
import hashlib
import os
import zipfile
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple, get_args

from backend.models.exports.timeline import ClipItem, Media, Music, ProblemCode, Timeline
from backend.services.exports import preflight
from backend.services.exports.export_files import export_file, safe_title
from backend.services.exports.film import ExportFormat, ExportOptions, Film
from backend.services.exports.film_timelines import FilmTimelines
from backend.services.exports.fingerprints import FileFingerprint
from backend.services.exports.formats import edl, package_notes
from backend.services.exports.formats.media_url import MEDIA_FOLDER, media_url
from backend.services.exports.formats.names import slug
from backend.services.exports.formats.package_notes import WrittenTimeline
from backend.services.exports.media_preparation import MediaPreparer, PreparedMedia
from backend.services.exports.rendering.process import BrokenSourceError
from backend.services.exports.timeline_media import MediaFacts, ShortVideo
from backend.utils.errors import ConflictError, StorageFullError

_PIECE = 262_144
#: Zip cannot tell time before 1980; a fixed date keeps archives reproducible.
_EPOCH = (1980, 1, 1, 0, 0, 0)
_FILE_MODE = 0o100644 << 16


class _Sink:
    """What zipfile writes to; it has no position, so zipfile never goes back."""

    def __init__(self) -> None:
        self._written: list[bytes] = []

    def write(self, data: bytes) -> int:
        self._written.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        """Nothing is held back."""

    def take(self) -> bytes:
        """Most pieces are one write, and not copied once more."""
        taken = self._written[0] if len(self._written) == 1 else b"".join(self._written)
        self._written.clear()
        return taken


class ZipStream:
    """Give each file in turn, take the pieces, and take the end with `finish`."""

    def __init__(self) -> None:
        self._sink = _Sink()
        self._archive = zipfile.ZipFile(self._sink, "w", allowZip64=True)  # type: ignore[call-overload]

    def stored(self, name: str, source: BinaryIO) -> Iterator[bytes]:
        """An open file as it is; it is closed at the end. OSError when it can't be read."""
        with source:
            yield from self._pieces(name, source, os.fstat(source.fileno()).st_size)

    def deflated(self, name: str, body: bytes) -> bytes:
        entry = _entry(name)
        entry.compress_type = zipfile.ZIP_DEFLATED
        self._archive.writestr(entry, body)
        return self._sink.take()

    def finish(self) -> bytes:
        """The directory, which is the end of the archive."""
        self._archive.close()
        return self._sink.take()

    def _pieces(self, name: str, source: BinaryIO, size: int) -> Iterator[bytes]:
        entry = _entry(name)
        entry.file_size = size  # tells zipfile whether it needs ZIP64
        with self._archive.open(entry, "w") as target:
            while data := source.read(_PIECE):
                target.write(data)
                yield self._sink.take()
        yield self._sink.take()


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, _EPOCH)
    entry.external_attr = _FILE_MODE
    entry.compress_type = zipfile.ZIP_STORED
    return entry


FORMATS: Final[tuple[ExportFormat, ...]] = get_args(ExportFormat)
_LABELS: Final[Mapping[ExportFormat, str]] = {
    "fcpxml": "FCPXML",
    "resolve": "FCPXML for Resolve",
    "edl": "EDL",
    "xmeml": "XML for Premiere",
    "otio": "OpenTimelineIO",
    "json": "JSON",
    "csv": "Shot list",
}
#: Raise it when the same film makes another package.
_VERSION = 1
_README = "README.txt"


class PackedFile(NamedTuple):
    """A file of the package: its name in it, and its open source."""

    name: str
    source: BinaryIO


@dataclass
class _PackageState:
    """What is known while a package is written."""

    timeline: Timeline
    known: dict[str, MediaFacts] = field(default_factory=dict)
    lost: list[str] = field(default_factory=list)
    done: dict[str, Media] = field(default_factory=dict)


class Bundle:
    """One package, ready to be streamed. `etag` is weak: encoders may differ in bytes."""

    def __init__(
        self,
        timelines: FilmTimelines,
        media_preparer: MediaPreparer,
        film: Film,
        *,
        timeline: Timeline,
        etag: str,
        short_video: ShortVideo,
    ) -> None:
        self._timelines = timelines
        self._media_preparer = media_preparer
        self._film = film
        self._short_video: ShortVideo = short_video
        self._state = _PackageState(timeline)
        self.etag = etag
        self.filename = slug(film.project.name, fallback="project", limit=60) + "_bundle.zip"
        self.title = safe_title(film.project.name) + ".zip"

    async def pieces(self) -> AsyncGenerator[bytes, None]:
        """The zip, a quarter of a MiB at a time. Who stops taking them stops what is being made."""
        archive = ZipStream()
        async with aclosing(self._media()) as files:
            async for packed in files:
                pieces = archive.stored(packed.name, packed.source)
                async for piece in _stepped(pieces):
                    yield piece
        for name, body in await self._timelines.in_turn(lambda: list(self._documents())):
            yield await asyncio.to_thread(archive.deflated, name, body)
        yield await asyncio.to_thread(archive.finish)

    async def _media(self) -> AsyncGenerator[PackedFile, None]:
        """Each file once. A broken one changes the timeline, which may then show another."""
        state = self._state
        while todo := [media for media in state.timeline.media if media.id not in state.done]:
            faults = len(state.known)
            for media in todo:
                packed = await self._prepared(media)
                if packed is not None:
                    state.done[media.id] = packed[0].media
                    yield PackedFile(f"{MEDIA_FOLDER}/{packed[0].media.name}", packed[1])
            if len(state.known) > faults:
                state.timeline = await self._timelines.in_turn(self._rebuilt)

    async def _prepared(self, media: Media) -> tuple[PreparedMedia, BinaryIO] | None:
        """None when it can't be packed; then the timeline must do without it."""
        rate = self._state.timeline.rate
        try:
            source = self._timelines.locate(media.path) if media.path else None
            if media.path and source is None:
                raise BrokenSourceError("it is not there")
            packed = await self._media_preparer.prepare(media, source, rate)
            return packed, await asyncio.to_thread(_open, packed.path)
        except (BrokenSourceError, StorageFullError, FileNotFoundError) as error:
            if media.path is None:
                raise
            why = error.strerror if isinstance(error, OSError) else error
            self._state.known[media.id] = MediaFacts(fault=ProblemCode.DAMAGED_FILE)
            self._state.lost.append(f"{MEDIA_FOLDER}/{media.name}: {why}")
            return None

    def _rebuilt(self) -> Timeline:
        return self._timelines.build(
            self._film, short_video=self._short_video, known=self._state.known
        )

    def _documents(self) -> Iterator[tuple[str, bytes]]:
        timeline = relinked(self._state.timeline, self._state.done)
        written: dict[str, WrittenTimeline] = {}
        for fmt in FORMATS:
            try:
                files = _files(fmt, self._film, timeline)
            except ConflictError as refusal:
                written[fmt] = WrittenTimeline(_LABELS[fmt], refusal=refusal.message)
                continue
            written[fmt] = WrittenTimeline(_LABELS[fmt], [name for name, _ in files])
            yield from files
        root = self._film.options.media_root or ""
        notes = package_notes.write(timeline, written, lost=self._state.lost, media_root=root)
        yield _README, notes


class BundleService:
    def __init__(self, timelines: FilmTimelines, media_preparer: MediaPreparer) -> None:
        self._timelines = timelines
        self._media_preparer = media_preparer

    async def open(
        self, project_id: str, options: ExportOptions, *, short_video: ShortVideo = "gap"
    ) -> Bundle:
        """Raises what an export raises; what comes later never breaks the package."""
        if options.media_root is not None:
            media_url("", options.media_root)
        # A package is kept for years: what it names lies beside it, or is ours.
        film = await self._timelines.load(
            project_id, replace(options, link=str), with_characters=True
        )

        def prepared() -> tuple[Timeline, str]:
            timeline = self._timelines.build(film, short_video=short_video)
            return timeline, self._etag(film, timeline, short_video)

        timeline, etag = await self._timelines.in_turn(prepared)
        return Bundle(
            self._timelines,
            self._media_preparer,
            film,
            timeline=timeline,
            etag=etag,
            short_video=short_video,
        )

    def _etag(self, film: Film, timeline: Timeline, short_video: ShortVideo) -> str:
        """Of the film as it stands in its JSON, the wishes, and which files there are."""
        digest = hashlib.sha256(export_file("json", film, timeline).body)
        digest.update(repr((_VERSION, film.options, short_video)).encode())
        for media in timeline.media:
            source = self._timelines.locate(media.path) if media.path else None
            seen = FileFingerprint.of(source) if source else media.label
            digest.update(repr((media.name, seen)).encode("utf-8", "surrogatepass"))
        return f'"{digest.hexdigest()[:32]}"'


def relinked(timeline: Timeline, packed: Mapping[str, Media]) -> Timeline:
    """The timeline with the media as they lie in the package, by their ids."""
    items = tuple(
        replace(item, media=packed[item.media.id]) if isinstance(item, ClipItem) else item
        for item in timeline.items
    )
    music = timeline.music
    if music:
        music = Music(packed[music.media.id], music.offset, music.duration)
    return replace(timeline, items=items, music=music)


def _files(fmt: ExportFormat, film: Film, timeline: Timeline) -> list[tuple[str, bytes]]:
    """A format's files by name; ConflictError for what it can't carry."""
    preflight.refuse(timeline, fmt)
    if fmt != "edl":
        file = export_file(fmt, film, timeline)
        return [(file.filename, file.body)]
    parts = edl.write(timeline, unique_reels=film.options.unique_reels)
    stem = slug(film.project.name, fallback="project", limit=60)
    if len(parts) == 1:
        return [(f"{stem}.edl", parts[0])]
    return [(f"{stem}_part{number:02d}.edl", part) for number, part in enumerate(parts, 1)]


def _open(path: Path) -> BinaryIO:
    return path.open("rb", buffering=0)


async def _stepped(pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    """Take each piece in a thread: reading waits for the disk."""
    while piece := await asyncio.to_thread(next, pieces, b""):
        yield piece
