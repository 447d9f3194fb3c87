"""A request's body as it is read, and answers that are given before all of it has come."""

import asyncio
from contextlib import suppress

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import Message, Receive, Scope, Send

#: Digits that are read of a Content-Length: cut there, it is still larger than any limit.
_LONGEST_LENGTH = 18
#: So much the server reads ahead by itself; a rest of that size needs no care.
_READ_AHEAD = 65_536
#: How long the rest of a refused body is read and thrown away, in seconds: at all, and for nothing.
_LINGER, _LINGER_IDLE = 5.0, 1.0
#: So much of a body that does not say its length: one without an end must end here.
_UNDECLARED_REST = 1_048_576


class RequestBody:
    """Counts what is read of a body, and knows whether more is on its way."""

    def __init__(self, scope: Scope, receive: Receive) -> None:
        headers = Headers(scope=scope)
        self._receive = receive
        self._chunked = "transfer-encoding" in headers
        self._asks_first = "expect" in headers
        self._ended = False
        self._until = 0
        self.declared = _declared_length(headers)
        self.received = 0

    async def read(self) -> Message:
        message = await self._receive()
        self.received += len(message.get("body", b""))
        self._ended = not message.get("more_body", False)
        return message

    @property
    def is_unread(self) -> bool:
        rest = self.declared - self.received
        return not self._ended and (self._chunked or rest > _READ_AHEAD)

    async def drain(self) -> None:
        """Throw away what a client still sends, for a few seconds.

        Browsers read an answer only once they have sent everything, and a socket that is closed
        with unread bytes in it is reset, the answer with it. (nginx: lingering_close.)
        """
        if self._asks_first and not self.received:
            return  # it waits for our word before it sends, and this answer is the word
        if not self._until:
            self._until = self.received + _UNDECLARED_REST if self._chunked else self.declared
        with suppress(TimeoutError):
            async with asyncio.timeout(_LINGER):
                while not self._ended and self.received < self._until:
                    async with asyncio.timeout(_LINGER_IDLE):
                        await self.read()


class ClosingSend:
    """Closes the connection behind an answer that comes before the body's end.

    What a client still sends is read before the answer, since some stop at the first line of a
    refusal: nginx then drops what it has not passed on yet of the answer, and its client sees a
    broken HTTP/2 stream. Whoever sends for longer is listened to once more behind it.
    """

    def __init__(self, send: Send, body: RequestBody) -> None:
        self._send = send
        self._body = body
        self._closing = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start" and self._body.is_unread:
            self._closing = True
            MutableHeaders(scope=message)["Connection"] = "close"
            await self._body.drain()
        last = message["type"] == "http.response.body" and not message.get("more_body", False)
        if not (self._closing and last):
            await self._send(message)
            return
        await self._send({**message, "more_body": True})
        await self._body.drain()
        await self._send({"type": "http.response.body", "body": b""})


def _declared_length(headers: Headers) -> int:
    """What Content-Length says, 0 for nonsense: the counting decides then."""
    declared = headers.get("content-length", "")
    if not (declared.isascii() and declared.isdigit()):
        return 0
    return int(declared.lstrip("0")[:_LONGEST_LENGTH] or "0")
