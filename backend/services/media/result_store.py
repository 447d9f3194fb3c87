"""Stores results: downloads them aside, decodes them, then moves them into place in one step."""

import asyncio
import os
import re
import shutil
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path, PurePosixPath
from typing import Protocol

from backend.models.comfyui_server import ComfyUIServer
from backend.models.content import ContentType, GeneratedContent
from backend.services.comfyui.messages import OutputFile
from backend.services.media.media_probe import (
    EXTENSIONS,
    BrokenMediaError,
    MediaInfo,
    convert_to_mp4,
    probe,
    write_thumbnail,
)
from backend.utils.clock import Clock, utc_now
from backend.utils.disk import storage_errors
from backend.utils.errors import InvalidRequestError, UpstreamError
from backend.utils.ids import random_id

_INCOMING = ".incoming"
_STALE_AFTER = timedelta(hours=6)
_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}")


class Downloads(Protocol):
    """What the store needs of the ComfyUI client."""

    async def download(
        self, server: ComfyUIServer, file: OutputFile, target: Path, *, max_bytes: int
    ) -> int: ...


@dataclass(frozen=True)
class StoredMedia:
    """A stored result. Paths are POSIX and relative to UPLOAD_DIR; `duration` is in seconds."""

    path: str
    thumbnail_path: str
    content_type: ContentType
    media_type: str
    width: int
    height: int
    duration: float | None = None
    fps: float | None = None
    frames: int | None = None
    size_bytes: int | None = None


class ResultStore:
    """`max_bytes` limits a single download."""

    def __init__(
        self, upload_dir: Path, client: Downloads, max_bytes: int, *, clock: Clock = utc_now
    ) -> None:
        self._root = upload_dir
        self._client = client
        self._max_bytes = max_bytes
        self._clock = clock

    async def fetch(
        self, server: ComfyUIServer, file: OutputFile, *, content_id: str, folder: str
    ) -> StoredMedia:
        """Bring a result home as `<folder>/<content_id>.<ext>`; a repeat finds it there.

        Raises UpstreamError for what is not media or is cut short, and what the client raises.
        Nothing is left behind then.
        """
        place = self._place(folder, content_id)
        with storage_errors():
            stored = await asyncio.to_thread(self._existing, place)
            if stored is not None:
                return stored
            async with _workspace(self._root / _INCOMING) as work:
                raw = work / "result"
                await self._client.download(server, file, raw, max_bytes=self._max_bytes)
                try:
                    return await asyncio.to_thread(self._adopt, raw, place)
                except BrokenMediaError as error:
                    raise UpstreamError(
                        f"'{server.name}' gave an unusable file: {error}.",
                        code="RESULT_BROKEN",
                    ) from error

    async def remove(self, *contents: GeneratedContent) -> None:
        """Delete the files of takes; what is gone already is no error."""
        await asyncio.to_thread(self._remove, contents)

    async def sweep_incoming(self) -> int:
        """Delete downloads that nobody has written to for hours; give their number."""
        limit = (self._clock() - _STALE_AFTER).timestamp()
        return await asyncio.to_thread(_sweep, self._root / _INCOMING, limit)

    def _place(self, folder: str, content_id: str) -> Path:
        parts = PurePosixPath(folder).parts
        if not parts or not all(_NAME.fullmatch(part) for part in (*parts, content_id)):
            raise InvalidRequestError("A result can't be stored under that name.")
        return self._root.joinpath(*parts, content_id)

    def _existing(self, place: Path) -> StoredMedia | None:
        """Give what an earlier fetch has finished, if it is still sound."""
        main = next((path for path in _variants(place) if path.is_file()), None)
        if main is None or not _thumbnail(place).is_file():
            return None
        try:
            info = probe(main)
        except BrokenMediaError:
            return None
        if info.is_animated_picture:  # stopped before its conversion was in place
            return None
        return self._stored(main, info)

    def _adopt(self, raw: Path, place: Path) -> StoredMedia:
        """Prove the file and move it into place, the main file last: it vouches for the rest.

        An animated picture stays beside the video that is made of it.
        """
        info = probe(raw)
        thumbnail = raw.with_name("thumbnail")
        write_thumbnail(raw, info, thumbnail)
        if info.is_animated_picture:
            original = place.with_name(f"{place.name}.{info.extension}")
            picture, raw = raw, raw.with_name("converted")
            info = convert_to_mp4(picture, info, raw)
            _publish(picture, original)
        _publish(thumbnail, _thumbnail(place))
        main = place.with_name(f"{place.name}.{info.extension}")
        _publish(raw, main)
        return self._stored(main, info)

    def _stored(self, main: Path, info: MediaInfo) -> StoredMedia:
        place = main.with_name(main.name.removesuffix(f".{info.extension}"))
        return StoredMedia(
            path=self._relative(main),
            thumbnail_path=self._relative(_thumbnail(place)),
            content_type=info.content_type,
            media_type=info.media_type,
            width=info.width,
            height=info.height,
            duration=info.duration,
            fps=info.fps,
            frames=info.frames,
            size_bytes=main.stat().st_size,
        )

    def _relative(self, path: Path) -> str:
        return path.relative_to(self._root).as_posix()

    def _remove(self, contents: Iterable[GeneratedContent]) -> None:
        for content in contents:
            main = self._root / content.path
            if not main.resolve().is_relative_to(self._root.resolve()):
                continue  # a document from elsewhere must not delete what is not ours
            place = main.with_suffix("")
            for path in (main, _thumbnail(place), *_variants(place)):
                path.unlink(missing_ok=True)


def _variants(place: Path) -> Iterable[Path]:
    return (place.with_name(f"{place.name}.{extension}") for extension in EXTENSIONS)


def _thumbnail(place: Path) -> Path:
    return place.with_name(f"{place.name}_thumb.webp")


def _publish(source: Path, target: Path) -> None:
    """Move into place so that a crash leaves the whole file or none."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with source.open("rb+") as handle:
        os.fsync(handle.fileno())
    source.replace(target)
    if os.name == "posix":  # the directory entry too; Windows has no handle for it
        directory = os.open(target.parent, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)


@asynccontextmanager
async def _workspace(incoming: Path) -> AsyncIterator[Path]:
    """Give a folder of its own on the same file system; it goes with everything in it."""
    work = incoming / random_id()
    await asyncio.to_thread(work.mkdir, parents=True)
    try:
        yield work
    finally:
        await asyncio.to_thread(shutil.rmtree, work, ignore_errors=True)


def _sweep(incoming: Path, limit: float) -> int:
    stale = [work for work in incoming.glob("*") if _last_write(work) < limit]
    for work in stale:
        shutil.rmtree(work, ignore_errors=True)
    return len(stale)


def _last_write(work: Path) -> float:
    """Give when anything in a folder was last written to; now for what just went away."""
    try:
        return max(path.stat().st_mtime for path in (work, *work.glob("*")))
    except FileNotFoundError:
        return float("inf")
