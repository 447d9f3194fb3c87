"""Media as a package takes them: videos conformed, cards drawn, stills and music proven.

Everything is decoded in the rendering process. What several ask for at once is made once; when
the last of them stops waiting, the work stops.
"""

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from backend.models.exports.frame_rate import FrameRate
from backend.models.exports.timeline import Audio, Media, MediaKind
from backend.services.exports.fingerprints import ContentHashes, FileFingerprint
from backend.services.exports.render_cache import RenderCache
from backend.services.exports.rendering.process import BrokenSourceError, RenderProcess
from backend.services.exports.rendering.tasks import (
    CheckSound,
    CheckStill,
    Conform,
    DrawCard,
    ProbeVideo,
)

#: Raise it when conforming or drawing changes, so that nothing old is taken.
_VERSION = 1
#: Files of which is remembered what they are.
_REMEMBERED = 20_000
#: Hz, of all sound that is converted; `rendering.sound` would bring FFmpeg along.
_SOUND_RATE = 48_000

K = TypeVar("K")
V = TypeVar("V")


class PreparedMedia(NamedTuple):
    """A file to pack, and the medium as it now is."""

    path: Path
    media: Media


class _Shared(NamedTuple):
    task: asyncio.Task[Path]
    waiting: set[object]


class MediaPreparer:
    def __init__(self, cache: RenderCache, process: RenderProcess) -> None:
        self._cache = cache
        self._process = process
        self._hashes = ContentHashes()
        self._proven: OrderedDict[FileFingerprint, str] = OrderedDict()
        self._looked_at: OrderedDict[str, dict[str, Any]] = OrderedDict()
        self._making: dict[str, _Shared] = {}
        self._tasks: set[asyncio.Task[Path]] = set()

    async def close(self) -> None:
        """Stop what is being made, and the process."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._process.close()

    async def prepare(self, media: Media, source: Path | None, rate: FrameRate) -> PreparedMedia:
        """The file that a package carries for a medium of a timeline.

        `source` is its file, None for a placeholder. BrokenSourceError when it can't be decoded
        to its end; StorageFullError.
        """
        try:
            if source is None:
                return PreparedMedia(await self._card(media), media)
            if media.kind is MediaKind.VIDEO:
                return await self._video(media, source, rate)
            await self._prove(media, source)
        except OSError as error:
            raise BrokenSourceError("it can't be read") from error
        return PreparedMedia(source, media)

    async def _card(self, media: Media) -> Path:
        size = (media.width, media.height)
        name = _name("card", f"{media.label}\0{size}", ".png")

        async def draw(target: Path) -> None:
            await self._process.do(DrawCard(label=media.label, size=size, target=str(target)))

        return await self._made(name, draw)

    async def _video(self, media: Media, source: Path, rate: FrameRate) -> PreparedMedia:
        content = await asyncio.to_thread(self._hashes.of, source)
        ratio = (rate.numerator, rate.denominator)
        name = _name("video", f"{content}\0{ratio}\0{media.frames}", ".mp4")

        async def conform(target: Path) -> None:
            task = Conform(source=str(source), rate=ratio, frames=media.frames, target=str(target))
            await self._process.do(task)

        path = await self._made(name, conform)
        stem = media.name.rpartition(".")[0] or media.name
        return PreparedMedia(path, replace(media, name=f"{stem}.mp4", **await self._look(path)))

    async def _look(self, path: Path) -> dict[str, Any]:
        """Size and sound of a file of ours. FFmpeg would take room in this process for good."""
        known = self._looked_at.get(path.name)
        if known is None:
            seen = await self._process.do(ProbeVideo(source=str(path)))
            audio = Audio(seen["channels"], _SOUND_RATE) if seen["channels"] else None
            known = {"width": seen["width"], "height": seen["height"], "audio": audio}
            _remember(self._looked_at, path.name, known)
        return known

    async def _prove(self, media: Media, source: Path) -> None:
        """Decode it once; what was found is remembered for as long as the file stays as it is."""
        seen = await asyncio.to_thread(FileFingerprint.of, source)
        fault = self._proven.get(seen)
        if fault is None:
            check = CheckSound if media.kind is MediaKind.AUDIO else CheckStill
            try:
                await self._process.do(check(source=str(source)))
                fault = ""
            except BrokenSourceError as error:
                fault = str(error)
            _remember(self._proven, seen, fault)
        if fault:
            raise BrokenSourceError(fault)

    async def _made(self, name: str, make: Callable[[Path], Awaitable[None]]) -> Path:
        """The file of this name, made by whoever asks first."""
        found = await asyncio.to_thread(self._cache.find, name)
        if found:
            return found
        shared = self._making.get(name)
        if shared is None:
            task = asyncio.create_task(self._make(name, make), name=f"make {name}")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            shared = self._making[name] = _Shared(task, set())
        return await self._wait(name, shared)

    async def _wait(self, name: str, shared: _Shared) -> Path:
        """Wait beside others; the last one to leave stops the work."""
        ticket = object()
        shared.waiting.add(ticket)
        try:
            return await asyncio.shield(shared.task)
        finally:
            shared.waiting.discard(ticket)
            if not shared.waiting:
                # Whoever comes now begins anew, and does not wait for what is being stopped.
                if self._making.get(name) is shared:
                    del self._making[name]
                shared.task.cancel()

    async def _make(self, name: str, make: Callable[[Path], Awaitable[None]]) -> Path:
        target = await asyncio.to_thread(self._cache.begin, Path(name).suffix)
        try:
            await make(target)
            return await asyncio.to_thread(self._cache.keep, target, name)
        finally:
            await asyncio.to_thread(self._cache.drop, target)


def _name(kind: str, made_of: str, suffix: str) -> str:
    digest = hashlib.sha256(f"{_VERSION}\0{made_of}".encode("utf-8", "surrogatepass"))
    return f"{kind}_{digest.hexdigest()[:40]}{suffix}"


def _remember(shelf: OrderedDict[K, V], key: K, value: V) -> None:
    shelf[key] = value
    if len(shelf) > _REMEMBERED:
        shelf.popitem(last=False)
