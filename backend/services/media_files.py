"""Media under UPLOAD_DIR: where it lies, and how it goes away."""

import asyncio
import shutil
from pathlib import Path

from backend.utils.errors import InvalidRequestError

#: Files on their way in; never served, swept at start.
INCOMING = ".incoming"


def project_folder(project_id: str) -> str:
    return f"projects/{project_id}"


def clip_folder(project_id: str, clip_id: str) -> str:
    return f"{project_folder(project_id)}/{clip_id}"


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

    def incoming(self, name: str) -> Path:
        """Give a place for a file that is not known to be good yet, on the same disk."""
        folder = self._root / INCOMING
        folder.mkdir(parents=True, exist_ok=True)
        return folder / name

    def take_in(self, incoming: Path, relative: str) -> None:
        """Move a checked file to its place, whole or not at all."""
        target = self.absolute(relative)
        target.parent.mkdir(parents=True, exist_ok=True)
        incoming.replace(target)

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
