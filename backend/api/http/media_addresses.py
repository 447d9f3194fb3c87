"""Where clients reach this server, for the addresses of media in its answers.

`PUBLIC_URL` says it, else the request itself: its scheme and Host, which only a trusted proxy
may replace by `X-Forwarded-Proto`, `-Host`, `-Port` and `-Prefix`.
"""

import re
from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from backend.utils.media_links import MediaLinks, MediaSigner, linking

#: What may stand in a Host header that is repeated in an answer: RFC 1035 allows 253 letters.
_NAME = r"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*\.?|\[[0-9A-Fa-f:.]{2,45}\]"
_HOST = re.compile(rf"({_NAME})(?::(\d{{1,5}}))?", re.ASCII)
_LONGEST_HOST = 260
_LAST_PORT = 65_535
_PREFIX = re.compile(r"(?:/[\w.~-]+)*/?", re.ASCII)
_SCHEMES = {"http": "http", "https": "https", "ws": "http", "wss": "https"}
_DEFAULT_PORTS = {"http": "80", "https": "443"}
_PREFIX_STATE = "forwarded_prefix"


class MediaLinksMiddleware:
    """Has the answer to each request tell addresses by which its client can load them."""

    def __init__(self, app: ASGIApp, *, public_url: str | None, signer: MediaSigner | None) -> None:
        self._app = app
        self._public = (public_url,) if public_url else ()
        self._signer = signer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in {"http", "websocket"}:
            await self._app(scope, receive, send)
            return
        with linking(MediaLinks((*self._public, _base(scope)), self._signer)):
            await self._app(scope, receive, send)


class TrustedProxyMiddleware:
    """Takes what proxies at these addresses say of the client: its address, scheme and host.

    Anybody may send such headers; from others they count for nothing.
    """

    def __init__(self, app: ASGIApp, *, proxies: Sequence[IPv4Network | IPv6Network]) -> None:
        self._proxies = proxies
        # It knows the chain of X-Forwarded-For, and sets the scheme.
        trusted = [str(each) for each in proxies]
        self._app: ASGIApp = ProxyHeadersMiddleware(app, trusted)  # type: ignore[arg-type, assignment]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in {"http", "websocket"} and self._trusts(scope):
            scope = _as_forwarded(scope)
        await self._app(scope, receive, send)

    def _trusts(self, scope: Scope) -> bool:
        try:
            peer = ip_address((scope.get("client") or ("",))[0])
        except ValueError:
            return False
        return any(peer in network for network in self._proxies)


def _as_forwarded(scope: Scope) -> Scope:
    headers = Headers(scope=scope)
    scope = {**scope, "headers": list(scope["headers"]), "state": dict(scope.get("state", {}))}
    scheme = _first(headers, "x-forwarded-proto").lower()
    if scheme in _SCHEMES:
        is_socket = scope["type"] == "websocket"
        scope["scheme"] = scheme.replace("http", "ws") if is_socket else scheme
    host = _first(headers, "x-forwarded-host")
    if _is_host(host):
        port = _first(headers, "x-forwarded-port")
        scheme = _SCHEMES.get(scope["scheme"], "http")
        if port.isdecimal() and ":" not in host and port != _DEFAULT_PORTS.get(scheme):
            host = f"{host}:{port}"
        MutableHeaders(scope=scope)["host"] = host
    prefix = headers.get("x-forwarded-prefix", "")
    if _PREFIX.fullmatch(prefix):
        scope["state"][_PREFIX_STATE] = prefix.rstrip("/")
    return scope


def _first(headers: Headers, name: str) -> str:
    """What the proxy nearest to the client said, where each of a chain adds its own behind it."""
    return headers.get(name, "").partition(",")[0].strip()


def _is_host(host: str) -> bool:
    found = _HOST.fullmatch(host) if len(host) <= _LONGEST_HOST else None
    return found is not None and int(found[2] or 0) <= _LAST_PORT


def _base(scope: Scope) -> str:
    """The address of this server as the request has it, without a slash at its end."""
    prefix = scope.get("state", {}).get(_PREFIX_STATE) or scope.get("root_path", "")
    host = Headers(scope=scope).get("host", "")
    if not _is_host(host):
        host = _own_host(scope)
    return f"{_SCHEMES.get(scope['scheme'], 'http')}://{host}{prefix.rstrip('/')}"


def _own_host(scope: Scope) -> str:
    """Where the server itself listens, for clients that name no host."""
    name, port = scope.get("server") or ("127.0.0.1", None)
    shown = f"[{name}]" if ":" in name else name
    return shown if port is None else f"{shown}:{port}"
