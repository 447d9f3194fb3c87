"""Sends one signed request to a webhook: short, and without following redirects."""

import hashlib
import hmac

import aiohttp

from backend.dtos.event_dto import linked_json
from backend.models.webhook import Reply, Webhook, WebhookDelivery
from backend.services.comfyui.transport import translated
from backend.utils.clock import Clock
from backend.utils.errors import UpstreamError
from backend.utils.media_links import MediaLinks, linking

#: Seconds for everything: dialling, sending, and the head of the answer.
SEND_SECONDS = 5.0
#: Of an answer that refuses so many bytes are read, and characters kept.
_EXCERPT_BYTES = 1_024
_EXCERPT = 200


def signature(secret: str, timestamp: int, body: str) -> str:
    """`t=…,v1=…`: v1 is the HMAC-SHA256, in hex, of the timestamp, a dot, and the body."""
    signed = hmac.new(secret.encode(), f"{timestamp}.{body}".encode(), hashlib.sha256)
    return f"t={timestamp},v1={signed.hexdigest()}"


class WebhookSender:
    """Sends deliveries. `session` connects only to addresses that webhooks may have.

    `links` makes the addresses of media, which deliveries keep as documents do.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        *,
        links: MediaLinks,
        clock: Clock,
        seconds: float = SEND_SECONDS,
    ) -> None:
        self._session = session
        self._links = links
        self._clock = clock
        self._seconds = seconds

    async def send(self, webhook: Webhook, delivery: WebhookDelivery) -> Reply:
        """Try once. Whatever happens there is in the reply; nothing is raised for it."""
        if webhook.secret is None:
            return Reply(error="Its secret was stored under another SECRET_KEY: set it anew.")
        with linking(self._links):
            body = linked_json(delivery.body)
        headers = {
            "Content-Type": "application/json",
            "X-StoryCanvas-Event": delivery.event,
            "X-StoryCanvas-Event-Id": str(delivery.event_id),
            "X-StoryCanvas-Delivery": delivery.id,
            "X-StoryCanvas-Signature": signature(
                webhook.secret, int(self._clock().timestamp()), body
            ),
        }
        try:
            with translated("The webhook"):
                return await self._post(webhook.url, body, headers)
        except UpstreamError as error:
            cause = error.__cause__
            status = cause.status if isinstance(cause, aiohttp.ClientResponseError) else 0
            return Reply(code=status or None, error=error.message)

    async def _post(self, url: str, body: str, headers: dict[str, str]) -> Reply:
        async with self._session.post(
            url,
            data=body.encode(),
            headers=headers,
            timeout=aiohttp.ClientTimeout(total=self._seconds),
            allow_redirects=False,
        ) as response:
            if 200 <= response.status < 300:
                return Reply(code=response.status)
            said = _printable(await response.content.read(_EXCERPT_BYTES))
            words = f"It answered {response.status}" + (f": {said}" if said else ".")
            return Reply(code=response.status, error=words)


def _printable(said: bytes) -> str:
    text = said.decode("utf-8", "replace")
    return "".join(char if char.isprintable() else " " for char in text)[:_EXCERPT].strip()
