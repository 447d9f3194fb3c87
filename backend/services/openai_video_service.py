"""The videos at the configured provider, as they are there: list, look, delete."""

from typing import Any

from backend.services.providers.openai.client import OpenAIVideoClient
from backend.services.providers.openai.messages import is_usable_id
from backend.utils.errors import ResourceNotFoundError


class OpenAIVideoService:
    """Raises ServiceUnavailableError without a usable provider, before any call is made."""

    def __init__(self, client: OpenAIVideoClient) -> None:
        self._client = client

    def require_ready(self) -> None:
        """Raise OPENAI_NOT_CONFIGURED or PROVIDER_RETIRED unless there is a provider."""
        self._client.require_ready()

    async def list_videos(
        self, *, limit: int, after: str | None, order: str | None
    ) -> dict[str, Any]:
        query: dict[str, str | int] = {"limit": limit}
        if after:
            query["after"] = after
        if order:
            query["order"] = order
        return await self._client.page(query)

    async def get(self, video_id: str) -> dict[str, Any]:
        self._check_id(video_id)
        return dict((await self._client.retrieve(video_id)).wire)

    async def delete(self, video_id: str) -> dict[str, Any]:
        """Delete a video at the provider; takes that were fetched from it stay here."""
        self._check_id(video_id)
        await self._client.delete(video_id)
        return {
            "id": video_id,
            "object": "video.deleted",
            "deleted": True,
            "message": "Video deleted at the provider.",
        }

    def _check_id(self, video_id: str) -> None:
        self._client.require_ready()
        if not is_usable_id(video_id):
            raise ResourceNotFoundError.of("video", video_id)
