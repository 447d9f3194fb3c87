"""A small upload as a whole: for files that are parsed, not kept."""

from collections.abc import AsyncIterator

from backend.utils.errors import PayloadTooLargeError, UnsupportedMediaError


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
