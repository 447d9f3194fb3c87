"""What wraps every request: its id, the access log, CORS, the body limit, API keys.

Pure ASGI: nothing here reads a body or a response into memory.
"""

import hmac
import json
import logging
import re
import time
from collections.abc import Sequence
from contextvars import ContextVar

from starlette.datastructures import Headers, MutableHeaders, QueryParams
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from backend.api.http.addresses import STATIC
from backend.api.http.errors import envelope
from backend.api.http.request_body import ClosingSend, RequestBody
from backend.utils.ids import random_id
from backend.utils.media_links import MediaSigner

access_log = logging.getLogger("storycanvas.access")

#: The id of the request that is being answered; every log line carries it.
request_id_var: ContextVar[str] = ContextVar("request_id", default="-")

#: What a WebSocket is closed with that has no key.
_POLICY_VIOLATION = 1008
_SANE_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}", re.ASCII)
_OPEN_CORS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Expose-Headers": "*",
}


_NO_KEY = "This server needs an API key: send 'Authorization: Bearer <key>'."
_ENDED = "This address has ended, or was changed: ask for it again."


class StartError(Exception):
    """The server cannot start as it is configured; the message is one line for people."""


class RequestContextMiddleware:
    """Outermost: gives the id, opens CORS and logs one line."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, _without_traceback(send))
            return
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        request_id = _request_id(headers)
        scope.setdefault("state", {})["request_id"] = request_id
        token = request_id_var.set(request_id)
        answer = _Answer(send, request_id)
        started = time.perf_counter()
        try:
            if _is_preflight(scope, headers):
                await _answer_preflight(headers, answer)
            else:
                await self._app(scope, receive, answer)
        finally:
            _log(scope, answer.status, time.perf_counter() - started)
        # Not when the answer broke off: the server then logs why, and that line needs the id.
        request_id_var.reset(token)


def _without_traceback(send: Send) -> Send:
    """Let a start that failed for a reason we know be told in its one line."""

    async def tell(message: Message) -> None:
        if message["type"] == "lifespan.startup.failed":
            reason = message.get("message", "").strip().rpartition("\n")[2]
            name, _, words = reason.partition(": ")
            if name.endswith(StartError.__name__):
                message = {**message, "message": f"StoryCanvas cannot start: {words}"}
        await send(message)

    return tell


class _Answer:
    """Adds the headers that every response has, and remembers the status."""

    def __init__(self, send: Send, request_id: str) -> None:
        self._send = send
        self._request_id = request_id
        self.status: int | None = None

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = MutableHeaders(scope=message)
            headers["X-Request-ID"] = self._request_id
            for name, value in _OPEN_CORS.items():
                headers[name] = value
        await self._send(message)


class BodyLimitMiddleware:
    """413 as soon as a body passes the limit, whatever its Content-Length said.

    `uploads` names path endings with a limit of their own, in bytes; `*` stands for an id.
    """

    def __init__(self, app: ASGIApp, *, limit: int, uploads: dict[str, int]) -> None:
        self._app = app
        self._limit = limit
        self._uploads = {_ending(path): size for path, size in uploads.items()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        limit = self._limit_for(scope["path"])
        body = RequestBody(scope, receive)
        answer = ClosingSend(send, body)
        if body.declared > limit:
            await _refuse_body(scope, answer, limit)
            return

        async def counting_receive() -> Message:
            message = await body.read()
            if body.received > limit:
                raise BodyTooLargeError(limit)
            return message

        await self._app(scope, counting_receive, answer)

    def _limit_for(self, path: str) -> int:
        for ending, limit in self._uploads.items():
            if ending.search(path.rstrip("/")):
                return limit
        return self._limit


def _ending(path: str) -> re.Pattern[str]:
    return re.compile(re.escape(path).replace(r"\*", "[^/]+") + r"\Z")


class BodyTooLargeError(HTTPException):
    """Ends the reading of a body from within; FastAPI lets only this kind through."""

    def __init__(self, limit: int) -> None:
        super().__init__(413, f"The body is larger than {limit / 1_048_576:g} MB.")


class ApiKeyMiddleware:
    """With keys configured, every route but health, docs and preflights needs one.

    `public` is the path of a folder that needs none either, or "": a browser that asks for a web
    client has no key yet.

    A browser that comes to the live page without one gets the 401 as a page that asks for it.

    A browser's EventSource and WebSocket can send no header: at their routes, and only there,
    `?api_key=` is taken as well.
    """

    _OPEN = ("/docs", "/redoc", "/openapi.json", "/static-offline-docs", STATIC + "/")
    _KEY_IN_QUERY = ("/api/v1/events", "/api/v1/ws")

    def __init__(
        self, app: ASGIApp, *, keys: Sequence[str], signer: MediaSigner, public: str = ""
    ) -> None:
        self._app = app
        self._signer = signer
        self._keys = [key.encode() for key in keys]
        self._public = public

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan" or self._is_open(scope["path"]) or self._is_known(scope):
            await self._app(scope, receive, send)
            return
        if _is_a_look_at_the_page(scope):
            scope.setdefault("state", {})["has_key"] = False
            await self._app(scope, receive, send)
            return
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": _POLICY_VIOLATION})
            return
        message = _NO_KEY
        if b"signature=" in scope["query_string"]:
            message = f"{_ENDED} {_NO_KEY}"
        await _send_error(scope, send, 401, "UNAUTHORIZED", message, {"WWW-Authenticate": "Bearer"})

    def _is_open(self, path: str) -> bool:
        if self._public and (path == self._public or path.startswith(f"{self._public}/")):
            return True
        return path in {"/api/v1/health", "/api/v1/"} or path.startswith(self._OPEN)

    def _is_known(self, scope: Scope) -> bool:
        scheme, _, given = Headers(scope=scope).get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            # Only HTTP's white space: a UTF-8 key may end in a byte that is some in Latin-1.
            return self._is_key(given.strip(" \t").encode("latin-1"))
        if scope["path"] in self._KEY_IN_QUERY:
            return self._is_key(QueryParams(scope["query_string"]).get("api_key", "").encode())
        return scope["type"] == "http" and self._is_signed(scope)

    def _is_signed(self, scope: Scope) -> bool:
        query = scope["query_string"].decode("latin-1")
        return scope["method"] in {"GET", "HEAD"} and self._signer.is_signed(scope["path"], query)

    def _is_key(self, given: bytes) -> bool:
        """Compare every key, so that the time taken tells nothing about which one is close."""
        matches = [hmac.compare_digest(key, given) for key in self._keys]
        return any(matches)


def _is_a_look_at_the_page(scope: Scope) -> bool:
    is_html = "text/html" in Headers(scope=scope).get("accept", "")
    return scope["type"] == "http" and scope["path"] == "/" and is_html


def _request_id(headers: Headers) -> str:
    given = headers.get("x-request-id", "")
    return given if _SANE_ID.fullmatch(given) else random_id()


def _is_preflight(scope: Scope, headers: Headers) -> bool:
    return scope["method"] == "OPTIONS" and "access-control-request-method" in headers


async def _answer_preflight(headers: Headers, send: Send) -> None:
    allowed = {
        "Access-Control-Allow-Methods": "GET, POST, PUT, PATCH, DELETE, HEAD, OPTIONS",
        "Access-Control-Allow-Headers": headers.get("access-control-request-headers", "*"),
        "Access-Control-Max-Age": "600",
    }
    await _send(send, 204, b"", allowed)


async def _refuse_body(scope: Scope, send: Send, limit: int) -> None:
    message = BodyTooLargeError(limit).detail
    await _send_error(scope, send, 413, "PAYLOAD_TOO_LARGE", message, {"Connection": "close"})


async def _send_error(
    scope: Scope, send: Send, status: int, code: str, message: str, headers: dict[str, str]
) -> None:
    body = envelope(scope.get("state", {}).get("request_id", ""), code=code, message=message)
    headers = {"Content-Type": "application/json", **headers}
    await _send(send, status, json.dumps(body).encode(), headers)


async def _send(send: Send, status: int, body: bytes, headers: dict[str, str]) -> None:
    raw = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers.items()]
    if body:
        raw.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": status, "headers": raw})
    await send({"type": "http.response.body", "body": body})


def _log(scope: Scope, status: int | None, seconds: float) -> None:
    access_log.info(
        "request",
        extra={
            "fields": {
                "method": scope["method"],
                "path": scope["path"],
                "status": status,
                "ms": round(seconds * 1000, 1),
                "client": (scope.get("client") or ("-",))[0],
            }
        },
    )
