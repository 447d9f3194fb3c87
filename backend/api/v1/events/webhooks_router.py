"""Webhooks: events of a project, sent to a URL, for those who cannot listen."""

from typing import Annotated

from fastapi import Query, Response

from backend.api.http.versioned_router import versioned_router
from backend.api.v1.dependencies import Id, PageDep, WebhookServiceDep
from backend.dtos.shared.common_dto import DeletedDTO
from backend.dtos.webhook_dto import (
    WebhookCreateDTO,
    WebhookDeliveryDTO,
    WebhookResponseDTO,
    WebhookUpdateDTO,
)
from backend.models.webhook import DeliveryStatus, Webhook, WebhookDelivery

router = versioned_router("/projects/{project_id}/webhooks", tags=["Webhooks"])

_URL = "INVALID_WEBHOOK_URL: no http(s) URL, or one on this machine or in a private network."


@router.post(
    "",
    response_model=WebhookResponseDTO,
    status_code=201,
    summary="Have events of a project sent to a URL",
    responses={
        400: {"description": _URL},
        409: {"description": "TOO_MANY_WEBHOOKS: a project has 20 at most."},
    },
)
async def create_webhook(
    project_id: Id, body: WebhookCreateDTO, webhooks: WebhookServiceDep
) -> Webhook:
    """Each event is a POST, signed with the secret, and tried again for hours if it fails."""
    return await webhooks.create(project_id, body)


@router.get(
    "", response_model=list[WebhookResponseDTO], summary="List a project's webhooks, oldest first"
)
async def list_webhooks(project_id: Id, webhooks: WebhookServiceDep) -> list[Webhook]:
    """Without their secrets: nobody can read those."""
    return await webhooks.list_for(project_id)


@router.get("/{webhook_id}", response_model=WebhookResponseDTO, summary="Read a webhook")
async def read_webhook(project_id: Id, webhook_id: Id, webhooks: WebhookServiceDep) -> Webhook:
    """Without its secret."""
    return await webhooks.get(project_id, webhook_id)


@router.put(
    "/{webhook_id}",
    response_model=WebhookResponseDTO,
    summary="Change a webhook",
    responses={400: {"description": _URL}},
)
async def update_webhook(
    project_id: Id, webhook_id: Id, body: WebhookUpdateDTO, webhooks: WebhookServiceDep
) -> Webhook:
    """Only what is sent changes. What waits goes to the new URL, signed with the new secret."""
    return await webhooks.update(project_id, webhook_id, body)


@router.delete(
    "/{webhook_id}", response_model=DeletedDTO, summary="Delete a webhook with its deliveries"
)
async def delete_webhook(
    project_id: Id, webhook_id: Id, webhooks: WebhookServiceDep
) -> dict[str, object]:
    """What was not sent yet never will be."""
    deleted = await webhooks.delete(project_id, webhook_id)
    return {"message": "Webhook deleted.", "deleted": deleted}


@router.post(
    "/{webhook_id}/ping",
    response_model=WebhookDeliveryDTO,
    summary="Send a webhook a ping now, and see how it goes",
)
async def ping_webhook(
    project_id: Id, webhook_id: Id, webhooks: WebhookServiceDep
) -> WebhookDelivery:
    """One try, of five seconds at most; the answer says what came of it."""
    return await webhooks.ping(project_id, webhook_id)


@router.get(
    "/{webhook_id}/deliveries",
    response_model=list[WebhookDeliveryDTO],
    summary="List what was sent to a webhook, newest first",
)
async def list_deliveries(
    project_id: Id,
    webhook_id: Id,
    webhooks: WebhookServiceDep,
    page: PageDep,
    response: Response,
    status: Annotated[DeliveryStatus | None, Query(description="Left out: all.")] = None,
) -> list[WebhookDelivery]:
    """Some 500 are kept for each webhook; the oldest go."""
    found, total = await webhooks.deliveries(
        project_id, webhook_id, status, skip=page.skip, limit=page.limit
    )
    response.headers["X-Total-Count"] = str(total)
    return found


@router.post(
    "/{webhook_id}/deliveries/{delivery_id}/retry",
    response_model=WebhookDeliveryDTO,
    summary="Send a failed delivery again",
    responses={409: {"description": "It has not failed."}},
)
async def retry_delivery(
    project_id: Id, webhook_id: Id, delivery_id: Id, webhooks: WebhookServiceDep
) -> WebhookDelivery:
    """It is tried soon, and then as often as a new one."""
    return await webhooks.redeliver(project_id, webhook_id, delivery_id)
