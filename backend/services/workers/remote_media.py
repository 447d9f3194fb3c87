"""Fetches media that a client names by URL, under guard, or copies them from our own uploads.

Private addresses are refused, so that nobody reads a neighbour's files through us, unless the
URL lies on a registered server.
"""

import asyncio
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote, urlsplit

import aiohttp

from backend.models.comfyui_server import ComfyUIServer
from backend.repositories.comfyui_repository import ComfyUIRepository
from backend.services.comfyui.client import save_body
from backend.services.comfyui.messages import OutputFile
from backend.services.comfyui.transport import translated
from backend.services.media.media_files import INCOMING, MediaFiles
from backend.utils.disk import removed_on_failure, storage_errors
from backend.utils.errors import InvalidRequestError, ServerUnreachableError, UpstreamError

_UPLOADS = "/uploads/"
#: A worker only named the URL: what lies there is not to be taken for the worker.
_WHO = "The host of result_url"
_TIMEOUT = aiohttp.ClientTimeout(connect=4.0, sock_read=60.0)


class RemoteMedia:
    """The downloads of a ResultStore whose files are named by URL.

    `public` dials the open internet alone, `registered` also where our servers may live.
    """

    def __init__(
        self,
        public: aiohttp.ClientSession,
        registered: aiohttp.ClientSession,
        *,
        servers: ComfyUIRepository,
        media: MediaFiles,
        who: str = _WHO,
    ) -> None:
        self._public = public
        self._registered = registered
        self._servers = servers
        self._media = media
        self._who = who

    async def download(
        self, server: ComfyUIServer, file: OutputFile, target: Path, *, max_bytes: int
    ) -> int:
        """Put what the URL names into `target`; gives its size in bytes.

        Raises InvalidRequestError for a URL that may not be read, UpstreamError for one that
        cannot: URL_UNREACHABLE when nobody answers there.
        """
        url = file.filename
        if url.startswith(_UPLOADS):
            return await asyncio.to_thread(self._copy, url, target, max_bytes)
        session = self._registered if await self._is_registered(url) else self._public
        with _no_comfyui(), translated(self._who), removed_on_failure(target), storage_errors():
            async with session.get(
                url,
                headers={"Accept-Encoding": "identity"},
                timeout=_TIMEOUT,
                allow_redirects=False,
            ) as response:
                if response.status != 200:
                    raise UpstreamError(f"The result's URL answers {response.status}.")
                size = await save_body(response, target, max_bytes)
                if response.content_length not in {None, size}:
                    raise UpstreamError("The result came cut short.")
        return size

    def _copy(self, url: str, target: Path, max_bytes: int) -> int:
        relative = unquote(url.removeprefix(_UPLOADS))
        source = self._media.absolute(relative)
        if relative.startswith(INCOMING) or not source.is_file():
            raise InvalidRequestError("There is no such file under /uploads/.")
        size = source.stat().st_size
        if size > max_bytes:
            raise UpstreamError("The result is too large.", code="RESULT_TOO_LARGE")
        with storage_errors():
            shutil.copyfile(source, target)
        return size

    async def _is_registered(self, url: str) -> bool:
        try:
            wanted = urlsplit(url)
            # A resolver raises for labels that are empty or longer than 63 letters.
            (wanted.hostname or "").encode("idna")
            place = (wanted.hostname, wanted.port)
        except ValueError:
            raise InvalidRequestError("result_url is no URL.") from None
        if wanted.scheme not in {"http", "https"} or not wanted.hostname or wanted.username:
            raise InvalidRequestError("result_url must be http(s) or begin with /uploads/.")
        known = [urlsplit(server.url) for server in await self._servers.list_all()]
        return place in {(parts.hostname, parts.port) for parts in known}


@contextmanager
def _no_comfyui() -> Iterator[None]:
    """Say of a host that a client named that it is no ComfyUI of ours that is away."""
    try:
        yield
    except ServerUnreachableError as error:
        raise ServerUnreachableError(error.message, code="URL_UNREACHABLE") from error
