"""A gateway that speaks the wire shape of OpenAI's Videos API on loopback, with faults on demand.

Its videos are real files.
"""

from functools import cache
from typing import Any

from aiohttp import BodyPartReader, web

from tests.paid_stand_in import Fault, PaidStandIn
from tests.unit.services.media.media_samples import video

KEY = "sk-test-5ecret-key-of-the-gateway"


def refusal(status: int, message: str, code: str = "invalid_request_error", **extra: str) -> Fault:
    return Fault(status, {"error": {"message": message, "code": code}}, extra)


class Gateway(PaidStandIn):
    """`status_words` are what it says of a video, look by look; the last one stays.

    Its orders are form fields, and the picture if there was one. Faults are those of create,
    retrieve, content, list and delete.
    """

    def reset(self) -> None:
        super().reset()
        self.status_words: list[str | None] = ["queued", "in_progress", "completed"]
        self.content = _film()
        self.videos: dict[str, dict[str, Any]] = {}
        self.keys_seen: list[str] = []
        self.extra: dict[str, Any] = {}

    @property
    def url(self) -> str:
        return f"{self.root}/v1"

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

    def _add_routes(self, router: web.UrlDispatcher) -> None:
        router.add_post("/v1/videos", self._create)
        router.add_get("/v1/videos", self._list)
        router.add_get("/v1/videos/{id}", self._retrieve)
        router.add_delete("/v1/videos/{id}", self._delete)
        router.add_get("/v1/videos/{id}/content", self._content)

    async def _create(self, request: web.Request) -> web.StreamResponse:
        async def accept() -> dict[str, Any]:
            order = await _form(request)
            order["idempotency_key"] = request.headers.get("Idempotency-Key")
            self.orders.append(order)
            video_id = f"video_{next(self._numbers)}"
            fields = {name: order[name] for name in ("model", "seconds", "size") if name in order}
            self.add(video_id, status=self.status_words[0], progress=0, **fields)
            return self.videos[video_id]

        return await self._order(request, "create", accept)

    async def _retrieve(self, request: web.Request) -> web.StreamResponse:
        fault = self._begin(request, "retrieve")
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
        fault = self._begin(request, "list")
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
        fault = self._begin(request, "delete")
        if fault is not None:
            return await self._go_wrong(request, fault)
        video_id = request.match_info["id"]
        if self.videos.pop(video_id, None) is None:
            return _missing(video_id)
        return web.json_response({"id": video_id, "object": "video.deleted", "deleted": True})

    async def _content(self, request: web.Request) -> web.StreamResponse:
        fault = self._begin(request, "content")
        if fault is not None:
            return await self._go_wrong(request, fault, content=self.content)
        return web.Response(body=self.content, content_type="video/mp4")

    def _refused(self, request: web.Request) -> Fault | None:
        self.keys_seen.append(request.headers.get("Authorization", ""))
        if self.keys_seen[-1] == f"Bearer {KEY}":
            return None
        return refusal(401, f"Incorrect API key provided: {self.keys_seen[-1][7:]}.")


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
