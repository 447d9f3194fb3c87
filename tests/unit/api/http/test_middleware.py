"""The middleware by itself: what HTTP through a client cannot show."""

import json
import logging
import time
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from backend.api.http import errors
from backend.api.http.logs import JsonFormatter
from backend.api.http.middleware import (
    ApiKeyMiddleware,
    BodyLimitMiddleware,
    RequestContextMiddleware,
    request_id_var,
)
from backend.utils.media_links import MediaSigner

Wrap = Callable[[ASGIApp], ASGIApp]


def a_scope(kind: str = "http", path: str = "/x", **headers: str) -> Scope:
    raw = [(name.replace("_", "-").encode(), text.encode()) for name, text in headers.items()]
    return {"type": kind, "method": "GET", "path": path, "headers": raw, "client": ("1.2.3.4", 5)}


async def run(app: ASGIApp, scope: Scope, body: tuple[bytes, ...] = (b"",)) -> list[Message]:
    """Call an application, hand it the body in pieces, and give what it sent."""
    sent: list[Message] = []
    pieces = list(body)

    async def receive() -> Message:
        piece = pieces.pop(0)
        return {"type": "http.request", "body": piece, "more_body": bool(pieces)}

    async def send(message: Message) -> None:
        sent.append(message)

    await app(scope, receive, send)
    return sent


async def says_hello(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"hello"})


async def breaks_off(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    raise ZeroDivisionError


async def reads_all(scope: Scope, receive: Receive, send: Send) -> None:
    while (await receive())["more_body"]:
        pass
    await says_hello(scope, receive, send)


async def nothing() -> Message:
    return {"type": "http.request", "body": b"", "more_body": False}


class TestContext:
    async def test_an_answer_that_breaks_off_is_not_begun_again(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        """It goes on to the server, which logs why and closes the connection."""
        sent: list[Message] = []

        async def send(message: Message) -> None:
            sent.append(message)

        app = RequestContextMiddleware(ExceptionMiddleware(breaks_off, errors.LAST_RESORT))
        scope = a_scope(x_request_id="mine")
        with caplog.at_level(logging.INFO, "storycanvas.access"):
            with pytest.raises(RuntimeError) as broken:
                await app(scope, nothing, send)
            assert request_id_var.get() == "mine"
        request_id_var.set("-")
        assert isinstance(broken.value.__cause__, ZeroDivisionError)
        assert [message["type"] for message in sent] == ["http.response.start"]
        (line,) = [record for record in caplog.records if record.name == "storycanvas.access"]
        assert line.__dict__["fields"]["status"] == 200

    async def test_headers_are_added_once(self) -> None:
        async def has_them(scope: Scope, receive: Receive, send: Send) -> None:
            own = [(b"access-control-allow-origin", b"https://one"), (b"x-request-id", b"other")]
            await send({"type": "http.response.start", "status": 200, "headers": own})

        (start,) = await run(RequestContextMiddleware(has_them), a_scope(x_request_id="mine"))
        headers = dict(start["headers"])
        assert headers[b"access-control-allow-origin"] == b"*"
        assert headers[b"x-request-id"] == b"mine"
        assert len(start["headers"]) == len(headers)

    async def test_log_lines_of_a_request_carry_its_id(self) -> None:
        seen: list[str] = []

        async def logs(scope: Scope, receive: Receive, send: Send) -> None:
            record = logging.makeLogRecord({"msg": "x", "levelname": "INFO", "name": "n"})
            seen.append(json.loads(JsonFormatter().format(record))["request_id"])

        await run(RequestContextMiddleware(logs), a_scope(x_request_id="mine"))
        assert seen == ["mine"]
        assert request_id_var.get() == "-"

    @pytest.mark.parametrize("kind", ["lifespan", "websocket"])
    async def test_other_kinds_pass_untouched(self, kind: str) -> None:
        sent = await run(RequestContextMiddleware(says_hello), a_scope(kind))
        assert sent[0]["headers"] == []
        sent = await run(BodyLimitMiddleware(says_hello, limit=0, uploads={}), a_scope(kind))
        assert sent[0]["status"] == 200


class TestBodyLimit:
    app = BodyLimitMiddleware(reads_all, limit=4, uploads={"/upload-music": 8, "/jobs/*/result": 8})

    @pytest.mark.parametrize(
        ("path", "body", "fits"),
        [
            ("/x", (b"1234",), True),
            ("/x", (b"12", b"34"), True),
            ("/x", (b"12", b"345"), False),
            ("/a/upload-music", (b"12345678",), True),
            ("/a/upload-music/", (b"12345678",), True),
            ("/a/upload-music", (b"12345678", b"9"), False),
            ("/upload-music/x", (b"12345",), False),
            ("/a/jobs/7/result", (b"12345678",), True),
            ("/a/jobs/result", (b"12345",), False),
            ("/a/jobs/7/8/result", (b"12345",), False),
        ],
    )
    async def test_counts_what_comes(self, path: str, body: tuple[bytes, ...], fits: bool) -> None:
        call: Coroutine[Any, Any, list[Message]] = run(self.app, a_scope(path=path), body)
        if fits:
            assert (await call)[0]["status"] == 200
        else:
            with pytest.raises(Exception, match="larger than"):
                await call

    @pytest.mark.parametrize(
        ("declared", "status"),
        [("4", 200), ("5", 413), ("0005", 413), ("9" * 9999, 413), ("-5", 200), ("5 ", 200)],
    )
    async def test_believes_only_a_sane_promise(self, declared: str, status: int) -> None:
        sent = await run(self.app, a_scope(content_length=declared))
        assert sent[0]["status"] == status


SIGNER = MediaSigner(["a-key"], ttl=3600, now=time.time)


class TestApiKeys:
    app = ApiKeyMiddleware(says_hello, keys=["a-key"], signer=SIGNER)

    async def test_a_socket_needs_one_too(self) -> None:
        closed = await run(self.app, a_scope("websocket", "/ws"))
        assert closed == [{"type": "websocket.close", "code": 1008}]
        opened = await run(self.app, a_scope("websocket", "/ws", authorization="Bearer a-key"))
        assert opened[0]["status"] == 200

    async def test_the_lifespan_does_not(self) -> None:
        assert (await run(self.app, {"type": "lifespan"}))[0]["status"] == 200
