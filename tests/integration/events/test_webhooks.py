"""Webhooks: signed, tried again, each once, through crashes; called on a server that is real."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from backend.database import DatabaseManager
from backend.models.event import Event, EventChunk, EventKind
from backend.models.webhook import BACKOFF, DeliveryStatus, Webhook, WebhookDelivery, WebhookEvent
from backend.mongo.embedded import EmbeddedDatabase
from backend.repositories.registry import REPOSITORIES, Repositories, repositories_on
from backend.repositories.webhook_repository import KEPT
from backend.services.comfyui.transport import open_session
from backend.services.events.webhook_dispatcher import WebhookDispatcher
from backend.services.events.webhook_sender import WebhookSender
from backend.utils.clock import utc_now
from backend.utils.ids import new_id, random_id
from backend.utils.media_links import MediaLinks
from backend.utils.secret_box import SecretBox
from tests.conftest import Maker
from tests.hook_receiver import SECRET, Receiver
from tests.listening import eventually
from tests.studio import Studio, studio

DONE = EventKind.JOB_COMPLETED


class Clock:
    def __init__(self) -> None:
        self.now = utc_now()

    def __call__(self) -> datetime:
        return self.now

    def pass_by(self, span: timedelta) -> None:
        self.now += span


class Bench:
    """Couriers on one database, moved by hand."""

    def __init__(self, repos: Repositories, session: Any) -> None:
        self.repos = repos
        self.clock = Clock()
        self.links = MediaLinks()
        self._session = session
        self._number = 1_000

    def dispatcher(self, *, seconds: float = 5) -> WebhookDispatcher:
        return WebhookDispatcher(
            self.repos.webhooks,
            self.repos.deliveries,
            self.repos.events,
            sender=WebhookSender(
                self._session, links=self.links, clock=self.clock, seconds=seconds
            ),
            clock=self.clock,
        )

    async def hook(self, url: str, **changes: Any) -> Webhook:
        fields: dict[str, Any] = {
            "id": new_id(), "project_id": "p", "url": url, "events": (WebhookEvent(DONE),),
            "secret": SECRET, "since": self._number, "created_at": self.clock(),
            "updated_at": self.clock(),
        }  # fmt: skip
        return await self.repos.webhooks.add(Webhook(**{**fields, **changes}))

    async def happen(
        self, *jobs: str, kind: EventKind = DONE, project_id: str = "p", **data: Any
    ) -> None:
        self._number += 1
        events = tuple(
            Event(kind=kind, at=self.clock(), project_id=project_id, job_id=job, data=data)
            for job in jobs
        )
        chunk = EventChunk(id=new_id(), number=0, events=events).placed_at(self._number)
        assert await self.repos.events.append(chunk)

    async def only_delivery(self) -> WebhookDelivery:
        (webhook,) = await self.repos.webhooks.active()
        (delivery,) = await self.repos.deliveries.newest(webhook.id)
        return delivery


@asynccontextmanager
async def bench(url: str = "memory:", *, public_only: bool = False) -> AsyncIterator[Bench]:
    manager = DatabaseManager(url, name=f"hooks_{random_id()[:8]}", driver="motor")
    await manager.ensure_indexes({kind.collection: kind.indexes for kind in REPOSITORIES})
    await manager.start()
    try:
        async with open_session(public_only=public_only) as session:
            yield Bench(repositories_on(manager.database(), manager.require), session)
    finally:
        await manager.stop()


class TestTelling:
    async def test_what_is_wanted_is_sent_once_and_signed(self) -> None:
        async with bench() as desk, Receiver() as receiver:
            webhook = await desk.hook(receiver.url)
            await desk.happen("a", "b")
            await desk.happen("no", kind=EventKind.JOB_FAILED)
            await desk.happen("no", project_id="q")
            dispatcher = desk.dispatcher()
            await dispatcher.round()
            await dispatcher.round()
            assert receiver.told == ["a", "b"]
            call = receiver.calls[0]
            assert call.is_signed()
            assert not call.is_signed("another-secret-of-many")
            assert call.query == "token=abc"
            assert call.headers["Content-Type"] == "application/json"
            assert call.headers["X-StoryCanvas-Event"] == call.event["type"] == "job.completed"
            assert call.headers["X-StoryCanvas-Event-Id"] == call.event["id"]
            assert call.headers["User-Agent"] == "StoryCanvas"
            kept = await desk.repos.deliveries.newest(webhook.id)
            assert [(one.status, one.attempts, one.last_code) for one in kept] == [
                (DeliveryStatus.DELIVERED, 1, 204)
            ] * 2
            assert {one.id for one in kept} == {call.delivery for call in receiver.calls}

    async def test_media_have_the_address_that_the_server_has_when_it_tells(self) -> None:
        async with bench() as desk, Receiver() as receiver:
            await desk.hook(receiver.url)
            result = {"url": "/uploads/a.png", "thumbnail_url": "/uploads/a_t.webp"}
            await desk.happen("a", result=result, result_url="/uploads/a.png")
            desk.links = MediaLinks(("https://film.example/board",))
            await desk.dispatcher().round()
            data = receiver.calls[0].event["data"]
            assert data["result_url"] == "https://film.example/board/uploads/a.png"
            assert data["result"]["thumbnail_url"].endswith("/board/uploads/a_t.webp")
            assert receiver.calls[0].is_signed()
            assert '"/uploads/a.png"' in (await desk.only_delivery()).body

    async def test_backoff_until_it_is_taken(self) -> None:
        async with bench() as desk, Receiver(500, 503, 404) as receiver:
            await desk.hook(receiver.url)
            await desk.happen("a")
            dispatcher = desk.dispatcher()
            for tries, pause in enumerate(BACKOFF[:3], start=1):
                await dispatcher.round()
                assert len(receiver.calls) == tries
                delivery = await desk.only_delivery()
                assert delivery.status is DeliveryStatus.PENDING
                assert delivery.next_try_at == desk.clock() + pause
                desk.clock.pass_by(pause - timedelta(milliseconds=1))
                await dispatcher.round()
                assert len(receiver.calls) == tries
                desk.clock.pass_by(timedelta(milliseconds=1))
            assert (await desk.only_delivery()).last_error == "It answered 404: so so"
            await dispatcher.round()
            delivery = await desk.only_delivery()
            assert (delivery.status, delivery.attempts) == (DeliveryStatus.DELIVERED, 4)
            assert (delivery.next_try_at, delivery.last_error) == (None, None)
            assert len({call.body for call in receiver.calls}) == 1
            assert len({call.delivery for call in receiver.calls}) == 1
            assert all(call.is_signed() for call in receiver.calls)

    async def test_it_is_given_up_after_the_last_pause(self) -> None:
        async with bench() as desk, Receiver(*[500] * 20) as receiver:
            await desk.hook(receiver.url)
            await desk.happen("a")
            dispatcher = desk.dispatcher()
            for _ in range(20):
                await dispatcher.round()
                desk.clock.pass_by(BACKOFF[-1])
            assert len(receiver.calls) == len(BACKOFF) + 1
            delivery = await desk.only_delivery()
            assert (delivery.status, delivery.last_code) == (DeliveryStatus.FAILED, 500)

    @pytest.mark.parametrize(
        ("fault", "code", "words"),
        [
            (410, 410, "It answered 410: so so"),
            ("redirect", 307, "The webhook answered with 307."),
            ("cut", None, "The webhook broke off"),
            ("hang", None, "The webhook did not answer in time."),
            ("flood", 500, "It answered 500: no  xxx"),
        ],
    )
    async def test_faults(self, fault: int | str, code: int | None, words: str) -> None:
        async with bench() as desk, Receiver(fault) as receiver:
            await desk.hook(receiver.url)
            await desk.happen("a")
            await desk.dispatcher(seconds=0.2 if fault == "hang" else 5).round()
            delivery = await desk.only_delivery()
            assert delivery.last_code == code
            assert str(delivery.last_error).startswith(words)
            assert len(str(delivery.last_error)) < 250
            gone = DeliveryStatus.FAILED if fault == 410 else DeliveryStatus.PENDING
            assert delivery.status is gone
            assert len(receiver.calls) == 1

    async def test_nobody_there(self) -> None:
        async with bench() as desk:
            await desk.hook("http://127.0.0.1:9/x")
            await desk.happen("a")
            await desk.dispatcher().round()
            assert "can't be reached" in str((await desk.only_delivery()).last_error)

    async def test_private_addresses_are_not_dialled(self) -> None:
        async with bench(public_only=True) as desk, Receiver() as receiver:
            await desk.hook(receiver.url.replace("127.0.0.1", "localhost"))
            await desk.happen("a")
            await desk.dispatcher().round()
            delivery = await desk.only_delivery()
            assert delivery.status is DeliveryStatus.PENDING
            assert "can't be reached" in str(delivery.last_error)
            assert receiver.calls == []

    async def test_one_that_is_down_holds_up_nobody(self) -> None:
        async with bench() as desk, Receiver() as receiver, Receiver(*["hang"] * 9) as hanging:
            await desk.hook(hanging.url)
            await desk.hook(receiver.url)
            await desk.happen(*(str(number) for number in range(9)))
            await desk.dispatcher(seconds=0.1).round()
            assert receiver.told == [str(number) for number in range(9)]
            assert len(hanging.calls) == 1


class TestCrashes:
    async def test_of_many_processes_one_sends(self, embedded: EmbeddedDatabase) -> None:
        async with bench(embedded.url) as desk, Receiver() as receiver:
            await desk.hook(receiver.url)
            couriers = [desk.dispatcher() for _ in range(4)]
            jobs = [f"{number}-{place}" for number in range(4) for place in range(5)]
            for first in range(0, len(jobs), 5):
                await desk.happen(*jobs[first : first + 5])
                await asyncio.gather(*(dispatcher.round() for dispatcher in couriers))
            for dispatcher in couriers:
                await dispatcher.round()
            assert sorted(receiver.told) == sorted(jobs)

    async def test_a_try_that_was_cut_short_is_made_by_the_next(self) -> None:
        async with bench() as desk, Receiver() as receiver:
            webhook = await desk.hook(receiver.url)
            await desk.happen("a")
            crashed, another = desk.dispatcher(), desk.dispatcher()
            await crashed._make_deliveries([webhook])
            delivery = await desk.only_delivery()
            assert await desk.repos.deliveries.claim(delivery, desk.clock(), timedelta(seconds=30))
            await another.round()
            assert receiver.calls == []
            desk.clock.pass_by(timedelta(seconds=30))
            await another.round()
            assert receiver.told == ["a"]
            assert (await desk.only_delivery()).attempts == 2

    async def test_who_comes_back_late_changes_nothing(self) -> None:
        async with bench() as desk, Receiver() as receiver:
            webhook = await desk.hook(receiver.url)
            await desk.happen("a")
            dispatcher = desk.dispatcher()
            await dispatcher._make_deliveries([webhook])
            late = await desk.repos.deliveries.claim(
                await desk.only_delivery(), desk.clock(), timedelta(seconds=30)
            )
            assert late is not None
            desk.clock.pass_by(timedelta(seconds=30))
            await dispatcher.round()
            assert not await desk.repos.deliveries.conclude(late, status=DeliveryStatus.FAILED)
            assert (await desk.only_delivery()).status is DeliveryStatus.DELIVERED

    async def test_what_the_log_still_holds_is_told_after_a_restart(self) -> None:
        async with bench() as desk, Receiver() as receiver:
            await desk.hook(receiver.url)
            for number in range(25):
                await desk.happen(str(number))
            # Nobody ran. Of these the oldest were cut off meanwhile.
            await desk.repos.events.trim(1_000 + 4)
            await desk.dispatcher().round()
            await desk.dispatcher().round()
            assert receiver.told == [str(number) for number in range(3, 25)]
            assert await desk.repos.webhooks.told_until() == 1_025
            await desk.repos.webhooks.tell_until(5)
            assert await desk.repos.webhooks.told_until() == 1_025

    async def test_deliveries_are_bounded_and_those_that_ended_go_first(self) -> None:
        async with bench() as desk, Receiver(500) as receiver:
            webhook = await desk.hook(receiver.url)
            await desk.happen("waits")
            await desk.dispatcher().round()
            old = await desk.only_delivery()
            for number in range(KEPT + 60):
                await desk.repos.deliveries.add(
                    old.model_copy(
                        update={
                            "id": str(number),
                            "event_id": 10**9 + number,
                            "status": DeliveryStatus.DELIVERED,
                        }
                    )
                )
            assert await desk.repos.deliveries.cut(webhook.id) == 61
            kept = {one.id for one in await desk.repos.deliveries.newest(webhook.id)}
            assert len(kept) == KEPT
            assert old.id in kept
            assert {"0", "60"} & kept == set()
            assert await desk.repos.deliveries.cut(webhook.id) == 0

    async def test_leftovers_of_a_webhook_that_is_gone_go_too(self) -> None:
        async with bench() as desk, Receiver() as receiver:
            gone = await desk.hook("http://127.0.0.1:9/x")
            await desk.hook(receiver.url, project_id="q")
            await desk.happen("a")
            dispatcher = desk.dispatcher()
            await dispatcher._make_deliveries([gone])
            await desk.repos.webhooks.delete(gone.id)
            await dispatcher.round()
            assert await desk.repos.deliveries.newest(gone.id) == []


@asynccontextmanager
async def office(tmp_path: Path, **settings: Any) -> AsyncIterator[tuple[Studio, str]]:
    async with studio(tmp_path, **{"webhook_private_hosts": True, **settings}) as desk:
        yield desk, (await desk.post("/projects", {"name": "Film"}))["id"]


def order(receiver: Receiver, **changes: Any) -> dict[str, Any]:
    return {"url": receiver.url, "secret": SECRET, **changes}


class TestRoutes:
    async def test_from_creation_to_deletion(self, tmp_path: Path) -> None:
        async with office(tmp_path) as (desk, project), Receiver() as receiver:
            path = f"/projects/{project}/webhooks"
            made = await desk.post(path, order(receiver, name="Mine"))
            assert "secret" not in made
            assert made["events"] == ["job.completed", "job.failed"]
            assert await desk.get(path) == [await desk.get(f"{path}/{made['id']}")] == [made]
            body = {
                "events": ["job.failed", "job.failed"],
                "secret": "x" * 16,
                "url": "http://a.example/?b",
            }
            changed = await desk.client.put(f"/api/v1{path}/{made['id']}", json=body)
            assert changed.json()["events"] == ["job.failed"]
            assert changed.json()["url"] == "http://a.example/?b"
            deleted = await desk.client.delete(f"/api/v1{path}/{made['id']}")
            assert deleted.json() == {"message": "Webhook deleted.", "deleted": 1}
            assert await desk.get(path) == []

    async def test_a_ping_tells_how_it_went(self, tmp_path: Path) -> None:
        async with office(tmp_path) as (desk, project), Receiver(200, 500) as receiver:
            path = f"/projects/{project}/webhooks"
            hook = (await desk.post(path, order(receiver, is_active=False)))["id"]
            good = await desk.post(f"{path}/{hook}/ping", {}, status=200)
            bad = await desk.post(f"{path}/{hook}/ping", {}, status=200)
            assert (good["status"], good["last_code"], good["event"]) == ("delivered", 200, "ping")
            assert (bad["status"], bad["last_error"]) == ("failed", "It answered 500: so so")
            assert receiver.calls[0].is_signed()
            assert receiver.calls[0].event["data"] == {"webhook_id": hook}
            listed = await desk.client.get(f"/api/v1{path}/{hook}/deliveries?limit=1")
            assert listed.headers["X-Total-Count"] == "2"
            assert listed.json() == [bad]
            assert await desk.get(f"{path}/{hook}/deliveries?status=delivered") == [good]
            again = await desk.post(f"{path}/{hook}/deliveries/{bad['id']}/retry", {}, status=200)
            assert (again["status"], again["attempts"]) == ("pending", 0)
            await desk.post(f"{path}/{hook}/deliveries/{good['id']}/retry", {}, status=409)

    async def test_events_come_by_themselves_and_off_means_off(self, tmp_path: Path) -> None:
        async with office(tmp_path) as (desk, project), Receiver() as receiver:
            path = f"/projects/{project}/webhooks"
            hook = (await desk.post(path, order(receiver, events=["job.queued"])))["id"]
            clip = await self.clip(desk, project)
            transport: Any = desk.client._transport
            events = transport.app.state.container.events.hub
            events.publish(EventKind.JOB_QUEUED, project_id=project, job_id="a")
            await eventually(lambda: receiver.told == ["a"])
            await desk.client.put(f"/api/v1{path}/{hook}", json={"is_active": False})
            events.publish(EventKind.JOB_QUEUED, project_id=project, job_id="b")
            await asyncio.sleep(0.3)
            await desk.client.put(f"/api/v1{path}/{hook}", json={"is_active": True})
            events.publish(EventKind.JOB_QUEUED, project_id=project, job_id="c")
            await eventually(lambda: receiver.told == ["a", "c"])
            assert clip["project_id"] == project

    async def clip(self, desk: Studio, project: str) -> dict[str, Any]:
        scene = await desk.post("/scenes", {"project_id": project, "name": "Scene"})
        return await desk.post("/clips", {"scene_id": scene["id"], "auto_generate": False})

    async def test_a_project_takes_its_webhooks_along(self, tmp_path: Path) -> None:
        async with office(tmp_path) as (desk, project), Receiver() as receiver:
            path = f"/projects/{project}/webhooks"
            hook = (await desk.post(path, order(receiver)))["id"]
            await desk.post(f"{path}/{hook}/ping", {}, status=200)
            deleted = await desk.client.delete(f"/api/v1/projects/{project}")
            assert deleted.json()["deleted"] == 3
            transport: Any = desk.client._transport
            repos = transport.app.state.container.base.repositories
            assert await repos.webhooks.active() == []
            assert await repos.deliveries.newest(hook) == []

    async def test_of_another_project_is_not_found(self, tmp_path: Path) -> None:
        async with office(tmp_path) as (desk, project), Receiver() as receiver:
            hook = (await desk.post(f"/projects/{project}/webhooks", order(receiver)))["id"]
            other = (await desk.post("/projects", {"name": "Other"}))["id"]
            for place in ("", "/deliveries"):
                response = await desk.client.get(f"/api/v1/projects/{other}/webhooks/{hook}{place}")
                assert response.json()["error"]["code"] == "WEBHOOK_NOT_FOUND"
            assert (await desk.client.get("/api/v1/projects/none/webhooks")).status_code == 404

    async def test_too_many(self, tmp_path: Path) -> None:
        async with office(tmp_path) as (desk, project), Receiver() as receiver:
            for _ in range(20):
                await desk.post(f"/projects/{project}/webhooks", order(receiver))
            refused = await desk.post(f"/projects/{project}/webhooks", order(receiver), status=409)
            assert refused["error"]["code"] == "TOO_MANY_WEBHOOKS"

    async def test_secrets_are_sealed_and_another_key_is_told(self, tmp_path: Path) -> None:
        async with (
            office(tmp_path, secret_key="one-key-of-ours") as (desk, project),
            Receiver() as receiver,
        ):
            hook = (await desk.post(f"/projects/{project}/webhooks", order(receiver)))["id"]
            transport: Any = desk.client._transport
            container = transport.app.state.container
            stored = await container.base.database.database()["webhooks"].find_one({"_id": hook})
            assert set(stored["secret"]) == {"sealed"}
            assert SECRET not in str(stored)
            await desk.post(f"/projects/{project}/webhooks/{hook}/ping", {}, status=200)
            assert receiver.calls[0].is_signed()
            container.base.repositories.webhooks._box = SecretBox("another-key")
            assert (await desk.get(f"/projects/{project}/webhooks"))[0]["secret_locked"] is True
            told = await desk.post(f"/projects/{project}/webhooks/{hook}/ping", {}, status=200)
            assert "SECRET_KEY" in told["last_error"]
            assert len(receiver.calls) == 1

    @pytest.mark.parametrize(
        "changes",
        [
            {"secret": "short"}, {"secret": "ä" * 20}, {"secret": None}, {"events": []},
            {"events": ["job.progress"]}, {"events": ["server.online"]}, {"url": ""},
        ],
    )  # fmt: skip
    async def test_wrong_orders(
        self, client: httpx.AsyncClient, make_project: Maker, changes: dict[str, Any]
    ) -> None:
        project = (await make_project())["id"]
        body = {"url": "https://a.example", "secret": SECRET, **changes}
        response = await client.post(f"/api/v1/projects/{project}/webhooks", json=body)
        assert response.status_code == 422

    @pytest.mark.parametrize(
        "url",
        [
            "http://127.0.0.1/x", "http://localhost:5678/x", "http://n8n:5678/x", "http://[::1]/",
            "http://10.0.0.7/", "http://192.168.1.4/", "http://0x7f.1/", "http://nas.local/",
            "http://[::ffff:10.0.0.1]/", "http://169.254.169.254/latest", "ftp://a.example/",
            "http://a:b@a.example/", "http://a.example/#x", "http://a.example/ x", "//a.example",
            "https://metadata.google.internal/", "http://a.example:0/",
        ],
    )  # fmt: skip
    async def test_urls_that_are_refused(
        self, client: httpx.AsyncClient, make_project: Maker, url: str
    ) -> None:
        project = (await make_project())["id"]
        body = {"url": url, "secret": SECRET}
        response = await client.post(f"/api/v1/projects/{project}/webhooks", json=body)
        assert response.status_code == 400, response.text
        assert response.json()["error"]["code"] == "INVALID_WEBHOOK_URL"

    @pytest.mark.parametrize("url", ["http://169.254.169.254/x", "http://100.100.100.200/"])
    async def test_metadata_is_never_allowed(self, tmp_path: Path, url: str) -> None:
        async with office(tmp_path) as (desk, project):
            body = {"url": url, "secret": SECRET}
            await desk.post(f"/projects/{project}/webhooks", body, status=400)
