"""Webhooks, their secrets sealed when there is a SECRET_KEY, and what is to be sent to them."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from backend.models.webhook import DeliveryStatus, Webhook, WebhookDelivery
from backend.repositories.base_repository import BaseRepository, Document
from backend.utils.errors import ConflictError
from backend.utils.index_spec import IndexSpec
from backend.utils.secret_box import SecretBox

#: Deliveries kept for each webhook, and how many more there may be before the oldest go.
KEPT = 500
_SLACK = 50


class WebhookRepository(BaseRepository[Webhook]):
    """A sealed secret is stored as `{"sealed": token}`, a plain one as text.

    `counters` keeps `{_id: "webhooks", value}`: the chunk of the log that deliveries were last
    made from.
    """

    collection = "webhooks"
    kind = "webhook"
    model = Webhook
    indexes = (
        IndexSpec(name="by_project", keys=(("project_id", 1), ("created_at", 1))),
        IndexSpec(name="by_active", keys=(("is_active", 1),)),
    )

    def __init__(
        self, database: Any, gate: Callable[[], None], box: SecretBox | None = None
    ) -> None:
        super().__init__(database, gate)
        self._counters = database["counters"]
        self._box = box or SecretBox(None)

    def to_document(self, model: Webhook) -> Document:
        document = super().to_document(model)
        del document["secret_locked"]
        return self._with_sealed_secret(document)

    def to_model(self, document: Document) -> Webhook:
        stored = document.get("secret")
        if isinstance(stored, Mapping):
            opened = self._box.open(stored["sealed"])
            document = {**document, "secret": opened, "secret_locked": opened is None}
        return super().to_model(document)

    async def update(self, document_id: str, changes: Mapping[str, Any]) -> bool:
        return await super().update(document_id, self._with_sealed_secret(changes))

    async def list_for_project(self, project_id: str) -> list[Webhook]:
        """Oldest first."""
        found = await self._find({"project_id": project_id})
        return sorted(found, key=lambda webhook: (webhook.created_at, webhook.id))

    async def active(self) -> list[Webhook]:
        return await self._find({"is_active": True})

    async def delete_for_project(self, project_id: str) -> int:
        return await self._delete_where({"project_id": project_id})

    async def told_until(self) -> int:
        """The chunk of the log up to which deliveries were made; 0 when none ever were."""
        with self._guarded():
            counter = await self._counters.find_one({"_id": self.collection})
        return int(counter["value"]) if counter else 0

    async def tell_until(self, number: int) -> None:
        """Note how far deliveries were made. It never goes back."""
        try:
            with self._guarded():
                await self._counters.insert_one({"_id": self.collection, "value": number})
        except ConflictError:
            with self._guarded():
                await self._counters.update_one(
                    {"_id": self.collection, "value": {"$lt": number}}, {"$set": {"value": number}}
                )

    def _with_sealed_secret(self, fields: Mapping[str, Any]) -> Document:
        plain = fields.get("secret")
        if not plain or not self._box.has_key:
            return dict(fields)
        return {**fields, "secret": {"sealed": self._box.seal(plain)}}


class DueDelivery(NamedTuple):
    id: str
    webhook_id: str
    event_id: int


class DeliveryRepository(BaseRepository[WebhookDelivery]):
    collection = "webhook_deliveries"
    kind = "delivery"
    model = WebhookDelivery
    indexes = (
        IndexSpec(name="by_webhook", keys=(("webhook_id", 1),)),
        IndexSpec(name="by_project", keys=(("project_id", 1),)),
        IndexSpec(name="by_due", keys=(("status", 1), ("next_try_at", 1))),
    )

    async def add_new(self, deliveries: Sequence[WebhookDelivery]) -> None:
        """Add those that are not there: several processes may make the same ones."""
        for delivery in deliveries:
            try:
                await self.add(delivery)
            except ConflictError:
                continue

    async def newest(
        self, webhook_id: str, status: DeliveryStatus | None = None
    ) -> list[WebhookDelivery]:
        """All that are kept of a webhook, at most some hundred."""
        where = {"webhook_id": webhook_id} | ({"status": status} if status else {})
        found = await self._find(where)
        return sorted(found, key=lambda one: (one.created_at, one.event_id), reverse=True)

    async def due(self, now: datetime) -> list[DueDelivery]:
        """What is to be sent, in the order of the events."""
        where = {"status": DeliveryStatus.PENDING, "next_try_at": {"$lte": now}}
        found = await self._find_raw(where, fields={"webhook_id": 1, "event_id": 1})
        due = [DueDelivery(one["_id"], one["webhook_id"], one["event_id"]) for one in found]
        return sorted(due, key=lambda one: (one.event_id, one.id))

    async def claim(
        self, delivery: WebhookDelivery, now: datetime, lease: timedelta
    ) -> WebhookDelivery | None:
        """Take the next try of a delivery that stands where it was read; None: somebody has it."""
        if delivery.next_try_at is None or delivery.next_try_at > now:
            return None
        taken = {"attempts": delivery.attempts + 1, "next_try_at": now + lease}
        where = {
            "_id": delivery.id,
            "status": DeliveryStatus.PENDING,
            "attempts": delivery.attempts,
            "next_try_at": delivery.next_try_at,
        }
        return delivery.model_copy(update=taken) if await self._change(where, taken) else None

    async def conclude(self, claimed: WebhookDelivery, **changes: Any) -> bool:
        """Write down how a claimed try ended, unless somebody else has claimed the next."""
        where = {
            "_id": claimed.id,
            "status": DeliveryStatus.PENDING,
            "attempts": claimed.attempts,
        }
        return await self._change(where, changes)

    async def again(self, delivery_id: str, now: datetime) -> bool:
        """Have a delivery that failed tried anew, as if for the first time."""
        where = {"_id": delivery_id, "status": DeliveryStatus.FAILED}
        fresh = {"status": DeliveryStatus.PENDING, "attempts": 0, "next_try_at": now}
        return await self._change(where, fresh)

    async def drop_pending(self, webhook_id: str) -> int:
        """Forget what was still to be sent to a webhook."""
        return await self._delete_where(
            {"webhook_id": webhook_id, "status": DeliveryStatus.PENDING}
        )

    async def _change(self, where: Mapping[str, Any], changes: Mapping[str, Any]) -> bool:
        return await self._update_one(where, {"$set": dict(changes)})

    async def cut(self, webhook_id: str) -> int:
        """Drop the oldest of a webhook that has too many, those that ended first."""
        fields = {"status": 1, "event_id": 1, "created_at": 1}
        found = await self._find_raw({"webhook_id": webhook_id}, fields=fields)
        if len(found) <= KEPT + _SLACK:
            return 0
        found.sort(
            key=lambda one: (
                one["status"] == DeliveryStatus.PENDING,
                one["created_at"],
                one["event_id"],
            )
        )
        surplus = [one["_id"] for one in found[: len(found) - KEPT]]
        return await self._delete_where({"_id": {"$in": surplus}})

    async def delete_for_webhook(self, webhook_id: str) -> int:
        return await self._delete_where({"webhook_id": webhook_id})

    async def delete_for_project(self, project_id: str) -> int:
        return await self._delete_where({"project_id": project_id})
