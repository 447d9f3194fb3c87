"""The way to the video provider: its session, whole answers, foreign errors translated.

No message of an error here carries the URL or the key.
"""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import datetime

import aiohttp
import orjson
from yarl import URL

from backend.services.comfyui.transport import refuse_redirects
from backend.services.providers.openai.messages import NONSENSE, retry_after
from backend.services.providers.order_payload import order_socket
from backend.utils.errors import (
    ServerUnreachableError,
    SubmissionUncertainError,
    UpstreamError,
    UpstreamTimeoutError,
)

#: Try again later: nothing was accepted. `details["retry_after"]`: seconds, where it said so.
BUSY = "PROVIDER_BUSY"
UNREACHABLE = "PROVIDER_UNREACHABLE"
FATE_UNKNOWN = "PROVIDER_FATE_UNKNOWN"
WHO = "The video provider"

_RETIRED = "api.openai.com"
_MAX_JSON = 16 * 1024 * 1024
_CHUNK = 65_536


@dataclass(frozen=True)
class ProviderTimeouts:
    """Seconds. `create`: an upload, and gateways that answer only once a backend has accepted."""

    connect: float = 10.0
    answer: float = 30.0
    create: float = 120.0
    #: The longest silence in a download.
    stall: float = 60.0


@dataclass(frozen=True)
class ProviderAnswer:
    """A whole answer; a body over the limit is cut, and then is no JSON."""

    status: int
    body: bytes
    retry_after: float | None

    def json(self) -> object:
        """Parse the body, None for an empty one. Raises UpstreamError for what is no JSON."""
        if not self.body.strip():
            return None
        try:
            return orjson.loads(self.body)
        except orjson.JSONDecodeError as error:
            raise UpstreamError(f"{WHO} did not answer with JSON.", code=NONSENSE) from error

    def json_or_none(self) -> object:
        try:
            return self.json()
        except UpstreamError:
            return None


@asynccontextmanager
async def open_provider_session() -> AsyncIterator[aiohttp.ClientSession]:
    """Open the session for the provider, which makes a new connection for every call.

    A kept connection that the other side is just closing would leave it open whether an order
    arrived. No cookies, no redirects, no proxies of the environment.
    """
    connector = aiohttp.TCPConnector(
        limit_per_host=32, force_close=True, socket_factory=order_socket
    )
    async with aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        middlewares=(refuse_redirects,),
        headers={"User-Agent": "StoryCanvas"},
    ) as session:
        yield session


async def read_answer(response: aiohttp.ClientResponse, now: datetime) -> ProviderAnswer:
    body = bytearray()
    async for chunk in response.content.iter_chunked(_CHUNK):
        body += chunk
        if len(body) > _MAX_JSON:
            break
    return ProviderAnswer(
        response.status, bytes(body), retry_after(response.headers.get("Retry-After"), now)
    )


@contextmanager
def translated(*, ordering: bool = False) -> Iterator[None]:
    """Map aiohttp's errors to ours.

    While ordering, whatever happens once the connection stands leaves the order's fate open:
    SubmissionUncertainError.
    """
    try:
        yield
    except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
        raise ServerUnreachableError(f"{WHO} can't be reached.", code=UNREACHABLE) from error
    except (aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError) as error:
        words = f"{WHO} has a URL that can't be used: check OPENAI_BASE_URL."
        raise UpstreamError(words, code="PROVIDER_REFUSED") from error
    except aiohttp.ClientResponseError as error:
        if 300 <= error.status < 400:
            words = f"{WHO} redirects, which is not followed: check OPENAI_BASE_URL."
            raise UpstreamError(words, code="PROVIDER_REDIRECTS") from error
        raise _broken("answered with nonsense", ordering=ordering) from error
    except TimeoutError as error:
        if ordering:
            raise _broken("did not answer in time", ordering=True) from error
        raise UpstreamTimeoutError(f"{WHO} did not answer in time.") from error
    except aiohttp.ClientError as error:
        raise _broken("broke off its answer", ordering=ordering) from error


def is_retired(base_url: str) -> bool:
    """Tell whether this is OpenAI's own host, in any region and spelling."""
    host = (URL(base_url).host or "").rstrip(".").lower()
    return host == _RETIRED or host.endswith(f".{_RETIRED}")


def _broken(how: str, *, ordering: bool) -> UpstreamError:
    if ordering:
        return SubmissionUncertainError(f"{WHO} {how}.", code=FATE_UNKNOWN)
    return ServerUnreachableError(f"{WHO} {how}.", code=UNREACHABLE)
