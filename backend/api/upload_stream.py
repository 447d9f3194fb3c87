"""A file out of a multipart body (RFC 7578) while it arrives.

FastAPI's own `UploadFile` exists once the whole body has been read and spooled to a temporary file;
here each piece goes on at once, so that a route can refuse a file by its size or its first bytes
while most of it has not been sent yet.
"""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Annotated, Any

from fastapi import Depends, Request
from fastapi.exceptions import RequestValidationError
from python_multipart import MultipartParser
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import parse_options_header
from starlette.requests import ClientDisconnect

from backend.dtos.common_dto import ErrorDTO
from backend.utils.errors import InvalidRequestError

_FIELD = b"file"
_MISSING = "send a file as multipart/form-data in the field 'file'"
#: Each part is work; browsers send one or a few.
_MAX_PARTS = 1_000
#: Bytes of all headers of one part: room for any file's name.
_MAX_HEADERS = 16_384


def file_body(description: str) -> dict[str, Any]:
    """Describe the body, which no signature tells, so that Swagger UI shows a file picker."""
    field = {"type": "string", "format": "binary", "description": description}
    schema = {"type": "object", "required": ["file"], "properties": {"file": field}}
    content = {"multipart/form-data": {"schema": {"title": "Upload", **schema}}}
    return {"requestBody": {"required": True, "content": content}}


def upload_errors(**more: str) -> dict[int | str, dict[str, Any]]:
    """Give the documented errors of an upload; `more` adds such as `_404="No such project."`."""
    words = {
        400: "The multipart body is malformed, or breaks off.",
        413: "The file is too large; the rest of it is not read.",
        415: "The content is not of a kind that is taken, damaged, cut short, or not alone.",
        422: "There is no file in the field `file`.",
        507: "The disk is full.",
        **{int(name.removeprefix("_")): text for name, text in more.items()},
    }
    return {code: {"model": ErrorDTO, "description": words[code]} for code in sorted(words)}


async def file_chunks(request: Request) -> AsyncGenerator[bytes, None]:
    """Give the bytes of the first file in the field `file` as they come; other parts are skipped.

    InvalidRequestError for a malformed body or one that breaks off, RequestValidationError when
    there is no file in it.
    """
    kind, options = parse_options_header(request.headers.get("content-type"))
    if kind != b"multipart/form-data":
        raise _no_file()
    form = _Form(options.get(b"boundary", b""))
    try:
        async with aclosing(request.stream()) as pieces:
            async for piece in pieces:
                if data := form.feed(piece):
                    yield data
    except ClientDisconnect as error:
        raise InvalidRequestError("The upload broke off.", code="UPLOAD_BROKEN_OFF") from error
    if form.begun and not form.ended:
        raise InvalidRequestError("The multipart body is cut short.", code="MULTIPART_MALFORMED")
    if not form.found:
        raise _no_file()


class _Form:
    """Takes the body piece by piece, and gives what belongs to the file."""

    def __init__(self, boundary: bytes) -> None:
        if not boundary:
            raise _malformed()
        try:
            self._parser = MultipartParser(
                boundary,
                {
                    "on_part_begin": self._on_part_begin,
                    "on_header_field": self._on_header_field,
                    "on_header_value": self._on_header_value,
                    "on_header_end": self._on_header_end,
                    "on_headers_finished": self._on_headers_finished,
                    "on_part_data": self._on_part_data,
                    "on_part_end": self._on_part_end,
                    "on_end": self._on_end,
                },
            )
        except FormParserError as error:
            raise _malformed() from error
        self.begun = self.found = self.ended = False
        self._parts = 0
        self._header_bytes = 0
        self._name, self._value, self._disposition = b"", b"", b""
        self._taking = False
        self._data: list[bytes] = []

    def feed(self, piece: bytes) -> bytes:
        self.begun = self.begun or bool(piece)
        try:
            self._parser.write(piece)
        except FormParserError as error:
            raise _malformed() from error
        data = b"".join(self._data)
        self._data.clear()
        return data

    def _on_part_begin(self) -> None:
        self._parts += 1
        if self._parts > _MAX_PARTS:
            raise InvalidRequestError(f"A form may have {_MAX_PARTS} parts at most.")
        self._header_bytes = 0
        self._disposition = b""

    def _on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._count_header(end - start)
        self._name += data[start:end]

    def _on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._count_header(end - start)
        self._value += data[start:end]

    def _count_header(self, size: int) -> None:
        self._header_bytes += size
        if self._header_bytes > _MAX_HEADERS:
            raise InvalidRequestError("A part of the form has too long headers.")

    def _on_header_end(self) -> None:
        if self._name.lower() == b"content-disposition":
            self._disposition = self._value
        self._name, self._value = b"", b""

    def _on_headers_finished(self) -> None:
        _, options = parse_options_header(self._disposition)
        filename = options.get(b"filename")
        # Some clients write `filename*=` alone for a name beyond ASCII, though RFC 7578 forbids it.
        is_file = filename is not None or b"filename*=" in self._disposition.lower()
        self._taking = is_file and options.get(b"name") == _FIELD and not self.found
        # A browser's form without a choice sends an empty file without a name: that is none.
        self.found = self.found or (self._taking and filename != b"")

    def _on_part_data(self, data: bytes, start: int, end: int) -> None:
        if self._taking:
            self.found = True
            self._data.append(data[start:end])

    def _on_part_end(self) -> None:
        self._taking = False

    def _on_end(self) -> None:
        self.ended = True


def _malformed() -> InvalidRequestError:
    return InvalidRequestError(
        "This is no well-formed multipart/form-data body.", code="MULTIPART_MALFORMED"
    )


def _no_file() -> RequestValidationError:
    fault = {"type": "missing", "loc": ("body", "file"), "msg": _MISSING, "input": None}
    return RequestValidationError([fault])


async def _uploaded_file(request: Request) -> AsyncIterator[AsyncIterator[bytes]]:
    async with aclosing(file_chunks(request)) as chunks:
        yield chunks


#: The bytes of the file that a request brings, as they come.
UploadedFile = Annotated[AsyncIterator[bytes], Depends(_uploaded_file)]
