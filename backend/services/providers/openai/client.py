"""Talks the wire shape of OpenAI's Videos API to OPENAI_BASE_URL; the only one that does.

Every method raises only errors of backend.utils.errors. The key is in the request's header and
nowhere else: it is taken out of whatever the provider says. OpenAI's own service was shut down
on 2026-09-24, so its host is never called.
"""

import io
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, NoReturn
from urllib.parse import quote

import aiohttp
from yarl import URL

from backend.models.comfyui_server import ComfyUIServer
from backend.services.comfyui.client import save_body
from backend.services.comfyui.messages import OutputFile
from backend.services.providers.openai.messages import (
    Video,
    error_code_of,
    parse_page,
    parse_video,
    sentence_of,
)
from backend.services.providers.openai.transport import (
    BUSY,
    FATE_UNKNOWN,
    WHO,
    ProviderAnswer,
    ProviderTimeouts,
    is_retired,
    read_answer,
    translated,
)
from backend.services.providers.order_payload import OrderPayload
from backend.utils.clock import Clock, utc_now
from backend.utils.disk import removed_on_failure, storage_errors
from backend.utils.errors import (
    LeaseLostError,
    ResourceNotFoundError,
    ServerUnreachableError,
    ServiceUnavailableError,
    SubmissionUncertainError,
    UpstreamError,
)

_OUT_OF_MONEY = frozenset({"insufficient_quota", "billing_hard_limit_reached"})
#: Keys of the usual look, also those that a provider quotes half hidden.
_KEY_SHAPE = re.compile(r"\bsk-[\w*.-]{4,}")


class ReferencePicture(NamedTuple):
    """A reference picture as it goes into the form."""

    name: str
    media_type: str
    content: bytes


class OpenAIVideoClient:
    def __init__(
        self,
        session: aiohttp.ClientSession,
        *,
        base_url: str,
        api_key: str | None,
        timeouts: ProviderTimeouts | None = None,
        clock: Clock = utc_now,
    ) -> None:
        self._session = session
        self._base_url = base_url.rstrip("/")
        self._key = api_key
        self._timeouts = timeouts or ProviderTimeouts()
        self._clock = clock

    def require_ready(self) -> None:
        """Raise ServiceUnavailableError unless there is a provider to talk to; no network."""
        if not self._key:
            raise ServiceUnavailableError(
                "No video provider is configured: set OPENAI_API_KEY, and OPENAI_BASE_URL to a "
                "service or engine that speaks OpenAI's Videos API (/v1/videos).",
                code="OPENAI_NOT_CONFIGURED",
            )
        if is_retired(self._base_url):
            raise ServiceUnavailableError(
                "OpenAI shut its own Videos API down on 2026-09-24. Set OPENAI_BASE_URL to a "
                "gateway or a self-hosted engine that speaks it, for example "
                "http://127.0.0.1:8000/v1.",
                code="PROVIDER_RETIRED",
            )

    async def create(
        self,
        fields: Mapping[str, str],
        *,
        reference: ReferencePicture | None,
        idempotency_key: str,
        may_order: Callable[[], bool],
    ) -> Video:
        """Order a video: this costs money, so never repeat it by yourself.

        `may_order` is asked before each piece: LeaseLostError, and no order, once it says no.
        Raises ServerUnreachableError or UpstreamError BUSY when surely nothing was accepted,
        SubmissionUncertainError when it may have been, any other UpstreamError for a refusal.
        """
        form = aiohttp.FormData(default_to_multipart=True)
        for name, value in fields.items():
            form.add_field(name, value)
        if reference is not None:
            form.add_field(
                "input_reference",
                io.BytesIO(reference.content),
                filename=reference.name,
                content_type=reference.media_type,
            )
        whole = form()
        body = OrderPayload(await whole.as_bytes(), whole.content_type, may_order)
        headers = {"Idempotency-Key": idempotency_key}
        try:
            with translated(ordering=True):
                answer = await self._call("POST", "videos", data=body, headers=headers)
        except UpstreamError as error:
            if body.was_stopped:
                raise LeaseLostError from error
            raise
        if answer.status >= 400:
            self._refuse_creation(answer)
        return self._created(answer)

    async def retrieve(self, video_id: str) -> Video:
        """Give a video as it stands. Raises ResourceNotFoundError, UpstreamError."""
        return parse_video(await self._ask("GET", _path(video_id), video_id=video_id))

    async def page(self, query: Mapping[str, str | int]) -> dict[str, Any]:
        """Give one page of the provider's list; `query` holds limit, order and perhaps after."""
        body = await self._ask("GET", "videos", params=query)
        return parse_page(body, limit=int(query["limit"]))

    async def delete(self, video_id: str) -> None:
        """Delete a video there. Raises ResourceNotFoundError, UpstreamError."""
        body = await self._ask("DELETE", _path(video_id), video_id=video_id)
        if isinstance(body, Mapping) and body.get("deleted") is False:
            raise UpstreamError(f"{WHO} did not delete the video.", code="PROVIDER_REFUSED")

    async def download(self, video_id: str, target: Path, *, max_bytes: int) -> int:
        """Stream a finished video into `target`; gives its size in bytes.

        Nothing is left behind on failure. ServerUnreachableError: another try may do.
        """
        self.require_ready()
        timeout = aiohttp.ClientTimeout(
            connect=self._timeouts.connect, sock_read=self._timeouts.stall
        )
        with translated(), removed_on_failure(target), storage_errors():
            async with self._session.get(
                self._url(f"{_path(video_id)}/content"),
                headers=self._headers() | {"Accept-Encoding": "identity"},
                timeout=timeout,
                allow_redirects=False,
            ) as response:
                await self._check_download(response, max_bytes)
                size = await save_body(response, target, max_bytes)
            encoded = "Content-Encoding" in response.headers
            if not encoded and response.content_length not in {None, size}:
                raise UpstreamError(f"The video came cut short: {size} bytes of it.")
        return size

    async def _check_download(self, response: aiohttp.ClientResponse, max_bytes: int) -> None:
        if response.status != 200:
            answer = await read_answer(response, self._clock())
            error = self._refusal(answer)
            if error.code == BUSY:
                raise ServerUnreachableError(error.message, code=BUSY)
            raise error
        if (response.content_length or 0) > max_bytes:
            raise UpstreamError(
                f"The video is larger than {max_bytes} bytes.",
                code="RESULT_TOO_LARGE",
                limit=max_bytes,
            )

    async def _ask(
        self,
        method: str,
        path: str,
        *,
        video_id: str | None = None,
        params: Mapping[str, str | int] | None = None,
    ) -> object:
        """Give the JSON of a 2xx answer, None for one without a body."""
        with translated():
            answer = await self._call(method, path, params=params)
        if answer.status == 404:
            raise self._not_found(answer, video_id)
        if answer.status >= 300:
            raise self._refusal(answer)
        return answer.json()

    async def _call(
        self,
        method: str,
        path: str,
        *,
        data: OrderPayload | None = None,
        params: Mapping[str, str | int] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> ProviderAnswer:
        self.require_ready()
        total = self._timeouts.answer if data is None else self._timeouts.create
        async with self._session.request(
            method,
            self._url(path),
            data=data,
            params=params,
            headers={**self._headers(), **(headers or {})},
            timeout=aiohttp.ClientTimeout(total=total, connect=self._timeouts.connect),
            allow_redirects=False,
        ) as response:
            return await read_answer(response, self._clock())

    def _created(self, answer: ProviderAnswer) -> Video:
        """Read the receipt. One without an id leaves the fate open, unless it states an error."""
        body = answer.json_or_none()
        try:
            return parse_video(body)
        except UpstreamError as error:
            if isinstance(body, Mapping) and body.get("error") and sentence_of(body):
                raise self._refusal(answer) from error
            raise SubmissionUncertainError(
                f"{WHO} answered {answer.status} without naming a video.", code=FATE_UNKNOWN
            ) from error

    def _refuse_creation(self, answer: ProviderAnswer) -> NoReturn:
        """Tell a refusal from an answer that says nothing about the order's fate.

        429 and 503 mean that nothing was taken on, and so does a 500 in the API's own words. A
        bare 500, 502, 504 or 52x comes from something between, which may have passed it on.
        """
        spoken = sentence_of(answer.json_or_none()) is not None
        if answer.status < 500 or answer.status == 503 or (answer.status == 500 and spoken):
            raise self._refusal(answer)
        raise SubmissionUncertainError(
            f"{WHO} answered {answer.status} to the order.", code=FATE_UNKNOWN
        )

    def _refusal(self, answer: ProviderAnswer) -> UpstreamError:
        body = answer.json_or_none()
        words = self._redacted(sentence_of(body) or "it gave no reason.")
        reason = error_code_of(body)
        busy = answer.status >= 500 or (answer.status == 429 and reason not in _OUT_OF_MONEY)
        code = "PROVIDER_UNAUTHORIZED" if answer.status == 401 else "PROVIDER_REFUSED"
        return UpstreamError(
            f"{WHO} refused ({answer.status}): {words}",
            code=BUSY if busy else code,
            provider_status=answer.status,
            provider_code=self._redacted(reason) if reason else None,
            retry_after=answer.retry_after,
        )

    def _not_found(self, answer: ProviderAnswer, video_id: str | None) -> ResourceNotFoundError:
        if video_id is not None:
            return ResourceNotFoundError.of("video", video_id)
        words = sentence_of(answer.json_or_none()) or "check OPENAI_BASE_URL."
        return ResourceNotFoundError(
            f"{WHO} has no such list: {self._redacted(words)}", code="VIDEOS_NOT_FOUND"
        )

    def _url(self, path: str) -> URL:
        return URL(f"{self._base_url}/{path}", encoded=True)

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._key}", "Accept": "application/json, */*"}

    def _redacted(self, text: str) -> str:
        hidden = text.replace(self._key, "[key]") if self._key else text
        return _KEY_SHAPE.sub("[key]", hidden)


class VideoDownloads:
    """The provider in the shape that the result store fetches from: a file's name is an id."""

    def __init__(self, client: OpenAIVideoClient) -> None:
        self._client = client

    async def download(
        self, server: ComfyUIServer, file: OutputFile, target: Path, *, max_bytes: int
    ) -> int:
        return await self._client.download(file.filename, target, max_bytes=max_bytes)


def _path(video_id: str) -> str:
    return f"videos/{quote(video_id, safe='')}"
