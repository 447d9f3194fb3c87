"""Manages a project's webhooks and their deliveries."""

from datetime import timedelta

from backend.dtos.event_dto import event_json
from backend.dtos.webhook_dto import WebhookCreateDTO, WebhookUpdateDTO
from backend.models.event import Event, EventKind
from backend.models.webhook import DeliveryStatus, Webhook, WebhookDelivery
from backend.repositories.event_repository import EventRepository
from backend.repositories.project_repository import ProjectRepository
from backend.repositories.webhook_repository import DeliveryRepository, WebhookRepository
from backend.services.events.webhook_dispatcher import WebhookDispatcher
from backend.utils.clock import Clock
from backend.utils.errors import ConflictError, ResourceNotFoundError
from backend.utils.ids import new_id
from backend.utils.webhook_url import validate_webhook_url

#: Webhooks of one project.
_MOST = 20
#: A try by hand that is never concluded is repeated by the dispatcher after so long.
_LEASE = timedelta(seconds=30)


class WebhookService:
    def __init__(  # noqa: PLR0913 - the log, who is told, and who tells
        self,
        projects: ProjectRepository,
        webhooks: WebhookRepository,
        *,
        deliveries: DeliveryRepository,
        log: EventRepository,
        dispatcher: WebhookDispatcher,
        private_hosts: bool,
        clock: Clock,
    ) -> None:
        self._projects = projects
        self._webhooks = webhooks
        self._deliveries = deliveries
        self._log = log
        self._dispatcher = dispatcher
        self._private_hosts = private_hosts
        self._clock = clock

    async def create(self, project_id: str, dto: WebhookCreateDTO) -> Webhook:
        """Create one. InvalidRequestError: the URL may not be called; ConflictError: too many."""
        await self._projects.get(project_id)
        url = self._valid(dto.url)
        if len(await self._webhooks.list_for_project(project_id)) >= _MOST:
            raise ConflictError(
                f"A project has {_MOST} webhooks at most.", code="TOO_MANY_WEBHOOKS"
            )
        now = self._clock()
        return await self._webhooks.add(
            Webhook(
                id=new_id(),
                project_id=project_id,
                created_at=now,
                updated_at=now,
                since=await self._log_end(),
                **{**dto.model_dump(), "url": url},
            )
        )

    async def list_for(self, project_id: str) -> list[Webhook]:
        await self._projects.get(project_id)
        return await self._webhooks.list_for_project(project_id)

    async def get(self, project_id: str, webhook_id: str) -> Webhook:
        webhook = await self._webhooks.get(webhook_id)
        if webhook.project_id != project_id:
            raise ResourceNotFoundError.of("webhook", webhook_id)
        return webhook

    async def update(self, project_id: str, webhook_id: str, dto: WebhookUpdateDTO) -> Webhook:
        """Change it. Switching it off drops waiting deliveries; switched on, it starts anew."""
        webhook = await self.get(project_id, webhook_id)
        changes = dto.changes()
        if "url" in changes:
            changes["url"] = self._valid(changes["url"])
        if changes.get("is_active") and not webhook.is_active:
            changes["since"] = await self._log_end()
        if not await self._webhooks.update(webhook_id, {**changes, "updated_at": self._clock()}):
            raise ResourceNotFoundError.of("webhook", webhook_id)
        if changes.get("is_active") is False:
            await self._deliveries.drop_pending(webhook_id)
        return await self._webhooks.get(webhook_id)

    async def delete(self, project_id: str, webhook_id: str) -> int:
        """Delete it with its deliveries; gives how many documents were deleted."""
        await self.get(project_id, webhook_id)
        await self._webhooks.delete(webhook_id)
        return 1 + await self._deliveries.delete_for_webhook(webhook_id)

    async def delete_for_project(self, project_id: str) -> int:
        removed = await self._webhooks.delete_for_project(project_id)
        return removed + await self._deliveries.delete_for_project(project_id)

    async def deliveries(
        self,
        project_id: str,
        webhook_id: str,
        status: DeliveryStatus | None,
        *,
        skip: int,
        limit: int,
    ) -> tuple[list[WebhookDelivery], int]:
        """A page, newest first, and how many there are."""
        await self.get(project_id, webhook_id)
        found = await self._deliveries.newest(webhook_id, status)
        return found[skip : skip + limit], len(found)

    async def ping(self, project_id: str, webhook_id: str) -> WebhookDelivery:
        """Send a `ping` now, once, whether or not the webhook is on; gives how it went."""
        webhook = await self.get(project_id, webhook_id)
        now = self._clock()
        data = {"webhook_id": webhook_id}
        ping = Event(kind=EventKind.PING, at=now, project_id=project_id, data=data)
        delivery = WebhookDelivery(
            id=new_id(),
            webhook_id=webhook_id,
            project_id=project_id,
            event_id=0,
            event=ping.kind.value,
            body=event_json(ping),
            attempts=1,
            next_try_at=now + _LEASE,
            created_at=now,
        )
        await self._deliveries.add(delivery)
        await self._dispatcher.attempt(webhook, delivery, last=True)
        return await self._deliveries.get(delivery.id)

    async def redeliver(
        self, project_id: str, webhook_id: str, delivery_id: str
    ) -> WebhookDelivery:
        """Have a failed delivery sent again; ConflictError for one that has not failed."""
        await self.get(project_id, webhook_id)
        delivery = await self._deliveries.get(delivery_id)
        if delivery.webhook_id != webhook_id:
            raise ResourceNotFoundError.of("delivery", delivery_id)
        if not await self._deliveries.again(delivery_id, self._clock()):
            raise ConflictError("Only a delivery that failed can be sent again.")
        self._dispatcher.wake()
        return await self._deliveries.get(delivery_id)

    def _valid(self, url: str) -> str:
        return validate_webhook_url(url, private_allowed=self._private_hosts)

    async def _log_end(self) -> int:
        return await self._log.last_number(first=int(self._clock().timestamp() * 1000))
