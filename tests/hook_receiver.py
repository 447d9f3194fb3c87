"""Somebody's own server that webhooks call, with faults on demand."""

import asyncio
import hashlib
import hmac
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import orjson
from aiohttp import web

SECRET = "a-secret-of-many-letters"


@dataclass(frozen=True)
class Call:
    headers: dict[str, str]
    body: bytes
    query: str

    @property
    def event(self) -> dict[str, Any]:
        return dict(orjson.loads(self.body))

    @property
    def delivery(self) -> str:
        return self.headers["X-StoryCanvas-Delivery"]

    def is_signed(self, secret: str = SECRET) -> bool:
        """As the guide tells receivers to check it."""
        parts = dict(part.split("=") for part in self.headers["X-StoryCanvas-Signature"].split(","))
        signed = hmac.new(secret.encode(), f"{parts['t']}.".encode() + self.body, hashlib.sha256)
        return hmac.compare_digest(signed.hexdigest(), parts["v1"])


class Receiver:
    """`answers` are statuses or words for faults, taken one a call; then it is all 204."""

    def __init__(self, *answers: int | str) -> None:
        self.answers = list(answers)
        self.calls: list[Call] = []
        self._runner: web.AppRunner | None = None
        self.url = ""

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_post("/{tail:.*}", self._take)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        port = self._runner.addresses[0][1]
        self.url = f"http://127.0.0.1:{port}/hook?token=abc"
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._runner is not None
        await self._runner.cleanup()

    @property
    def told(self) -> list[str]:
        return [call.event["job_id"] for call in self.calls]

    async def _take(self, request: web.Request) -> web.StreamResponse:
        self.calls.append(Call(dict(request.headers), await request.read(), request.query_string))
        answer = self.answers.pop(0) if self.answers else 204
        if answer == "hang":
            await asyncio.sleep(30)
        if answer == "cut":
            assert request.transport is not None
            request.transport.abort()
        if answer == "redirect":
            raise web.HTTPTemporaryRedirect(self.url)
        if answer == "flood":
            return web.Response(status=500, text="no\n\x00" + "x" * 5_000_000)
        return web.Response(status=int(answer) if isinstance(answer, int) else 500, text="so so")
