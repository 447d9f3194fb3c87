"""Media under UPLOAD_DIR: where it lies, how it comes in whole, and how it goes away."""

import asyncio
import errno
import os
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import BinaryIO

from backend.utils.errors import InvalidRequestError, StorageFullError
from backend.utils.ids import random_id

#: Files on their way in; never served. A folder each, as the sweep at start expects them.
INCOMING = ".incoming"
_DISK_FULL = {errno.ENOSPC, errno.EDQUOT}


def project_folder(project_id: str) -> str:
    return f"projects/{project_id}"


def clip_folder(project_id: str, clip_id: str) -> str:
    return f"{project_folder(project_id)}/{clip_id}"


def character_folder(character_id: str) -> str:
    """Outside the projects: a character may move from one to another, or belong to none."""
    return f"characters/{character_id}"


@contextmanager
def disk_errors() -> Iterator[None]:
    """Turn a full disk or quota into StorageFullError; other OSErrors pass."""
    try:
        yield
    except OSError as error:
        if error.errno in _DISK_FULL:
            raise StorageFullError("There is no room left on the disk for this file.") from error
        raise


class MediaFiles:
    """Paths are relative to the upload folder; nothing outside it can be named."""

    def __init__(self, upload_dir: Path) -> None:
        self._root = upload_dir

    def absolute(self, relative: str) -> Path:
        """Give the path on disk; InvalidRequestError when it would leave the upload folder."""
        path = (self._root / relative).resolve()
        if path == self._root or not path.is_relative_to(self._root):
            raise InvalidRequestError("That path is outside the media folder.")
        return path

    @asynccontextmanager
    async def workspace(self) -> AsyncIterator[Path]:
        """Give a folder for files not known to be good yet, on the same disk.

        It goes with everything in it, whatever happens; what is to stay is taken in before.
        """
        work = self._root / INCOMING / random_id()
        try:
            with disk_errors():
                await asyncio.to_thread(work.mkdir, parents=True)
            yield work
        finally:
            await asyncio.to_thread(shutil.rmtree, work, ignore_errors=True)

    def create(self, path: Path) -> BinaryIO:
        """Open a new file for writing; one that is there is never written over."""
        return path.open("xb")

    def take_in(self, incoming: Path, relative: str) -> None:
        """Move a checked file to its place, whole or not at all, a crash included."""
        target = self.absolute(relative)
        with disk_errors():
            target.parent.mkdir(parents=True, exist_ok=True)
            incoming.replace(target)
            _remember(target.parent)

    async def remove_file(self, relative: str) -> None:
        await asyncio.to_thread(self.absolute(relative).unlink, missing_ok=True)

    async def remove_folder(self, relative: str) -> None:
        """Remove a folder with all in it; one that is not there is fine."""
        await asyncio.to_thread(shutil.rmtree, self.absolute(relative), ignore_errors=True)

    async def free_bytes(self) -> int | None:
        """Room on the disk; None when the folder is not there or cannot be read."""
        try:
            usage = await asyncio.to_thread(shutil.disk_usage, self._root)
        except OSError:
            return None
        return usage.free


def _remember(folder: Path) -> None:
    """Write the folder's entries to disk: a rename alone may not outlive a power cut."""
    if os.name != "posix":  # Windows has no handle for a folder
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
