"""A provider's job from the queue to the take: ordered once, whatever happens on the way."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from mongomock_motor import AsyncMongoMockClient

from backend.api.http.metrics import Metrics
from backend.models.clip import Clip
from backend.models.content import ContentType
from backend.models.job import Job, JobStatus, Outcome
from backend.repositories.clip_repository import ClipRepository
from backend.repositories.jobs.repository import JobRepository
from backend.repositories.registry import repositories_on
from backend.repositories.server_stats_repository import ServerStatsRepository
from backend.services.gallery_manager import GalleryManager
from backend.services.media.media_files import MediaFiles
from backend.services.media.result_store import ResultStore
from backend.services.providers.openai.client import OpenAIVideoClient, VideoDownloads
from backend.services.providers.openai.transport import ProviderTimeouts, open_provider_session
from backend.services.queue.delivery import ResultDelivery
from backend.services.queue.runners.attempt import AttemptLife
from backend.services.queue.runners.openai import (
    OpenAIVideoRunner,
    VideoMonitor,
    provider_placement,
)
from backend.services.queue.runners.recorder import AttemptRecorder
from backend.utils.clock import utc_now
from backend.utils.errors import (
    DatabaseUnavailableError,
    ServiceUnavailableError,
    UnprocessableError,
)
from backend.utils.ids import new_id
from tests.openai_gateway import KEY, Gateway, refusal
from tests.paid_stand_in import Fault
from tests.unit.services.media.media_samples import picture

POLL = 0.01
QUICK = ProviderTimeouts(connect=2, answer=1, create=0.5, stall=1)


@dataclass
class Holder:
    """Holds the lease until it is told otherwise."""

    fence: int = 1
    is_held: bool = True

    def holds(self) -> bool:
        return self.is_held


@dataclass(frozen=True)
class Process:
    """What of a process makes videos."""

    runner: OpenAIVideoRunner
    life: AttemptLife
    leadership: Holder

    def check(self, job: Job) -> None:
        self.runner.check(job)

    async def run(self, job: Job) -> None:
        await self.life.run(job, provider_placement(job))

    async def resume(self, job: Job) -> None:
        await self.life.resume(job, provider_placement(job).server)


@dataclass
class Desk:
    """One database and one media folder; `runner()` makes a process that works on them."""

    jobs: JobRepository
    clips: ClipRepository
    galleries: GalleryManager
    stats: ServerStatsRepository
    folder: Path
    gateway: Gateway
    #: Put something in, and the database is away.
    away: list[bool]

    @asynccontextmanager
    async def runner(
        self, *, url: str | None = None, key: str | None = KEY
    ) -> AsyncIterator[Process]:
        async with open_provider_session() as session:
            client = OpenAIVideoClient(
                session, base_url=url or self.gateway.url, api_key=key, timeouts=QUICK
            )
            media = MediaFiles(self.folder)
            store = ResultStore(self.folder, VideoDownloads(client), 10_000_000)
            leadership = Holder()
            runner = OpenAIVideoRunner(
                self.clips,
                client,
                monitor=VideoMonitor(self.jobs, client, poll_seconds=POLL, clock=utc_now),
                delivery=ResultDelivery(
                    self.galleries, store, media=media, lost_seconds=1.0, clock=utc_now
                ),
                media=media,
                default_model="sora-2",
                capacity=2,
                may_order=leadership.holds,
                clock=utc_now,
            )
            recorder = AttemptRecorder(
                self.jobs, self.stats, driving=leadership, observer=Metrics(), clock=utc_now
            )
            life = AttemptLife(
                self.jobs,
                recorder,
                runner_of=lambda server: runner,
                standard=runner,
                clock=utc_now,
            )
            yield Process(runner, life, leadership)

    async def job(self, **changes: Any) -> Job:
        clip = Clip(
            id=new_id(),
            scene_id="s",
            project_id="p",
            name="Clip",
            created_at=utc_now(),
            updated_at=utc_now(),
        )
        await self.clips.add(clip)
        values: dict[str, Any] = {
            "id": new_id(),
            "project_id": "p",
            "scene_id": "s",
            "clip_id": clip.id,
            "generation_type": ContentType.VIDEO,
            "prompt": "a red car",
            "params": {"provider": "openai", "seed": 7},
            "created_at": utc_now(),
        }
        return (await self.jobs.enqueue([Job(**{**values, **changes})]))[0]

    async def run(self, job: Job, **options: Any) -> Job:
        async with self.runner(**options) as runner:
            await runner.run(job)
        return await self.jobs.get(job.id)

    async def again(self, job: Job) -> Job:
        """What a person's retry does: the job waits again, with its attempts on record."""
        moved = await self.jobs.move(job, JobStatus.PENDING, error=None, error_code=None)
        assert moved is not None
        return moved

    async def takes(self, job: Job) -> tuple[Any, ...]:
        return tuple(await self.galleries.takes(job))

    async def until(self, job: Job, holds: Callable[[Job], bool]) -> Job:
        async with asyncio.timeout(5):
            while not holds(current := await self.jobs.get(job.id)):
                await asyncio.sleep(0.005)
        return current


def ordered(job: Job) -> bool:
    return bool(job.current_attempt and job.current_attempt.prompt_id)


@pytest.fixture
async def gateway() -> AsyncIterator[Gateway]:
    async with Gateway() as running:
        yield running


@pytest.fixture
async def desk(tmp_path: Path, gateway: Gateway) -> Desk:
    away: list[bool] = []

    def gate() -> None:
        if away:
            raise DatabaseUnavailableError("away")

    database: Any = AsyncMongoMockClient(tz_aware=True)["test"]
    repos = repositories_on(database, gate)
    galleries = GalleryManager(
        repos.clips, repos.characters, repos.character_takes, graphs=repos.graphs, clock=utc_now
    )
    return Desk(repos.jobs, repos.clips, galleries, repos.stats, tmp_path, gateway, away)


async def test_from_the_queue_to_the_gallery(desk: Desk, gateway: Gateway) -> None:
    done = await desk.run(await desk.job())
    assert (done.status, done.progress, done.server_id) == ("completed", 1.0, "openai")
    (order,) = gateway.orders
    assert {name: order[name] for name in ("model", "prompt", "seconds", "size")} == {
        "model": "sora-2",
        "prompt": "a red car",
        "seconds": "8",
        "size": "1280x720",
    }
    (take,) = await desk.takes(done)
    assert (take.id, take.url) == (done.content_id, done.result_url)
    assert (take.model_name, take.model_type, take.seed) == ("sora-2", "openai", None)
    assert (take.server_id, take.generation_params["seconds"]) == ("openai", 8)
    assert (desk.folder / take.path).read_bytes() == gateway.content
    assert done.attempts[-1].outcome is Outcome.COMPLETED
    assert done.attempts[-1].prompt_id == "video_1"
    assert order["idempotency_key"] == done.attempts[-1].client_id


async def test_a_reference_picture_goes_along(desk: Desk, gateway: Gateway) -> None:
    content = picture(size=(1280, 720))
    (desk.folder / "face.png").write_bytes(content)
    params = {"provider": "openai", "input_reference_url": "/uploads/face.png"}
    done = await desk.run(await desk.job(params=params))
    assert done.status == "completed"
    assert gateway.orders[0]["input_reference"] == ("reference.png", "image/png", content)


async def test_a_reference_from_elsewhere_is_refused(desk: Desk, gateway: Gateway) -> None:
    params = {"provider": "openai", "input_reference_url": "http://127.0.0.1/a.png"}
    done = await desk.run(await desk.job(params=params))
    assert (done.status, done.error_code) == ("failed", "INPUT_REFERENCE_REFUSED")
    assert gateway.calls == []


@pytest.mark.parametrize(
    "words",
    [
        ["pending", "processing", "succeeded"],
        ["NOT_START", "running", "SUCCESS"],
        ["queued", None, "mystery", "done"],
    ],
)
async def test_other_words_for_a_status(
    desk: Desk, gateway: Gateway, words: list[str | None]
) -> None:
    gateway.status_words = words
    assert (await desk.run(await desk.job())).status == "completed"


@pytest.mark.parametrize("word", ["failed", "error", "cancelled"])
async def test_a_failure_has_the_providers_words(desk: Desk, gateway: Gateway, word: str) -> None:
    gateway.status_words = ["queued", word]
    gateway.extra = {"error": {"code": "moderation_blocked", "message": "Not allowed."}}
    gateway.fault("retrieve", Fault(body={"id": "video_1", "status": "queued"}))
    done = await desk.run(await desk.job())
    assert (done.status, done.error_code) == ("failed", "PROVIDER_CONTENT_REFUSED")
    assert done.error == "The video provider failed: Not allowed."
    assert done.error_details == {"provider_code": "moderation_blocked", "video_id": "video_1"}
    assert len(gateway.orders) == 1


class TestRefusedBeforeItWasAccepted:
    async def test_for_its_content(self, desk: Desk, gateway: Gateway) -> None:
        gateway.fault("create", refusal(400, "Your prompt breaks our rules.", "policy"))
        done = await desk.run(await desk.job())
        assert (done.status, done.error_code) == ("failed", "PROVIDER_REFUSED")
        assert "Your prompt breaks our rules." in str(done.error)

    async def test_for_its_key(self, desk: Desk, gateway: Gateway) -> None:
        done = await desk.run(await desk.job(), key="sk-other-0123456789")
        assert (done.status, done.error_code) == ("failed", "PROVIDER_UNAUTHORIZED")
        assert "0123456789" not in done.model_dump_json()

    async def test_for_want_of_money(self, desk: Desk, gateway: Gateway) -> None:
        gateway.fault("create", refusal(429, "You exceeded your quota.", "insufficient_quota"))
        assert (await desk.run(await desk.job())).status == "failed"

    async def test_429_waits_as_long_as_it_is_told(self, desk: Desk, gateway: Gateway) -> None:
        too_many = {"Retry-After": "40"}
        gateway.fault("create", Fault(429, {"error": {"message": "Slow down."}}, too_many))
        began = utc_now()
        waiting = await desk.run(await desk.job())
        assert (waiting.status, waiting.retry_count) == ("pending", 0)
        assert waiting.not_before is not None
        assert timedelta(seconds=40) <= waiting.not_before - began < timedelta(seconds=50)
        done = await desk.run(waiting)
        assert (done.status, len(gateway.orders)) == ("completed", 1)

    async def test_waits_grow_and_end(self, desk: Desk, gateway: Gateway) -> None:
        gateway.fault("create", Fault(503), times=20)
        job = await desk.job()
        waits = []
        while job.status is JobStatus.PENDING:
            began = utc_now()
            job = await desk.run(job)
            waits.append((job.not_before or began) - began)
        assert (job.status, job.error_code, len(waits)) == ("failed", "PROVIDER_BUSY", 10)
        assert waits[:9] == sorted(waits[:9])
        assert waits[8] >= timedelta(seconds=300)
        assert gateway.orders == []

    async def test_its_own_trouble_counts_as_retries(self, desk: Desk, gateway: Gateway) -> None:
        gateway.fault("create", refusal(500, "The server had an error.", "server_error"), times=9)
        job = await desk.job(max_retries=1)
        job = await desk.run(job)
        assert (job.status, job.retry_count) == ("pending", 1)
        assert (await desk.run(job)).status == "failed"

    async def test_nobody_there(self, desk: Desk, gateway: Gateway) -> None:
        await gateway.stop()
        job = await desk.run(await desk.job())
        assert (job.status, job.error_code) == ("pending", "PROVIDER_UNREACHABLE")
        assert job.attempts[-1].outcome is Outcome.UNREACHABLE


@pytest.mark.parametrize(
    "fault",
    [
        Fault(drop=True, after=True),
        Fault(hold=True, after=True),
        Fault(drop=True),
        Fault(200, b"not json", after=True),
        Fault(200, {"object": "video"}, after=True),
        Fault(201, after=True),
        Fault(500, b"<html>", after=True),
        Fault(502, {"error": {"message": "Bad gateway"}}, after=True),
        Fault(504, after=True),
        Fault(524, after=True),
    ],
    ids=lambda fault: f"{fault.status}{'-drop' * fault.drop}{'-slow' * fault.hold}",
)
async def test_an_open_fate_is_never_sent_again(desk: Desk, gateway: Gateway, fault: Fault) -> None:
    gateway.fault("create", fault)
    done = await desk.run(await desk.job())
    assert (done.status, done.error_code) == ("failed", "PROVIDER_FATE_UNKNOWN")
    assert "may have been charged" in str(done.error)
    assert "GET /api/v1/openai/videos" in str(done.error)
    async with desk.runner() as runner:
        await runner.run(done.model_copy(update={"status": JobStatus.PENDING}))
    assert gateway.count("create") == 1
    assert (await desk.jobs.get(done.id)).status == "failed"


async def test_200_with_an_error_is_a_refusal(desk: Desk, gateway: Gateway) -> None:
    gateway.fault("create", Fault(200, {"error": {"message": "No such model."}}))
    done = await desk.run(await desk.job())
    assert (done.status, done.error_code) == ("failed", "PROVIDER_REFUSED")


@pytest.mark.parametrize(
    "faults",
    [
        [Fault(500), Fault(429, headers={"Retry-After": "0"}), Fault(502, b"<html>")],
        [Fault(drop=True), Fault(drop=True)],
        [Fault(200, b"garbage"), Fault(200, {"error": None}), Fault(404)],
    ],
)
async def test_polling_survives(desk: Desk, gateway: Gateway, faults: list[Fault]) -> None:
    gateway.fault("retrieve", *faults)
    done = await desk.run(await desk.job())
    assert (done.status, len(gateway.orders)) == ("completed", 1)


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (refusal(404, "gone"), "PROVIDER_VIDEO_GONE"),
        (refusal(401, "key revoked"), "PROVIDER_UNAUTHORIZED"),
        (Fault(200, b"garbage"), "PROVIDER_NONSENSE"),
        (Fault(302, headers={"Location": "http://example.org"}), "PROVIDER_REDIRECTS"),
    ],
)
async def test_polling_ends_when_nothing_is_said_of_the_video(
    desk: Desk, gateway: Gateway, fault: Fault, code: str
) -> None:
    gateway.fault("retrieve", fault, times=5)
    failed = await desk.run(await desk.job())
    assert (failed.status, failed.error_code) == ("failed", code)
    done = await desk.run(await desk.again(failed))
    assert (done.status, len(gateway.orders), len(done.attempts)) == ("completed", 1, 2)


class TestDownload:
    @pytest.mark.parametrize(
        "fault", [Fault(missing=100), Fault(503), Fault(404), Fault(drop=True), Fault(200, b"no")]
    )
    async def test_a_broken_one_is_tried_again(
        self, desk: Desk, gateway: Gateway, fault: Fault
    ) -> None:
        gateway.fault("content", fault)
        done = await desk.run(await desk.job())
        assert (done.status, len(await desk.takes(done))) == ("completed", 1)
        assert not list((desk.folder / ".incoming").iterdir())

    async def test_one_that_stays_broken_is_fetched_by_a_retry(
        self, desk: Desk, gateway: Gateway
    ) -> None:
        good, gateway.content = gateway.content, b"no video at all"
        failed = await desk.run(await desk.job())
        assert (failed.status, failed.error_code) == ("failed", "RESULT_BROKEN")
        assert "ComfyUI" not in str(failed.error)
        assert "orders another only if" in str(failed.error)
        assert failed.error_details == {"video_id": "video_1"}
        gateway.content = good
        done = await desk.run(await desk.again(failed))
        assert (done.status, len(gateway.orders)) == ("completed", 1)
        assert len(await desk.takes(done)) == 1

    async def test_a_deleted_clip_ends_it(self, desk: Desk, gateway: Gateway) -> None:
        job = await desk.job()
        gateway.fault("content", Fault(hold=True))
        async with desk.runner() as runner:
            work = asyncio.create_task(runner.run(job))
            async with asyncio.timeout(5):
                while gateway.count("content") == 0:
                    await asyncio.sleep(0.005)
            await desk.clips.delete(job.clip_id or "")
            gateway.released.set()
            await work
        done = await desk.jobs.get(job.id)
        assert (done.status, done.error_code) == ("failed", "CLIP_GONE")


class TestRestart:
    async def test_resumes_polling_and_orders_once(self, desk: Desk, gateway: Gateway) -> None:
        """Two processes on one database; the first dies while the video is being made."""
        gateway.status_words = ["in_progress"]
        job = await desk.job()
        async with desk.runner() as first:
            work = asyncio.create_task(first.run(job))
            running = await desk.until(job, lambda now: now.progress > 0)
            work.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await work
        assert (running.status, gateway.count("create")) == ("processing", 1)
        gateway.status_words = ["completed"]
        async with desk.runner() as second:
            await second.resume(await desk.jobs.get(job.id))
        done = await desk.jobs.get(job.id)
        assert (done.status, done.attempt) == ("completed", 1)
        assert gateway.count("create") == 1
        assert len(await desk.takes(done)) == 1

    async def test_the_id_is_saved_before_the_first_poll(
        self, desk: Desk, gateway: Gateway
    ) -> None:
        gateway.fault("retrieve", Fault(hold=True))
        job = await desk.job()
        async with desk.runner() as runner:
            work = asyncio.create_task(runner.run(job))
            saved = await desk.until(job, ordered)
            gateway.released.set()
            await work
        assert saved.attempts[-1].prompt_id == "video_1"
        assert saved.attempts[-1].outcome is None

    async def test_the_attempt_is_saved_before_the_order(
        self, desk: Desk, gateway: Gateway
    ) -> None:
        gateway.fault("create", Fault(hold=True, after=True, drop=True))
        job = await desk.job()
        async with desk.runner() as runner:
            work = asyncio.create_task(runner.run(job))
            claimed = await desk.until(job, lambda now: now.status is JobStatus.PROCESSING)
            gateway.released.set()
            await work
        assert claimed.attempts[-1].prompt_id == ""
        assert claimed.attempts[-1].outcome is None

    async def test_a_death_before_the_receipt_is_told_not_repaired(
        self, desk: Desk, gateway: Gateway
    ) -> None:
        job = await desk.job()
        gateway.fault("create", Fault(hold=True, after=True, drop=True))
        async with desk.runner() as runner:
            work = asyncio.create_task(runner.run(job))
            claimed = await desk.until(job, lambda now: now.status is JobStatus.PROCESSING)
            async with desk.runner() as second:
                await second.resume(claimed)
            gateway.released.set()
            await work
        done = await desk.jobs.get(job.id)
        assert (done.status, done.error_code) == ("failed", "PROVIDER_FATE_UNKNOWN")
        assert "may have been charged" in str(done.error)
        assert gateway.count("create") == 1

    async def test_a_stop_waits_for_the_receipt(self, desk: Desk, gateway: Gateway) -> None:
        receipt = {"id": "video_1", "status": "queued"}
        gateway.fault("create", Fault(200, receipt, hold=True, after=True))
        job = await desk.job()
        async with desk.runner() as runner:
            work = asyncio.create_task(runner.run(job))
            async with asyncio.timeout(5):
                while not gateway.orders:
                    await asyncio.sleep(0.005)
            work.cancel()
            gateway.released.set()
            with contextlib.suppress(asyncio.CancelledError):
                await work
        stopped = await desk.jobs.get(job.id)
        assert (stopped.status, stopped.attempts[-1].prompt_id) == ("processing", "video_1")
        async with desk.runner() as second:
            await second.resume(stopped)
        assert (await desk.jobs.get(job.id)).status == "completed"
        assert gateway.count("create") == 1

    async def test_without_a_key_any_more(self, desk: Desk, gateway: Gateway) -> None:
        gateway.fault("retrieve", refusal(401, "no"), times=5)
        failed = await desk.run(await desk.job())
        again = await desk.again(failed)
        refused = await desk.run(again, key=None)
        assert (refused.status, refused.error_code) == ("failed", "OPENAI_NOT_CONFIGURED")
        processing = refused.model_copy(update={"status": JobStatus.PROCESSING})
        await desk.jobs.update(job_id := refused.id, {"status": "processing"})
        async with desk.runner(key=None) as runner:
            await runner.resume(processing)
        assert (await desk.jobs.get(job_id)).error_code == "OPENAI_NOT_CONFIGURED"
        assert gateway.count("create") == 1


async def test_the_receipt_waits_for_the_database(desk: Desk, gateway: Gateway) -> None:
    receipt = {"id": "video_1", "status": "queued"}
    gateway.fault("create", Fault(200, receipt, hold=True, after=True))
    job = await desk.job()
    async with desk.runner() as runner:
        work = asyncio.create_task(runner.run(job))
        async with asyncio.timeout(5):
            while not gateway.orders:
                await asyncio.sleep(0.005)
        desk.away.append(True)
        gateway.released.set()
        await asyncio.sleep(0.1)
        assert not work.done()
        desk.away.clear()
        await work
    assert (await desk.jobs.get(job.id)).status == "completed"
    assert gateway.count("create") == 1


class TestTakenAway:
    async def test_a_cancel_stops_the_polling(self, desk: Desk, gateway: Gateway) -> None:
        gateway.status_words = ["in_progress"]
        job = await desk.job()
        async with desk.runner() as runner:
            work = asyncio.create_task(runner.run(job))
            running = await desk.until(job, ordered)
            await desk.jobs.move(running, JobStatus.CANCELLED)
            await work
        assert (await desk.jobs.get(job.id)).status == "cancelled"
        assert await desk.takes(job) == ()

    async def test_a_cancel_on_the_way_keeps_the_receipt(
        self, desk: Desk, gateway: Gateway
    ) -> None:
        receipt = {"id": "video_1", "status": "queued"}
        gateway.fault("create", Fault(200, receipt, hold=True, after=True))
        job = await desk.job()
        async with desk.runner() as runner:
            work = asyncio.create_task(runner.run(job))
            claimed = await desk.until(job, lambda now: now.status is JobStatus.PROCESSING)
            await desk.jobs.move(claimed, JobStatus.CANCELLED)
            gateway.released.set()
            await work
        cancelled = await desk.jobs.get(job.id)
        assert (cancelled.status, cancelled.attempts[-1].prompt_id) == ("cancelled", "video_1")
        done = await desk.run(await desk.again(cancelled))
        assert (done.status, gateway.count("create")) == ("completed", 1)

    async def test_two_claim_and_one_orders(self, desk: Desk, gateway: Gateway) -> None:
        job = await desk.job()
        async with desk.runner() as first, desk.runner() as second:
            await asyncio.gather(first.run(job), second.run(job))
        assert (await desk.jobs.get(job.id)).status == "completed"
        assert gateway.count("create") == 1

    async def test_a_job_deleted_on_the_way(self, desk: Desk, gateway: Gateway) -> None:
        receipt = {"id": "video_1", "status": "queued"}
        gateway.fault("create", Fault(200, receipt, hold=True, after=True))
        job = await desk.job()
        async with desk.runner() as runner:
            work = asyncio.create_task(runner.run(job))
            await desk.until(job, lambda now: now.status is JobStatus.PROCESSING)
            await desk.jobs.delete(job.id)
            gateway.released.set()
            await work
        assert await desk.jobs.find_by_id(job.id) is None
        assert await desk.takes(job) == ()


async def test_a_retry_orders_anew_what_the_provider_failed(desk: Desk, gateway: Gateway) -> None:
    gateway.status_words = ["failed"]
    failed = await desk.run(await desk.job())
    assert failed.error_code == "PROVIDER_FAILED"
    again = await desk.again(failed)
    gateway.fault("retrieve", Fault(body={"id": "video_1", "status": "failed"}))
    gateway.status_words = ["completed"]
    done = await desk.run(again)
    assert (done.status, gateway.count("create")) == ("completed", 2)


async def test_nothing_is_ordered_while_an_earlier_order_cannot_be_asked_for(
    desk: Desk, gateway: Gateway
) -> None:
    gateway.fault("retrieve", refusal(401, "no"), times=5)
    again = await desk.again(await desk.run(await desk.job()))
    gateway.fault("retrieve", Fault(503))
    waiting = await desk.run(again)
    assert (waiting.status, waiting.error_code) == ("pending", "PROVIDER_BUSY")
    assert waiting.not_before is not None
    done = await desk.run(waiting)
    assert (done.status, gateway.count("create")) == ("completed", 1)


async def test_a_video_that_is_never_done(desk: Desk, gateway: Gateway) -> None:
    gateway.status_words = ["in_progress"]
    job = await desk.job()
    async with desk.runner() as runner:
        work = asyncio.create_task(runner.run(job))
        running = await desk.until(job, ordered)
        work.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await work
        begun = running.attempts[-1].started_at - timedelta(hours=25)
        old = running.attempts[-1].model_copy(update={"started_at": begun})
        await runner.resume(running.model_copy(update={"attempts": (old,)}))
    done = await desk.jobs.get(job.id)
    assert (done.status, done.error_code) == ("failed", "PROVIDER_TIMEOUT")


@pytest.mark.parametrize(
    ("url", "key", "code"),
    [
        (None, None, "OPENAI_NOT_CONFIGURED"),
        ("https://api.openai.com/v1", KEY, "PROVIDER_RETIRED"),
        ("https://EU.api.OpenAI.com./v1", KEY, "PROVIDER_RETIRED"),
    ],
)
async def test_no_provider_no_call(
    desk: Desk, gateway: Gateway, url: str | None, key: str | None, code: str
) -> None:
    job = await desk.job()
    done = await desk.run(job, url=url, key=key)
    assert (done.status, done.error_code, gateway.calls) == ("failed", code, [])
    async with desk.runner(url=url, key=key) as runner:
        with pytest.raises(ServiceUnavailableError) as caught:
            runner.check(job)
    assert caught.value.code == code


async def test_what_cannot_work_is_said_before_it_queues(desk: Desk) -> None:
    async with desk.runner() as runner:
        runner.check(job := await desk.job())
        with pytest.raises(UnprocessableError):
            runner.check(job.model_copy(update={"generation_type": ContentType.IMAGE}))
