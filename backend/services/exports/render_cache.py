"""Files made from others, kept for as long as there is room: conformed videos, cards, animatics.

They lie below UPLOAD_DIR in a hidden folder, so nobody is served them by name. Names tell all
that a file was made of, so a file is right for ever; what was not used for the longest goes first.
Blocking: call it in a thread.
"""

import contextlib
import os
import time
from pathlib import Path

from backend.services.media.media_files import disk_errors
from backend.utils.ids import random_id

FOLDER = ".cache"
_UNFINISHED = ".part"
#: A file in the making that nobody wrote to for so long was left by a crash.
_STALE_SECONDS = 6 * 3600


class RenderCache:
    """`max_bytes` may be passed by the newest file, however large it is."""

    def __init__(self, upload_dir: Path, max_bytes: int) -> None:
        self._folder = upload_dir / FOLDER
        self._max_bytes = max_bytes

    def find(self, name: str) -> Path | None:
        """The file of this name, from now on the last one to go."""
        path = self._folder / name
        try:
            os.utime(path)
        except OSError:
            return None
        return path

    def begin(self, suffix: str) -> Path:
        """A path for a file in the making."""
        with disk_errors():
            self._folder.mkdir(parents=True, exist_ok=True)
        return self._folder / f"{random_id()}{_UNFINISHED}{suffix}"

    def keep(self, made: Path, name: str) -> Path:
        """Move a finished file into place, whole or not at all, and make room."""
        path = self._folder / name
        with disk_errors():
            made.replace(path)
            if os.name == "posix":  # Windows has no handle for a folder
                handle = os.open(self._folder, os.O_RDONLY)
                try:
                    os.fsync(handle)
                finally:
                    os.close(handle)
        self._make_room(path)
        return path

    def drop(self, made: Path) -> None:
        """Remove a file in the making; one that is not there is fine."""
        made.unlink(missing_ok=True)

    def _make_room(self, newest: Path) -> None:
        stale = time.time() - _STALE_SECONDS
        files = []
        for entry in os.scandir(self._folder):
            with contextlib.suppress(FileNotFoundError):
                facts = entry.stat()
                if _UNFINISHED not in entry.name:
                    files.append((facts.st_mtime, facts.st_size, entry.path))
                elif facts.st_mtime < stale:
                    Path(entry.path).unlink(missing_ok=True)
        room = self._max_bytes
        for _, size, path in sorted(files, reverse=True):
            room -= size
            if room < 0 and path != str(newest):
                with contextlib.suppress(PermissionError):  # Windows: somebody reads it
                    Path(path).unlink(missing_ok=True)
