"""Writes an upload to disk as it arrives: counted, recognised, and written in a thread.

At no time more than `_CHUNK` bytes of it and one piece of the network are in memory. Small files
that are parsed and not kept are read whole.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NamedTuple

from backend.services.media.media_files import MediaFiles, disk_errors
from backend.utils.errors import PayloadTooLargeError, UnsupportedMediaError

#: So many first bytes settle whether the rest is worth reading.
SNIFF_BYTES = 16
_CHUNK = 1 << 20


class IncomingFile(NamedTuple):
    """One of several files of a request: where it stands there, and its bytes as they come."""

    field: str
    name: str
    chunks: AsyncIterator[bytes]


@dataclass(frozen=True)
class UploadRule:
    """What one kind of upload may be.

    `noun` begins sentences about it; `sniff` takes its first bytes, SNIFF_BYTES unless the file is
    shorter, and raises UnsupportedMediaError for what can't be of this kind.
    """

    noun: str
    max_bytes: int
    sniff: Callable[[bytes], None]


async def write_upload(
    chunks: AsyncIterator[bytes], path: Path, rule: UploadRule, *, media: MediaFiles
) -> int:
    """Write an upload to a new file and give its size in bytes.

    PayloadTooLargeError with the first byte too many, UnsupportedMediaError from the first bytes,
    StorageFullError, and whatever `chunks` raises. The file may be there then: its folder is the
    caller's to remove.
    """
    with disk_errors():
        out = await asyncio.to_thread(media.create, path)
    try:
        size = await _copy(chunks, out, rule)
        with disk_errors():
            await asyncio.to_thread(_finish, out)
    finally:
        # Waits for a write that is still under way when a request is cancelled.
        await asyncio.to_thread(_let_go, out)
    return size


async def _copy(chunks: AsyncIterator[bytes], out: BinaryIO, rule: UploadRule) -> int:
    size, sniffed, pending = 0, False, bytearray()
    async for chunk in chunks:
        size += len(chunk)
        if size > rule.max_bytes:
            limit = f"{rule.max_bytes / 1_048_576:g} MB"
            raise PayloadTooLargeError(
                f"{rule.noun} may have {limit} at most.", limit_bytes=rule.max_bytes
            )
        pending += chunk
        if not sniffed and len(pending) >= SNIFF_BYTES:
            rule.sniff(bytes(pending[:SNIFF_BYTES]))
            sniffed = True
        if len(pending) >= _CHUNK:
            await _write(out, pending)
            pending = bytearray()
    if size == 0:
        raise UnsupportedMediaError("The file is empty.")
    if not sniffed:
        rule.sniff(bytes(pending))
    await _write(out, pending)
    return size


async def _write(out: BinaryIO, data: bytearray) -> None:
    with disk_errors():
        await asyncio.to_thread(out.write, data)


def _finish(out: BinaryIO) -> None:
    out.flush()
    os.fsync(out.fileno())


def _let_go(out: BinaryIO) -> None:
    with suppress(OSError):  # bytes that no disk takes are not missed: the error is told already
        out.close()


async def read_upload(chunks: AsyncIterator[bytes], max_bytes: int, *, noun: str) -> bytes:
    """Everything that comes; PayloadTooLargeError with the first byte too many.

    UnsupportedMediaError for an empty file. `noun` begins a sentence about it.
    """
    found = bytearray()
    async for chunk in chunks:
        found += chunk
        if len(found) > max_bytes:
            limit = f"{max_bytes / 1_048_576:g} MB"
            raise PayloadTooLargeError(f"{noun} may have {limit} at most.", limit_bytes=max_bytes)
    if not found:
        raise UnsupportedMediaError("The file is empty.")
    return bytes(found)
