"""Reads events from the log and sends them to webhooks, each once if nothing fails.

The log is the outbox: what it holds behind the noted chunk is still to be turned into
deliveries. Any process may do so, as the id of a delivery is derived from webhook and event.
Each try is claimed by a guarded write. So a crash loses nothing, and of many processes one
sends; after a crash between sending and noting it, a delivery comes twice under one id.
"""

import asyncio
import contextlib
import logging
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta

from backend.dtos.event_dto import event_json
from backend.models.event import Event
from backend.models.webhook import DeliveryStatus, Reply, Webhook, WebhookDelivery, pause_after
from backend.repositories.event_repository import EventRepository
from backend.repositories.webhook_repository import (
    DeliveryRepository,
    DueDelivery,
    WebhookRepository,
)
from backend.services.events.webhook_sender import WebhookSender
from backend.utils.clock import Clock
from backend.utils.errors import DatabaseUnavailableError
from backend.utils.ids import derived_id

logger = logging.getLogger(__name__)

_WINDOW = 10
#: A try that its process did not conclude is anybody's after so long.
_LEASE = timedelta(seconds=30)
#: Deliveries that one webhook gets in a round, one after the other.
_IN_A_ROW = 20
_WEBHOOKS_AT_ONCE = 8


class WebhookDispatcher:
    """Run `run()` as a task; `wake` says that there may be something to tell."""

    def __init__(
        self,
        webhooks: WebhookRepository,
        deliveries: DeliveryRepository,
        log: EventRepository,
        *,
        sender: WebhookSender,
        clock: Clock,
        idle_seconds: float = 2.0,
    ) -> None:
        self._webhooks = webhooks
        self._deliveries = deliveries
        self._log = log
        self._sender = sender
        self._clock = clock
        self._idle_seconds = idle_seconds
        self._woken = asyncio.Event()

    def wake(self) -> None:
        self._woken.set()

    async def run(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._idle_seconds):
                    await self._woken.wait()
            self._woken.clear()
            try:
                await self.round()
            except DatabaseUnavailableError:
                logger.debug("Webhooks wait for the database.")
                await asyncio.sleep(self._idle_seconds)

    async def round(self) -> None:
        """Make what deliveries are missing, and send those that are due."""
        webhooks = await self._webhooks.active()
        if webhooks:
            await self._make_deliveries(webhooks)
            await self._send_due({webhook.id: webhook for webhook in webhooks})

    async def _make_deliveries(self, webhooks: Sequence[Webhook]) -> None:
        number = max(await self._webhooks.told_until(), min(webhook.since for webhook in webhooks))
        touched: set[str] = set()
        while (following := await self._log.first_after(number, window=_WINDOW)) is not None:
            chunks = await self._log.after(following - 1, limit=_WINDOW)
            events = [event for chunk in chunks for event in chunk.events]
            made = [
                _delivery(webhook, event, self._clock())
                for event in events
                for webhook in webhooks
                if webhook.wants(event)
            ]
            await self._deliveries.add_new(made)
            touched |= {delivery.webhook_id for delivery in made}
            number = chunks[-1].number if chunks else following
            await self._webhooks.tell_until(number)
        for webhook_id in touched:
            await self._deliveries.cut(webhook_id)

    async def _send_due(self, active: dict[str, Webhook]) -> None:
        """Send to all webhooks at the same time, to each in the order of the events."""
        lines: defaultdict[str, list[DueDelivery]] = defaultdict(list)
        for due in await self._deliveries.due(self._clock()):
            lines[due.webhook_id].append(due)
        for webhook_id in lines.keys() - active.keys():
            # Made by a process that did not know yet that the webhook was gone, or off.
            await self._deliveries.drop_pending(webhook_id)
        places = asyncio.Semaphore(_WEBHOOKS_AT_ONCE)

        async def serve(webhook: Webhook) -> bool:
            async with places:
                return await self._send_line(webhook, lines[webhook.id])

        wanted = [webhook for webhook in active.values() if webhook.id in lines]
        more = await asyncio.gather(*(serve(webhook) for webhook in wanted))
        if any(more):
            self.wake()

    async def _send_line(self, webhook: Webhook, line: Sequence[DueDelivery]) -> bool:
        """Send to one webhook until a try fails: it is not asked again in this round.

        Tells whether there is more to send at once.
        """
        for due in line[:_IN_A_ROW]:
            delivery = await self._deliveries.find_by_id(due.id)
            claimed = delivery and await self._deliveries.claim(delivery, self._clock(), _LEASE)
            if claimed and not (await self.attempt(webhook, claimed)).is_success:
                return False
        return len(line) > _IN_A_ROW

    async def attempt(
        self, webhook: Webhook, claimed: WebhookDelivery, *, last: bool = False
    ) -> Reply:
        """Send a claimed delivery, and write down how it went. The `last` try is not repeated."""
        reply = await self._sender.send(webhook, claimed)
        now = self._clock()
        pause = None if reply.is_success or last else pause_after(claimed.attempts, reply)
        ended = DeliveryStatus.DELIVERED if reply.is_success else DeliveryStatus.FAILED
        await self._deliveries.conclude(
            claimed,
            status=DeliveryStatus.PENDING if pause else ended,
            last_code=reply.code,
            last_error=reply.error,
            next_try_at=now + pause if pause else None,
            delivered_at=now if reply.is_success else None,
        )
        return reply


def _delivery(webhook: Webhook, event: Event, now: datetime) -> WebhookDelivery:
    return WebhookDelivery(
        id=derived_id("delivery", webhook.id, str(event.id)),
        webhook_id=webhook.id,
        project_id=webhook.project_id,
        event_id=event.id,
        event=event.kind.value,
        body=event_json(event),
        next_try_at=now,
        created_at=now,
    )
