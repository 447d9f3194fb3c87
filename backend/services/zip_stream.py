"""A zip archive written while it is read: nothing of it is ever whole in memory.

By the standard library, over a stream that can't seek: sizes and checksums follow each file, and
what is larger than 4 GB, or lies behind that, is written as ZIP64. Media are stored as they are:
they are compressed already. Blocking: call `pieces` and `finish` in a thread, step by step.
"""

import os
import zipfile
from collections.abc import Iterator
from typing import BinaryIO

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
