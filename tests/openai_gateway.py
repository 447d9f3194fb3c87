"""A gateway that speaks the wire shape of OpenAI's Videos API on loopback, with faults on demand.

It charges for every order that it accepts, so a test can count them. Its videos are real files.
"""

import asyncio
import itertools
from collections import defaultdict, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Self

from aiohttp import BodyPartReader, web

from tests.unit.services.media.media_samples import video

KEY = "sk-test-5ecret-key-of-the-gateway"


@dataclass(frozen=True)
class Fault:
    """Answer a call in a wrong way. `after`: do what was asked first, then answer like this."""

    status: int = 200
    body: bytes | Mapping[str, Any] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    after: bool = False
    #: Close the connection instead of answering.
    drop: bool = False
    #: Promise this many bytes more than are sent.
    missing: int = 0
    #: Wait for `gateway.released` first.
    hold: bool = False
    #: Do what was asked, but read the order only once `released` is set.
    late: bool = False


def refusal(status: int, message: str, code: str = "invalid_request_error", **extra: str) -> Fault:
    return Fault(status, {"error": {"message": message, "code": code}}, extra)


class Gateway:
    """`status_words` are what it says of a video, look by look; the last one stays."""

    def __init__(self) -> None:
        self._runner: web.AppRunner | None = None
        self._port = 0
        self.reset()

    def reset(self) -> None:
        """Forget everything, faults included."""
        self.status_words: list[str | None] = ["queued", "in_progress", "completed"]
        self.content = _film()
        self.videos: dict[str, dict[str, Any]] = {}
        #: What was ordered and accepted, in order: form fields, and the picture if there was one.
        self.orders: list[dict[str, Any]] = []
        #: Orders whose body never came to its end.
        self.broken_off = 0
        self.calls: list[tuple[str, str]] = []
        self.keys_seen: list[str] = []
        self.released = asyncio.Event()
        self.extra: dict[str, Any] = {}
        self._faults: defaultdict[str, deque[Fault]] = defaultdict(deque)
        self._looks: defaultdict[str, int] = defaultdict(int)
        self._numbers = itertools.count(1)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}/v1"

    def count(self, action: str) -> int:
        return sum(1 for name, _ in self.calls if name == action)

    def fault(self, action: str, *faults: Fault, times: int = 1) -> None:
        """Let the next calls of an action go wrong: create, retrieve, content, list or delete."""
        self._faults[action].extend(faults * times)

    def add(self, video_id: str, **fields: Any) -> None:
        """Put a video there as if somebody had ordered it."""
        self.videos[video_id] = {
            "id": video_id,
            "object": "video",
            "created_at": 1_764_347_090 + len(self.videos),
            "status": "completed",
            "progress": 100,
            "model": "sora-2",
            "seconds": "4",
            "size": "1280x720",
            **fields,
        }

    async def start(self, port: int = 0) -> None:
        app = web.Application(client_max_size=64 * 1024 * 1024)
        app.router.add_post("/v1/videos", self._create)
        app.router.add_get("/v1/videos", self._list)
        app.router.add_get("/v1/videos/{id}", self._retrieve)
        app.router.add_delete("/v1/videos/{id}", self._delete)
        app.router.add_get("/v1/videos/{id}/content", self._content)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", port)
        await site.start()
        self._port = self._runner.addresses[0][1]

    async def stop(self) -> int:
        """Close the port; gives it, so that a test may open it again."""
        self.released.set()
        if self._runner is not None:
            await self._runner.cleanup()
        return self._port

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def _create(self, request: web.Request) -> web.StreamResponse:
        fault = await self._begin(request, "create")
        if fault is not None and fault.late:
            await self.released.wait()
        elif fault is not None and not fault.after:
            return await self._go_wrong(request, fault)
        try:
            order = await _form(request)
        except (ConnectionError, web.RequestPayloadError):
            self.broken_off += 1
            raise
        order["idempotency_key"] = request.headers.get("Idempotency-Key")
        self.orders.append(order)
        video_id = f"video_{next(self._numbers)}"
        fields = {name: order[name] for name in ("model", "seconds", "size") if name in order}
        self.add(video_id, status=self.status_words[0], progress=0, **fields)
        if fault is not None and fault.after:
            return await self._go_wrong(request, fault)
        return web.json_response(self.videos[video_id])

    async def _retrieve(self, request: web.Request) -> web.StreamResponse:
        fault = await self._begin(request, "retrieve")
        if fault is not None:
            return await self._go_wrong(request, fault)
        video_id = request.match_info["id"]
        if video_id not in self.videos:
            return _missing(video_id)
        if video_id.startswith("video_") and video_id[6:].isdigit():
            self._advance(video_id)
        return web.json_response({**self.videos[video_id], **self.extra})

    def _advance(self, video_id: str) -> None:
        look = min(self._looks[video_id], len(self.status_words) - 1)
        self._looks[video_id] += 1
        word = self.status_words[look]
        told = self.videos[video_id]
        told["progress"] = round(100 * (look + 1) / len(self.status_words))
        if word is None:
            told.pop("status", None)
        else:
            told["status"] = word

    async def _list(self, request: web.Request) -> web.StreamResponse:
        fault = await self._begin(request, "list")
        if fault is not None:
            return await self._go_wrong(request, fault)
        query = request.query
        found = list(self.videos.values())
        if query.get("order") != "asc":
            found.reverse()
        ids = [entry["id"] for entry in found]
        if query.get("after") in ids:
            found = found[ids.index(query["after"]) + 1 :]
        page = found[: int(query.get("limit", 20))]
        return web.json_response(
            {
                "object": "list",
                "data": page,
                "first_id": page[0]["id"] if page else None,
                "last_id": page[-1]["id"] if page else None,
                "has_more": len(page) < len(found),
            }
        )

    async def _delete(self, request: web.Request) -> web.StreamResponse:
        fault = await self._begin(request, "delete")
        if fault is not None:
            return await self._go_wrong(request, fault)
        video_id = request.match_info["id"]
        if self.videos.pop(video_id, None) is None:
            return _missing(video_id)
        return web.json_response({"id": video_id, "object": "video.deleted", "deleted": True})

    async def _content(self, request: web.Request) -> web.StreamResponse:
        fault = await self._begin(request, "content")
        if fault is not None:
            return await self._go_wrong(request, fault)
        return web.Response(body=self.content, content_type="video/mp4")

    async def _begin(self, request: web.Request, action: str) -> Fault | None:
        self.calls.append((action, request.path_qs))
        self.keys_seen.append(request.headers.get("Authorization", ""))
        if self.keys_seen[-1] != f"Bearer {KEY}":
            return refusal(401, f"Incorrect API key provided: {self.keys_seen[-1][7:]}.")
        return self._faults[action].popleft() if self._faults[action] else None

    async def _go_wrong(self, request: web.Request, fault: Fault) -> web.StreamResponse:
        if fault.hold:
            await self.released.wait()
        if fault.drop:
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        if fault.missing:
            return await self._cut_short(request, fault.missing)
        if isinstance(fault.body, Mapping):
            return web.json_response(fault.body, status=fault.status, headers=fault.headers)
        return web.Response(status=fault.status, body=fault.body or b"", headers=fault.headers)

    async def _cut_short(self, request: web.Request, missing: int) -> web.StreamResponse:
        response = web.StreamResponse()
        response.content_length = len(self.content)
        await response.prepare(request)
        await response.write(self.content[:-missing])
        assert request.transport is not None
        request.transport.close()
        return response


@cache
def _film() -> bytes:
    return video(frames=4)


async def _form(request: web.Request) -> dict[str, Any]:
    order: dict[str, Any] = {}
    async for part in await request.multipart():
        assert isinstance(part, BodyPartReader)
        content = bytes(await part.read())
        kind = part.headers.get("Content-Type", "")
        named = (part.filename, kind, content)
        order[part.name or ""] = named if part.filename else content.decode()
    return order


def _missing(video_id: str) -> web.Response:
    error = {"message": f"Video with id '{video_id}' not found.", "code": "not_found"}
    return web.json_response({"error": error}, status=404)
