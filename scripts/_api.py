"""StoryCanvas's public API over the standard library; what any other client would do."""

import http.client
import json
import urllib.error
import urllib.parse
import urllib.request
import uuid
from pathlib import Path
from typing import Any

_PATIENCE = 60.0


class DemoError(Exception):
    """The demo must stop; the message is a sentence for people."""


class ApiError(DemoError):
    """The server refused: `status`, its sentence, and the whole `body`."""

    def __init__(self, status: int, body: dict[str, Any]) -> None:
        self.status = status
        self.body = body
        detail = body.get("detail")
        super().__init__(detail if isinstance(detail, str) else f"HTTP {status}: {detail}")


class Api:
    """Paths begin with a slash; those of `call` are under /api/v1."""

    def __init__(self, base_url: str, api_key: str | None = None) -> None:
        self.base_url = base_url.rstrip("/")
        self._headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def call(
        self,
        method: str,
        path: str,
        body: dict[str, Any] | None = None,
        *,
        headers: dict[str, str] | None = None,
    ) -> Any:
        """The JSON of the answer. ApiError when it is a refusal, DemoError without an answer."""
        data = None if body is None else json.dumps(body).encode()
        sent = {"Content-Type": "application/json", **(headers or {})}
        return json.loads(self._send(method, f"/api/v1{path}", data, sent))

    def upload(self, path: str, file: Path) -> Any:
        """Send a file as the form field `file`."""
        boundary = uuid.uuid4().hex
        head = (
            f'--{boundary}\r\nContent-Disposition: form-data; name="file"; '
            f'filename="{file.name}"\r\nContent-Type: application/octet-stream\r\n\r\n'
        )
        body = head.encode() + file.read_bytes() + f"\r\n--{boundary}--\r\n".encode()
        sent = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
        return json.loads(self._send("POST", f"/api/v1{path}", body, sent))

    def download(self, path: str) -> bytes:
        return self._send("GET", path, None, {})

    def _send(self, method: str, path: str, data: bytes | None, headers: dict[str, str]) -> bytes:
        url = self.base_url + urllib.parse.quote(path, safe="/?&=%-._~")
        request = urllib.request.Request(  # noqa: S310 - http(s) only: run.py checked the address
            url, data, {**self._headers, **headers}, method=method
        )
        try:
            with self._opener.open(request, timeout=_PATIENCE) as answer:
                return bytes(answer.read())
        except urllib.error.HTTPError as error:
            with error:
                raise ApiError(error.code, _body_of(error)) from None
        except (OSError, http.client.HTTPException) as error:
            raise DemoError(f"StoryCanvas does not answer on {self.base_url}: {error}") from None


def _body_of(error: urllib.error.HTTPError) -> dict[str, Any]:
    try:
        body = json.loads(error.read())
    except ValueError:
        body = None
    return body if isinstance(body, dict) else {"detail": f"HTTP {error.code} {error.reason}"}
