"""The way to ComfyUI servers: one pooled session, guarded sockets, foreign errors translated."""

import errno
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver

from backend.utils.errors import (
    ServerUnreachableError,
    SubmissionUncertainError,
    UpstreamError,
    UpstreamTimeoutError,
)
from backend.utils.url_validator import is_forbidden_address, is_public_address, parse_address


@dataclass(frozen=True)
class Timeouts:
    """Seconds. A ComfyUI that loads a model answers late, so answers get time; a dial doesn't."""

    connect: float = 4.0
    #: Small answers: queue, history, interrupt.
    answer: float = 15.0
    #: The health probe.
    probe: float = 5.0
    #: Validation of a large graph.
    slow_answer: float = 45.0
    #: Until the 0.5 to 20 MB of /object_info begin, and until they are there.
    catalog: float = 30.0
    #: Sending one picture.
    upload: float = 120.0
    #: The longest silence in a download.
    stall: float = 60.0
    #: Between our pings; a socket that leaves one unanswered for half of it is dead.
    heartbeat: float = 20.0


class ForbiddenAddressError(OSError):
    """A host resolved to an address that no server of ours may have."""


def guarded_socket(address: tuple[Any, ...]) -> socket.socket:
    """Make the socket for one resolved address, unless the address is forbidden.

    Called for every connection with what will really be dialled, so a name that changes its
    address after validation, and a literal that bypasses the resolver, are caught alike.
    """
    family, kind, protocol, _, target = address
    if is_forbidden_address(parse_address(str(target[0]))):
        raise ForbiddenAddressError(errno.EACCES, f"refused to connect to {target[0]}")
    return socket.socket(family, kind, protocol)


def public_socket(address: tuple[Any, ...]) -> socket.socket:
    """Like `guarded_socket`, and for addresses of the open internet alone."""
    if not is_public_address(parse_address(str(address[4][0]))):
        raise ForbiddenAddressError(errno.EACCES, f"refused to connect to {address[4][0]}")
    return guarded_socket(address)


async def refuse_redirects(
    request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    """Stop at a redirect, for WebSocket handshakes too, which have no switch of their own."""
    response = await handler(request)
    if 300 <= response.status < 400:
        response.release()
        raise aiohttp.ClientResponseError(
            response.request_info, (), status=response.status, message="redirect"
        )
    return response


@asynccontextmanager
async def open_session(
    *, resolver: AbstractResolver | None = None, public_only: bool = False
) -> AsyncIterator[aiohttp.ClientSession]:
    """Open the one session for all ComfyUI servers. No cookies, no proxies of the environment.

    With `public_only` it dials no private address either: for what users point at by URL.
    """
    connector = aiohttp.TCPConnector(
        limit=0,
        limit_per_host=64,
        resolver=resolver,
        socket_factory=public_socket if public_only else guarded_socket,
    )
    async with aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        middlewares=(refuse_redirects,),
        headers={"User-Agent": "StoryCanvas"},
    ) as session:
        yield session


@contextmanager
def translated(who: str, *, submitting: bool = False) -> Iterator[None]:
    """Map aiohttp's errors to ours, once for all calls; `who` begins their sentences.

    While submitting, whatever happens after the connection stands leaves open whether the
    prompt was queued: SubmissionUncertainError.
    """
    try:
        yield
    except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
        raise ServerUnreachableError(f"{who} can't be reached: {_reason(error)}.") from error
    except (aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError) as error:
        raise ServerUnreachableError(f"{who} has a URL that can't be used.") from error
    except TimeoutError as error:
        if submitting:
            raise SubmissionUncertainError(f"{who} did not confirm the prompt in time.") from error
        raise UpstreamTimeoutError(f"{who} did not answer in time.") from error
    except aiohttp.ClientResponseError as error:
        if submitting and not 300 <= error.status < 400:
            raise SubmissionUncertainError(f"{who} confirmed with nonsense.") from error
        raise UpstreamError(f"{who} answered with {error.status or 'nonsense'}.") from error
    except aiohttp.ClientError as error:
        if submitting:
            raise SubmissionUncertainError(f"{who} broke off before it confirmed.") from error
        raise ServerUnreachableError(f"{who} broke off: {_reason(error)}.") from error


def _reason(error: Exception) -> str:
    """Say why, without the URL: its host belongs in the settings, not in every message."""
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return "its host name does not resolve"
    cause = getattr(error, "os_error", None) or error.__cause__
    words = getattr(cause, "strerror", None) or (str(cause) if cause else "")
    return words.strip(". ").lower() or type(error).__name__
