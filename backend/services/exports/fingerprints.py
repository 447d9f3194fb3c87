"""What a file's content is known by. Blocking: call it in a thread."""

import hashlib
import os
import threading
from collections import OrderedDict
from pathlib import Path
from typing import NamedTuple

_CHUNK = 1_048_576
_REMEMBERED = 20_000


class FileFingerprint(NamedTuple):
    """Which file this is, without reading it: another content changes size or time."""

    path: str
    size: int
    changed: int

    @classmethod
    def of(cls, path: Path) -> "FileFingerprint":
        """OSError when it is not there."""
        facts = path.stat()
        return cls(str(path), facts.st_size, facts.st_mtime_ns)


class ContentHashes:
    """SHA-256 of contents, read once for as long as a file stays as it is."""

    def __init__(self) -> None:
        self._known: OrderedDict[FileFingerprint, str] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, path: Path) -> str:
        """OSError when it can't be read."""
        seen = FileFingerprint.of(path)
        with self._lock:
            known = self._known.get(seen)
        return known or self._remember(seen, _sha256(path))

    def _remember(self, seen: FileFingerprint, content: str) -> str:
        with self._lock:
            self._known[seen] = content
            if len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)
        return content


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb", buffering=0) as handle:
        os_advice(handle.fileno())
        while chunk := handle.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def os_advice(descriptor: int) -> None:
    """Say that a file is read in one go, where systems take such advice."""
    if hasattr(os, "posix_fadvise"):
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_SEQUENTIAL)
