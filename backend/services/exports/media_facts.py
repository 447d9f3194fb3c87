"""What the disk says about the files that a film shows, without opening them.

Size, rate and length of a take stand in its document since its delivery. So one `stat` for each
file is enough: it tells what is gone, what is empty, and what is no longer the file that was
delivered. Only the last is opened. Blocking: call it in a thread.
"""

import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

from backend.models.clip import Clip
from backend.models.content import GeneratedContent
from backend.models.exports.timeline import ProblemCode
from backend.models.project import Project
from backend.services.exports.timeline_media import MUSIC, MediaFacts, shown_takes
from backend.services.media.media_probe import BrokenMediaError, probe


class MediaInspector:
    """Paths are relative to the upload folder; nothing outside it is ever looked at."""

    def __init__(self, upload_dir: Path) -> None:
        self._root = upload_dir.resolve()
        self._prefix = str(self._root) + os.sep

    def facts(self, project: Project, clips: Iterable[Clip]) -> dict[str, MediaFacts]:
        """By take id, and MUSIC: only where the disk says something else than the document."""
        return dict(self._facts(project, clips))

    def locate(self, path: str) -> Path | None:
        """The file of a stored path, None if there is none inside the upload folder."""
        source = (self._root / path).resolve()
        return source if source.is_relative_to(self._root) and source.is_file() else None

    def _facts(self, project: Project, clips: Iterable[Clip]) -> Iterator[tuple[str, MediaFacts]]:
        for clip in clips:
            for take in shown_takes(clip):
                found = self._of_take(take)
                if found:
                    yield take.id, found
        path = project.music_file_path
        fault = _fault(self._size(path)) if path else None
        if fault:
            yield MUSIC, MediaFacts(fault=fault)

    def _of_take(self, take: GeneratedContent) -> MediaFacts | None:
        size = self._size(take.path)
        fault = _fault(size)
        if fault:
            return MediaFacts.of(take, fault=fault)
        if take.size_bytes in {None, size}:
            return None
        return self._probed(take)

    def _probed(self, take: GeneratedContent) -> MediaFacts:
        """What a file really is that is not the one that was delivered."""
        try:
            info = probe(self._root / take.path)
        except (BrokenMediaError, OSError):
            return MediaFacts.of(take, fault=ProblemCode.DAMAGED_FILE)
        if info.content_type is not take.content_type:
            return MediaFacts.of(take, fault=ProblemCode.DAMAGED_FILE)
        return MediaFacts(info.width, info.height, info.duration, info.fps, info.frames)

    def _size(self, path: str) -> int | None:
        """Bytes of a regular file inside the folder, None if there is none."""
        place = os.path.normpath(self._prefix + path)
        if not place.startswith(self._prefix):
            return None
        try:
            found = os.stat(place)  # noqa: PTH116 - a Path costs more than the call
        except (OSError, ValueError):
            return None
        return found.st_size if stat.S_ISREG(found.st_mode) else None


def _fault(size: int | None) -> ProblemCode | None:
    if size is None:
        return ProblemCode.MISSING_FILE
    return None if size else ProblemCode.EMPTY_FILE
