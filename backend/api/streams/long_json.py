"""Long JSON, written portion by portion: ten thousand rows at once would hold everybody up.

A document is a head, arrays of rows, and a tail. An error in between rises. Where the answer is
under way by then, the server cuts the connection: what a client has is no JSON, where an array
that just ended would look whole.
"""

import asyncio
from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Callable,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from contextlib import aclosing
from itertools import chain
from typing import NamedTuple, TypeVar

from fastapi import Response
from fastapi.responses import StreamingResponse

_JSON = "application/json"

Row = TypeVar("Row")

Chunks = AsyncGenerator[bytes, None]


class Portion(NamedTuple):
    """Some rows of an array as JSON, with commas between. `opening` begins their array."""

    rows: bytes = b""
    opening: bytes = b""


Portions = AsyncGenerator[Portion, None]


def portions_of(
    rows: Sequence[Row], write: Callable[[Sequence[Row]], bytes], *, size: int, opening: bytes = b""
) -> Iterator[Portion]:
    """Write an array so many rows at a time. An empty one has a portion, too: its opening."""
    for first in range(0, max(1, len(rows)), size):
        yield Portion(write(rows[first : first + size]), b"" if first else opening)


async def arrays(*each: Iterable[Portion]) -> Portions:
    """Give the portions of one array after the other."""
    for portion in chain(*each):
        yield portion


async def long_json(
    portions: Portions, *, head: bytes = b"", closing: bytes = b"]", tail: bytes = b""
) -> Chunks:
    """Write `head`, the arrays with commas between, each ended by `closing`, and `tail`.

    Others have a turn behind each portion.
    """
    chunk, before_array, before_rows = [head], b"", b""
    async with aclosing(portions):
        async for rows, opening in portions:
            if opening:
                chunk += [before_array, opening]
                before_array, before_rows = closing + b",", b""
            if rows:
                chunk += [before_rows, rows]
                before_rows = b","
            yield b"".join(chunk)
            chunk = []
            await asyncio.sleep(0)
    yield b"".join((*chunk, closing if before_array else b"", tail))


async def whole(
    chunks: Chunks, *, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """Answer when all is written: what fails before is a plain error, and the length is known."""
    async with aclosing(chunks):
        body = b"".join([chunk async for chunk in chunks])
    return Response(body, status_code=status, media_type=_JSON, headers=headers)


async def streamed(chunks: Chunks) -> StreamingResponse:
    """Begin an answer once its first chunk is there: what fails before that is a plain error."""
    first = await anext(chunks)

    async def body() -> AsyncIterator[bytes]:
        async with aclosing(chunks):
            yield first
            async for chunk in chunks:
                yield chunk

    return StreamingResponse(body(), media_type=_JSON)
