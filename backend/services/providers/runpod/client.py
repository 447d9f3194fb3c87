"""Talks to RunPod's queue-based serverless endpoints; the only one that does.

Every method raises only errors of backend.utils.errors. The key is in the request's header and
nowhere else: it is taken out of whatever RunPod says.
"""

import asyncio
import base64
import binascii
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, TypeVar
from urllib.parse import quote

import aiohttp
import orjson
from yarl import URL

from backend.models.comfyui_server import ComfyUIServer
from backend.services.comfyui.messages import OutputFile
from backend.services.comfyui.transport import ForbiddenAddressError, translated
from backend.services.media.result_store import Downloads
from backend.services.providers.openai.messages import retry_after
from backend.services.providers.order_payload import OrderPayload
from backend.services.providers.runpod.messages import (
    NONSENSE,
    EndpointHealth,
    RunPodRun,
    RunState,
    endpoint_url,
    parse_health,
    parse_run,
    sentence_of,
)
from backend.utils.clock import Clock, utc_now
from backend.utils.disk import removed_on_failure, storage_errors
from backend.utils.errors import (
    InvalidRequestError,
    LeaseLostError,
    ResourceNotFoundError,
    ServerUnreachableError,
    SubmissionUncertainError,
    UpstreamError,
)

T = TypeVar("T")

#: Try again later: nothing was accepted. `details["retry_after"]`: seconds, where it said so.
BUSY = "RUNPOD_BUSY"
#: The endpoint takes nothing from us: a wrong key, a wrong id.
REFUSES_US = "RUNPOD_UNAUTHORIZED"
REFUSED = "RUNPOD_REFUSED"
#: RunPod itself gives no more than 20 MB; an endpoint elsewhere may.
_MAX_JSON = 64 * 1024 * 1024
_CHUNK = 65_536
#: Characters of base64 that are decoded at a time; a multiple of 4.
_DECODED = 1024 * 1024


@dataclass(frozen=True)
class RunPodTimeouts:
    """Seconds. `stall` is the longest silence while a result with pictures in it comes."""

    connect: float = 10.0
    answer: float = 30.0
    run: float = 60.0
    #: Whoever cancels waits for it.
    cancel: float = 10.0
    status: float = 300.0
    stall: float = 60.0


@dataclass(frozen=True)
class _Answer:
    status: int
    body: bytes
    retry_after: float | None

    def json(self) -> object:
        try:
            return orjson.loads(self.body)
        except orjson.JSONDecodeError as error:
            raise UpstreamError("RunPod did not answer with JSON.", code=NONSENSE) from error

    @property
    def words(self) -> str | None:
        """What it says of an error; None for a page of HTML and such."""
        try:
            return sentence_of(self.json())
        except UpstreamError:
            return None


class RunPodClient:
    """`session` must make a new connection for every call: see `open_provider_session`."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        *,
        timeouts: RunPodTimeouts | None = None,
        clock: Clock = utc_now,
    ) -> None:
        self._session = session
        self._timeouts = timeouts or RunPodTimeouts()
        self._clock = clock

    async def run(
        self, server: ComfyUIServer, body: bytes, *, may_order: Callable[[], bool]
    ) -> RunPodRun:
        """Order a job: this costs money, so never repeat it by yourself.

        `may_order` is asked before each piece: LeaseLostError, and no order, once it says no.
        RunPod knows no idempotency keys. Raises ServerUnreachableError, or UpstreamError BUSY or
        REFUSES_US, when surely nothing was accepted; SubmissionUncertainError when it may have
        been; any other UpstreamError for a refusal of this job.
        """
        order = OrderPayload(body, "application/json", may_order)
        try:
            with translated(_who(server), submitting=True):
                answer = await self._call(server, "run", body=order, total=self._timeouts.run)
        except UpstreamError as error:
            if order.was_stopped:
                raise LeaseLostError from error
            raise
        if answer.status >= 300:
            self._refuse_order(server, answer)
        try:
            return parse_run(answer.json())
        except UpstreamError as error:
            words = f"{_who(server)} took the job, but named none: {error.message}"
            raise SubmissionUncertainError(words) from error

    async def status(self, server: ComfyUIServer, run_id: str) -> RunPodRun:
        """Give a job as it stands, its results with it. ResourceNotFoundError: it is not known."""
        path = f"status/{quote(run_id, safe='')}"
        return await self._read(server, path, parse_run, total=self._timeouts.status)

    async def health(self, server: ComfyUIServer) -> EndpointHealth:
        return await self._read(server, "health", parse_health, total=self._timeouts.answer)

    async def cancel(self, server: ComfyUIServer, run_id: str) -> None:
        """Stop a job wherever it is; one that is over or unknown is none to stop."""
        with translated(_who(server)):
            answer = await self._call(
                server, f"cancel/{quote(run_id, safe='')}", body=b"", total=self._timeouts.cancel
            )
        if answer.status not in {200, 400, 404}:
            raise self._refusal(server, answer)

    async def _read(
        self, server: ComfyUIServer, path: str, parse: Callable[[object], T], *, total: float
    ) -> T:
        with translated(_who(server)):
            answer = await self._call(server, path, total=total)
        if answer.status == 404:
            words = answer.words or "it is not known there"
            raise ResourceNotFoundError(f"{_who(server)}: {words}.", code="RUNPOD_NOT_FOUND")
        if answer.status >= 300:
            raise self._refusal(server, answer)
        # A result may carry many megabytes of base64: reading it must not hold up the rest.
        return await asyncio.to_thread(lambda: parse(answer.json()))

    async def _call(
        self,
        server: ComfyUIServer,
        path: str,
        *,
        body: OrderPayload | bytes | None = None,
        total: float | None = None,
    ) -> _Answer:
        """GET without a body, POST with one."""
        timeout = aiohttp.ClientTimeout(
            total=total or self._timeouts.answer,
            connect=self._timeouts.connect,
            sock_read=self._timeouts.stall,
        )
        async with self._session.request(
            "GET" if body is None else "POST",
            _url(server, path),
            data=body,
            headers=_headers(server),
            timeout=timeout,
            allow_redirects=False,
        ) as response:
            asked = retry_after(response.headers.get("Retry-After"), self._clock())
            return _Answer(response.status, await _whole(response), asked)

    def _refuse_order(self, server: ComfyUIServer, answer: _Answer) -> NoReturn:
        """Tell a refusal from an answer that leaves the order's fate open.

        429 and 503 mean that nothing was taken on, and so does a 500 in the API's own words. A
        bare 500, 502, 504 or 52x comes from something between, which may have passed it on.
        """
        spoken = answer.status == 500 and answer.words is not None
        if answer.status < 500 or answer.status == 503 or spoken:
            raise self._refusal(server, answer)
        raise SubmissionUncertainError(f"{_who(server)} answered {answer.status} to the order.")

    def _refusal(self, server: ComfyUIServer, answer: _Answer) -> UpstreamError:
        words = _redacted(server, answer.words or "it gave no reason")
        sentence = f"{_who(server)} refused ({answer.status}): {words}"
        details: dict[str, Any] = {"provider_status": answer.status}
        if answer.status == 429 or answer.status >= 500:
            return ServerUnreachableError(
                sentence, code=BUSY, **details, retry_after=answer.retry_after
            )
        if answer.status in {401, 403, 404}:
            hint = "check its API key and endpoint"
            return UpstreamError(f"{sentence}; {hint}.", code=REFUSES_US, **details)
        return UpstreamError(sentence, code=REFUSED, **details)


class RunPodDownloads:
    """A run's results in the shape that the result store fetches: by run and number.

    The status is asked again for each, so that nothing large waits in memory meanwhile, and a
    start after a crash goes on from what the job's document says. `remote` fetches URLs.
    """

    def __init__(self, client: RunPodClient, remote: Downloads) -> None:
        self._client = client
        self._remote = remote

    async def download(
        self, server: ComfyUIServer, file: OutputFile, target: Path, *, max_bytes: int
    ) -> int:
        """Put a result into `target`; gives its size in bytes. Nothing is left on failure."""
        try:
            run = await self._client.status(server, file.node_id)
        except ResourceNotFoundError as error:
            raise UpstreamError(error.message, code="RESULT_GONE") from error
        number = int(file.subfolder)
        if run.state is not RunState.COMPLETED or number >= len(run.files):
            raise UpstreamError(f"{_who(server)} no longer has the result.", code="RESULT_GONE")
        found = run.files[number]
        if found.url is not None:
            return await self._fetched(server, found.url, target, max_bytes)
        with removed_on_failure(target), storage_errors():
            return await asyncio.to_thread(_decode, found.content, target, max_bytes)

    async def _fetched(self, server: ComfyUIServer, url: str, target: Path, max_bytes: int) -> int:
        file = OutputFile(filename=url)
        try:
            return await self._remote.download(server, file, target, max_bytes=max_bytes)
        except (InvalidRequestError, ServerUnreachableError) as error:
            if isinstance(error, ServerUnreachableError) and not _is_forbidden(error):
                raise
            raise UpstreamError(
                f"{_who(server)} put its result where it may not be read: {error.message}",
                code="RESULT_URL_REFUSED",
            ) from error


def outputs_of(run: RunPodRun) -> tuple[OutputFile, ...]:
    """Name a completed run's results for `RunPodDownloads`."""
    return tuple(
        OutputFile(filename=file.name, subfolder=str(number), node_id=run.id)
        for number, file in enumerate(run.files)
    )


def _decode(content: str, target: Path, max_bytes: int) -> int:
    """Write base64 text to a file piece by piece."""
    start = content.index(",") + 1 if content.startswith("data:") else 0
    plain = content[start:].translate({ord("-"): "+", ord("_"): "/", 10: None, 13: None, 32: None})
    size = 0
    with target.open("wb") as handle:
        for place in range(0, len(plain), _DECODED):
            piece = plain[place : place + _DECODED]
            try:
                decoded = base64.b64decode(piece + "=" * (-len(piece) % 4), validate=True)
            except binascii.Error as error:
                words = "RunPod gave a result that is no base64."
                raise UpstreamError(words, code="RESULT_BROKEN") from error
            size += len(decoded)
            if size > max_bytes:
                words = f"The result is larger than {max_bytes} bytes."
                raise UpstreamError(words, code="RESULT_TOO_LARGE", limit=max_bytes)
            handle.write(decoded)
    return size


async def _whole(response: aiohttp.ClientResponse) -> bytes:
    """Read a whole body; one over the limit is cut, and then is no JSON."""
    body = bytearray()
    async for chunk in response.content.iter_chunked(_CHUNK):
        body += chunk
        if len(body) > _MAX_JSON:
            return b""
    return bytes(body)


def _who(server: ComfyUIServer) -> str:
    return f"RunPod endpoint '{server.name}'"


def _is_forbidden(error: ServerUnreachableError) -> bool:
    """Tell whether our own guard refused the address: no wait will mend that."""
    return isinstance(getattr(error.__cause__, "os_error", None), ForbiddenAddressError)


def _url(server: ComfyUIServer, path: str) -> URL:
    base = endpoint_url(server.url, server.endpoint_id)
    return URL(f"{base}/{path}", encoded=True)


def _headers(server: ComfyUIServer) -> dict[str, str]:
    key = server.require_key()
    told = {"Accept": "application/json", "Content-Type": "application/json"}
    return {**told, "Authorization": f"Bearer {key}"} if key else told


def _redacted(server: ComfyUIServer, words: str) -> str:
    key = server.api_key
    return (words.replace(key, "[key]") if key else words).rstrip(".")
