"""Talks to ComfyUI servers: HTTP for everything that counts, a WebSocket for progress only.

Protocol: ComfyUI 0.3.64, server.py. Every method raises only errors of backend.utils.errors.
"""

import asyncio
import json
import re
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import aiohttp
from yarl import URL

from backend.models.comfyui_server import ComfyUIServer
from backend.services.comfyui.catalog import CatalogCache, ServerCatalog
from backend.services.comfyui.messages import (
    OutputFile,
    ProgressEvent,
    PromptOutcome,
    ServerQueue,
    SystemStats,
    node_errors_of,
    parse_event,
    parse_history,
    parse_queue,
    parse_system_stats,
    rejection,
)
from backend.services.comfyui.transport import Timeouts, open_session, translated
from backend.utils.disk import removed_on_failure, storage_errors
from backend.utils.errors import SubmissionUncertainError, UpstreamError

__all__ = [
    "ComfyUIClient",
    "Timeouts",
    "open_session",
    "save_body",
]

_CHUNK = 1024 * 1024
#: The largest JSON answer that is read. /object_info of a server full of custom nodes has 20 MB.
_MAX_JSON = 128 * 1024 * 1024
#: Their memory and computing, for no more of them.
_CATALOGS_AT_ONCE = 4
#: An execution_error carries its inputs; aiohttp's own limit of 4 MB would drop the socket.
_MAX_MESSAGE = 64 * 1024 * 1024
#: The first version whose POST /interrupt looks at prompt_id; older ones stop whatever runs.
_KNOWS_PROMPT_IDS = (0, 3, 57)


@dataclass(frozen=True)
class ComfyUIAnswer:
    """A whole answer. A body over the limit is cut, and then is no JSON."""

    server: str
    status: int
    body: bytes

    def json(self) -> Any:
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError) as error:
            raise UpstreamError(
                f"ComfyUI server '{self.server}' did not answer with JSON."
            ) from error

    def accepted(self) -> "ComfyUIAnswer":
        """Raise UpstreamError unless the status is 200."""
        if self.status in {401, 403}:
            raise UpstreamError(
                f"ComfyUI server '{self.server}' refuses access ({self.status}); "
                "check its API key.",
                code="COMFYUI_UNAUTHORIZED",
            )
        if self.status != 200:
            raise UpstreamError(f"ComfyUI server '{self.server}' answered with {self.status}.")
        return self


class ComfyUIClient:
    """The only user of aiohttp for ComfyUI. Holds no state of any server."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        *,
        timeouts: Timeouts | None = None,
        catalogs: CatalogCache | None = None,
    ) -> None:
        self._session = session
        self._timeouts = timeouts or Timeouts()
        self._catalogs = catalogs or CatalogCache()
        self._reading_catalogs = asyncio.Semaphore(_CATALOGS_AT_ONCE)

    async def submit(
        self, server: ComfyUIServer, graph: Mapping[str, Any], *, prompt_id: str, client_id: str
    ) -> None:
        """Queue a graph under our own id.

        Raises WorkflowError when ComfyUI refuses it, wholly or in part; ServerUnreachableError
        when it surely never arrived; SubmissionUncertainError when it may have been queued.
        """
        body = {"prompt": graph, "prompt_id": prompt_id, "client_id": client_id}
        answer = await self._call(server, "prompt", body=body, submitting=True)
        if answer.status == 400:
            raise rejection(answer.json())
        if answer.status >= 500:  # ComfyUI itself answers 500 to prompts that it has queued
            raise SubmissionUncertainError(
                f"ComfyUI server '{server.name}' answered with {answer.status} to the prompt."
            )
        told = _confirmation(answer.accepted())
        if node_errors_of(told):
            await self.withdraw(server, prompt_id)
            raise rejection(told)
        if told["prompt_id"] != prompt_id:
            await self.withdraw(server, told["prompt_id"])
            raise UpstreamError(
                f"ComfyUI server '{server.name}' is too old: it does not keep our prompt ids.",
                code="COMFYUI_TOO_OLD",
            )

    async def history(self, server: ComfyUIServer, prompt_id: str) -> PromptOutcome | None:
        """Give a prompt's outcome; None when it is unknown there, pending or running."""
        return parse_history(prompt_id, await self._ask(server, f"history/{prompt_id}"))

    async def queue(self, server: ComfyUIServer) -> ServerQueue:
        """Give all prompts that run or wait there, ours and foreign ones."""
        return parse_queue(await self._ask(server, "queue"))

    async def take_back(self, server: ComfyUIServer, prompt_id: str) -> None:
        """Remove a waiting prompt. ComfyUI ignores it for running and unknown ones."""
        (await self._call(server, "queue", body={"delete": [prompt_id]})).accepted()

    async def interrupt(self, server: ComfyUIServer, prompt_id: str) -> None:
        """Stop that prompt if it runs, and no other one."""
        knows_ids = _knows_prompt_ids((await self.system_stats(server)).version)
        if not knows_ids and prompt_id not in (await self.queue(server)).running:
            return
        (await self._call(server, "interrupt", body={"prompt_id": prompt_id})).accepted()

    async def withdraw(self, server: ComfyUIServer, prompt_id: str) -> None:
        """Take a prompt back wherever it is by now: dequeue it, interrupt it if it runs.

        A server that is away has nothing left to stop, so this raises nothing.
        """
        with suppress(UpstreamError):
            await self.take_back(server, prompt_id)
            await self.interrupt(server, prompt_id)

    async def system_stats(self, server: ComfyUIServer) -> SystemStats:
        """Give version and devices: the health probe."""
        answer = await self._ask(server, "system_stats", total=self._timeouts.probe)
        return parse_system_stats(answer)

    async def catalog(self, server: ComfyUIServer) -> ServerCatalog:
        """Give what the server has. Reading 20 MB takes 0.3 s, so a thread does it.

        Waiting for a server to begin holds up no other; what they send is read for a few at once.
        """
        silence = self._timeouts.catalog
        timeout = aiohttp.ClientTimeout(connect=self._timeouts.connect, sock_read=silence)
        with translated(_who(server)):
            async with (
                self._session.get(
                    _url(server, "object_info"),
                    headers=_headers(server),
                    timeout=timeout,
                    allow_redirects=False,
                ) as response,
                self._reading_catalogs,
            ):
                async with asyncio.timeout(silence):
                    answer = ComfyUIAnswer(server.name, response.status, await _read(response))
                body = answer.accepted().body
                return await asyncio.to_thread(self._catalogs.read, body, answer.json)

    async def upload_image(
        self, server: ComfyUIServer, content: bytes, *, name: str, subfolder: str
    ) -> str:
        """Put a picture into the server's input folder; give what LoadImage calls it there.

        An equal name is overwritten, so take names that tell the content. UpstreamError when it
        is refused, ServerUnreachableError when the server is away.
        """
        # Percent-encoded names would be kept as they are [ComfyUI 0.3.64].
        form = aiohttp.FormData(quote_fields=False)
        form.add_field("image", content, filename=name, content_type="application/octet-stream")
        form.add_field("subfolder", subfolder)
        form.add_field("overwrite", "true")
        timeout = aiohttp.ClientTimeout(total=self._timeouts.upload, connect=self._timeouts.connect)
        with translated(_who(server)):
            async with self._session.post(
                _url(server, "upload/image"),
                data=form,
                headers=_headers(server),
                timeout=timeout,
                allow_redirects=False,
            ) as response:
                answer = ComfyUIAnswer(server.name, response.status, await _read(response))
        return _uploaded_name(answer.accepted())

    async def download(
        self, server: ComfyUIServer, file: OutputFile, target: Path, *, max_bytes: int
    ) -> int:
        """Stream a result into `target`, a path of our own choice; give its size in bytes.

        Nothing is left behind on failure: UpstreamError (gone, too large, cut short),
        StorageFullError, or a cancellation.
        """
        timeout = aiohttp.ClientTimeout(
            connect=self._timeouts.connect, sock_read=self._timeouts.stall
        )
        query = {"filename": file.filename, "subfolder": file.subfolder, "type": file.type}
        with translated(_who(server)), removed_on_failure(target), storage_errors():
            async with self._session.get(
                _url(server, "view"),
                params=query,
                headers=_headers(server) | {"Accept-Encoding": "identity"},
                timeout=timeout,
                allow_redirects=False,
            ) as response:
                expected = _announced_size(server, file, response, max_bytes)
                size = await save_body(response, target, max_bytes)
            if expected is not None and size != expected:
                raise UpstreamError(f"The result came cut short: {size} of {expected} bytes.")
        return size

    async def progress(
        self, server: ComfyUIServer, client_id: str
    ) -> AsyncGenerator[ProgressEvent, None]:
        """Yield what the server tells this client id until the socket closes.

        It may close, or go silent, at any time while prompts go on: never wait for it alone.
        Iterate under contextlib.aclosing, and use a new client id for each connection.
        """
        with translated(_who(server)):
            async with self._socket(server, client_id) as socket:
                async for message in socket:
                    event = _event(message)
                    if event is not None:
                        yield event

    @asynccontextmanager
    async def _socket(
        self, server: ComfyUIServer, client_id: str
    ) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
        async with asyncio.timeout(self._timeouts.answer):
            socket = await self._session.ws_connect(
                _url(server, "ws"),
                params={"clientId": client_id},
                headers=_headers(server),
                heartbeat=self._timeouts.heartbeat,
                max_msg_size=_MAX_MESSAGE,
                timeout=aiohttp.ClientWSTimeout(ws_close=2.0),
            )
        async with socket:
            yield socket

    async def _ask(self, server: ComfyUIServer, path: str, *, total: float | None = None) -> Any:
        return (await self._call(server, path, total=total)).accepted().json()

    async def _call(
        self,
        server: ComfyUIServer,
        path: str,
        *,
        body: Mapping[str, Any] | None = None,
        total: float | None = None,
        submitting: bool = False,
    ) -> ComfyUIAnswer:
        """GET without a body, POST with one."""
        allowed = self._timeouts.slow_answer if submitting else self._timeouts.answer
        timeout = aiohttp.ClientTimeout(total=total or allowed, connect=self._timeouts.connect)
        with translated(_who(server), submitting=submitting):
            async with self._session.request(
                "GET" if body is None else "POST",
                _url(server, path),
                json=body,
                headers=_headers(server),
                timeout=timeout,
                allow_redirects=False,
            ) as response:
                return ComfyUIAnswer(server.name, response.status, await _read(response))


def _who(server: ComfyUIServer) -> str:
    return f"ComfyUI server '{server.name}'"


def _url(server: ComfyUIServer, path: str) -> URL:
    return URL(f"{server.url}/{path}")


def _headers(server: ComfyUIServer) -> dict[str, str]:
    key = server.require_key()
    return {"Authorization": f"Bearer {key}"} if key else {}


def _confirmation(answer: ComfyUIAnswer) -> Mapping[str, Any]:
    try:
        told = answer.json()
    except UpstreamError as error:
        raise SubmissionUncertainError(error.message) from error
    if not isinstance(told, Mapping) or not isinstance(told.get("prompt_id"), str):
        raise SubmissionUncertainError(
            f"ComfyUI server '{answer.server}' did not confirm the prompt."
        )
    return told


def _uploaded_name(answer: ComfyUIAnswer) -> str:
    """ComfyUI may store under another name than asked for: its own counts."""
    answered = answer.json()
    told = answered if isinstance(answered, Mapping) else {}
    name, subfolder = told.get("name"), told.get("subfolder", "")
    if not isinstance(name, str) or not name or not isinstance(subfolder, str):
        raise UpstreamError(f"ComfyUI server '{answer.server}' did not say where the picture is.")
    return f"{subfolder}/{name}" if subfolder else name


def _knows_prompt_ids(version: str | None) -> bool:
    numbers = re.match(r"v?(\d+)\.(\d+)\.(\d+)", version or "")
    return numbers is not None and tuple(map(int, numbers.groups())) >= _KNOWS_PROMPT_IDS


def _event(message: aiohttp.WSMessage) -> ProgressEvent | None:
    """Read a frame; previews (binary) and nonsense are passed over."""
    if message.type is not aiohttp.WSMsgType.TEXT:
        return None
    try:
        return parse_event(json.loads(message.data))
    except (ValueError, RecursionError):
        return None


async def _read(response: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for chunk in response.content.iter_chunked(_CHUNK):
        body += chunk
        if len(body) > _MAX_JSON:
            return b""
    return bytes(body)


def _announced_size(
    server: ComfyUIServer, file: OutputFile, response: aiohttp.ClientResponse, max_bytes: int
) -> int | None:
    """Check the head of a download; give its Content-Length if it means the bytes we get."""
    if response.status == 404:
        raise UpstreamError(
            f"ComfyUI server '{server.name}' no longer has '{file.filename}'.", code="RESULT_GONE"
        )
    ComfyUIAnswer(server.name, response.status, b"").accepted()
    size = response.content_length
    if size is not None and size > max_bytes:
        raise _too_large(max_bytes)
    return None if response.headers.get("Content-Encoding") else size


async def save_body(response: aiohttp.ClientResponse, target: Path, max_bytes: int) -> int:
    size = 0
    handle: BinaryIO = await asyncio.to_thread(target.open, "wb")
    with handle:
        async for chunk in response.content.iter_chunked(_CHUNK):
            size += len(chunk)
            if size > max_bytes:
                raise _too_large(max_bytes)
            await asyncio.to_thread(handle.write, chunk)
    return size


def _too_large(max_bytes: int) -> UpstreamError:
    return UpstreamError(
        f"The result is larger than {max_bytes} bytes.", code="RESULT_TOO_LARGE", limit=max_bytes
    )
