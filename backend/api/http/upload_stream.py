"""Files out of a multipart body (RFC 7578) while they arrive.

FastAPI's own `UploadFile` exists once the whole body has been read and spooled to a temporary file;
here each piece goes on at once, so that a route can refuse a file by its size or its first bytes
while most of it has not been sent yet.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection
from contextlib import aclosing
from typing import Annotated, Any, NamedTuple

from fastapi import Depends, Request
from fastapi.exceptions import RequestValidationError
from python_multipart import MultipartParser
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import parse_options_header
from starlette.requests import ClientDisconnect

from backend.dtos.shared.common_dto import ErrorDTO
from backend.services.media.uploads import IncomingFile
from backend.utils.errors import InvalidRequestError

_BINARY = {"type": "string", "format": "binary"}
#: Each part is work; browsers send one or a few.
_MAX_PARTS = 1_000
#: Bytes of all headers of one part: room for any file's name.
_MAX_HEADERS = 16_384


def file_body(description: str) -> dict[str, Any]:
    """Describe the body, which no signature tells, so that Swagger UI shows a file picker."""
    return _form_body({"file": {**_BINARY, "description": description}}, required=["file"])


def files_body(**descriptions: str) -> dict[str, Any]:
    """The same for a form with several files: in each field one or more, in one field at least."""
    fields = {
        name: {"type": "array", "items": _BINARY, "description": words}
        for name, words in descriptions.items()
    }
    return _form_body(fields)


def _form_body(fields: dict[str, Any], **more: Any) -> dict[str, Any]:
    schema = {"title": "Upload", "type": "object", "properties": fields, **more}
    return {
        "requestBody": {"required": True, "content": {"multipart/form-data": {"schema": schema}}}
    }


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
    is_first = True
    async with aclosing(incoming_files(request, ("file",))) as files:
        async for file in files:
            if is_first:
                async for data in file.chunks:
                    yield data
            is_first = False


async def incoming_files(
    request: Request, fields: Collection[str]
) -> AsyncGenerator[IncomingFile, None]:
    """Give the files in these fields one after another; what is not read of one is passed over.

    Errors as with `file_chunks`; the first of `fields` is the one that a missing file is asked for
    in.
    """
    found = False
    async with aclosing(_events(request, fields)) as events:
        async for event in events:
            if isinstance(event, _Begin):
                found = True
                chunks = _until_end(events)
                yield IncomingFile(event.field, event.file_name, chunks)
                async for _ in chunks:
                    pass
    if not found:
        raise _no_file(next(iter(fields)))


class _Begin(NamedTuple):
    field: str
    file_name: str


class _End(NamedTuple):
    pass


_Event = _Begin | bytes | _End


async def _until_end(events: AsyncIterator[_Event]) -> AsyncGenerator[bytes, None]:
    async for event in events:
        if not isinstance(event, bytes):
            return
        yield event


async def _events(request: Request, fields: Collection[str]) -> AsyncGenerator[_Event, None]:
    """Give where each file begins, its bytes, and its end."""
    kind, options = parse_options_header(request.headers.get("content-type"))
    if kind != b"multipart/form-data":
        return
    form = _Form(options.get(b"boundary", b""), frozenset(name.encode() for name in fields))
    try:
        async with aclosing(request.stream()) as pieces:
            async for piece in pieces:
                for event in form.feed(piece):
                    yield event
    except ClientDisconnect as error:
        raise InvalidRequestError("The upload broke off.", code="UPLOAD_BROKEN_OFF") from error
    if form.begun and not form.ended:
        raise InvalidRequestError("The multipart body is cut short.", code="MULTIPART_MALFORMED")


class _Form:
    """Takes the body piece by piece, and gives what belongs to files in the wanted fields."""

    def __init__(self, boundary: bytes, fields: frozenset[bytes]) -> None:
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
        self.begun = self.ended = False
        self._fields = fields
        self._parts = 0
        self._header_bytes = 0
        self._name, self._value, self._disposition = b"", b"", b""
        #: The file whose bytes come, and whether it was told that it begins.
        self._file: _Begin | None = None
        self._is_told = False
        self._data: list[bytes] = []
        self._came: list[_Event] = []

    def feed(self, piece: bytes) -> list[_Event]:
        self.begun = self.begun or bool(piece)
        try:
            self._parser.write(piece)
        except FormParserError as error:
            raise _malformed() from error
        self._tell_data()
        came, self._came = self._came, []
        return came

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
        field = options.get(b"name", b"")
        self._is_told = False
        self._file = None
        if is_file and field in self._fields:
            self._file = _Begin(field.decode(), (filename or b"").decode("utf-8", "replace"))
            # A browser's form without a choice sends an empty file without a name: that is none.
            if filename != b"":
                self._tell_begin()

    def _on_part_data(self, data: bytes, start: int, end: int) -> None:
        if self._file is not None:
            self._tell_begin()
            self._data.append(data[start:end])

    def _on_part_end(self) -> None:
        self._tell_data()
        if self._is_told:
            self._came.append(_End())
        self._file = None
        self._is_told = False

    def _on_end(self) -> None:
        self.ended = True

    def _tell_begin(self) -> None:
        if self._file is not None and not self._is_told:
            self._came.append(self._file)
            self._is_told = True

    def _tell_data(self) -> None:
        """All that came of a file at once: the parser cuts it at whatever looks like a border."""
        if self._data:
            self._came.append(b"".join(self._data))
            self._data.clear()


def _malformed() -> InvalidRequestError:
    return InvalidRequestError(
        "This is no well-formed multipart/form-data body.", code="MULTIPART_MALFORMED"
    )


def _no_file(field: str) -> RequestValidationError:
    missing = f"send a file as multipart/form-data in the field '{field}'"
    fault = {"type": "missing", "loc": ("body", field), "msg": missing, "input": None}
    return RequestValidationError([fault])


async def _uploaded_file(request: Request) -> AsyncIterator[AsyncIterator[bytes]]:
    async with aclosing(file_chunks(request)) as chunks:
        yield chunks


#: The bytes of the file that a request brings, as they come.
UploadedFile = Annotated[AsyncIterator[bytes], Depends(_uploaded_file)]


def uploaded_files(
    *fields: str,
) -> Callable[[Request], AsyncIterator[AsyncIterator[IncomingFile]]]:
    """Make a dependency that gives the files in these fields, one after another, as they come."""

    async def files(request: Request) -> AsyncIterator[AsyncIterator[IncomingFile]]:
        async with aclosing(incoming_files(request, fields)) as found:
            yield found

    return files
