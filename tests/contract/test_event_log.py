"""The log of events and what is sent from it: the same on every database."""

import asyncio
from datetime import timedelta

from backend.models.event import Event, EventChunk, EventKind
from backend.models.webhook import DeliveryStatus, Webhook, WebhookDelivery, WebhookEvent
from backend.repositories.registry import Repositories
from backend.utils.ids import new_id
from tests.contract.test_repositories import NOW, manager, repos

__all__ = ["manager", "repos"]


def a_chunk(number: int, *jobs: str) -> EventChunk:
    events = tuple(
        Event(kind=EventKind.JOB_STARTED, at=NOW, job_id=job, data={"a.b": [1]}) for job in jobs
    )
    return EventChunk(id=new_id(), number=0, events=events).placed_at(number)


def a_delivery(number: int, webhook_id: str = "w") -> WebhookDelivery:
    return WebhookDelivery(
        id=f"{webhook_id}-{number}", webhook_id=webhook_id, project_id="p", event_id=number,
        event="job.started", body="{}", next_try_at=NOW, created_at=NOW,
    )  # fmt: skip


class TestLog:
    async def test_a_place_is_taken_once_and_read_back_whole(self, repos: Repositories) -> None:
        rivals = [a_chunk(7, str(number)) for number in range(4)]
        won = await asyncio.gather(*(repos.events.append(chunk) for chunk in rivals))
        assert sorted(won) == [False, False, False, True]
        (kept,) = await repos.events.after(6, limit=1)
        assert kept == rivals[won.index(True)]

    async def test_windows(self, repos: Repositories) -> None:
        for number in (3, 5, 4, 9):
            assert await repos.events.append(a_chunk(number, "a"))
        assert [chunk.number for chunk in await repos.events.after(3, limit=2)] == [4, 5]
        assert await repos.events.after(5, limit=3) == []
        assert await repos.events.first_after(5, window=3) == 9
        assert await repos.events.first_after(3, window=3) == 4
        assert await repos.events.first_after(9, window=3) is None
        assert await repos.events.trim(5) == 2
        assert await repos.events.first_after(0, window=3) == 5

    async def test_the_end_is_known_and_a_new_log_begins_where_told(
        self, repos: Repositories
    ) -> None:
        ends = await asyncio.gather(*(repos.events.last_number(first=40 + n) for n in range(3)))
        assert len(set(ends)) == 1
        await repos.events.append(a_chunk(60, "a"))
        assert await repos.events.last_number(first=1) == 60
        await repos.events.remember(55)
        await repos.events.remember(50)
        assert await repos.events.last_number(first=1) == 60


class TestDeliveries:
    async def test_one_of_many_claims(self, repos: Repositories) -> None:
        await repos.deliveries.add_new([a_delivery(2), a_delivery(1), a_delivery(2)])
        assert [due.event_id for due in await repos.deliveries.due(NOW)] == [1, 2]
        delivery = await repos.deliveries.get("w-1")
        lease = timedelta(seconds=30)
        claims = await asyncio.gather(
            *(repos.deliveries.claim(delivery, NOW, lease) for _ in range(4))
        )
        (claimed,) = [claim for claim in claims if claim]
        assert await repos.deliveries.get("w-1") == claimed
        assert await repos.deliveries.claim(claimed, NOW, lease) is None, "not before its time"
        again = await repos.deliveries.claim(claimed, NOW + lease, lease)
        assert again is not None
        assert not await repos.deliveries.conclude(claimed, status=DeliveryStatus.DELIVERED)
        assert await repos.deliveries.conclude(again, status=DeliveryStatus.FAILED)
        assert await repos.deliveries.again("w-1", NOW)
        assert not await repos.deliveries.again("w-1", NOW)

    async def test_they_go_with_webhook_and_project(self, repos: Repositories) -> None:
        await repos.deliveries.add_new([a_delivery(1), a_delivery(2, "v"), a_delivery(3, "u")])
        assert await repos.deliveries.delete_for_webhook("w") == 1
        assert await repos.deliveries.drop_pending("v") == 1
        assert await repos.deliveries.delete_for_project("p") == 1


class TestWebhooks:
    async def test_they_are_kept_as_they_are(self, repos: Repositories) -> None:
        webhook = Webhook(
            id="w", project_id="p", url="https://a.example/?b", secret="s" * 16, created_at=NOW,
            updated_at=NOW, events=(WebhookEvent.JOB_FAILED,), since=2**50,
        )  # fmt: skip
        await repos.webhooks.add(webhook)
        assert await repos.webhooks.list_for_project("p") == await repos.webhooks.active()
        assert await repos.webhooks.get("w") == webhook
        assert await repos.webhooks.delete_for_project("p") == 1

    async def test_how_far_it_was_told_never_goes_back(self, repos: Repositories) -> None:
        assert await repos.webhooks.told_until() == 0
        await asyncio.gather(*(repos.webhooks.tell_until(number) for number in (5, 9, 7)))
        assert await repos.webhooks.told_until() == 9
