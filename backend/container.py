"""The composition root: database → repositories → services → queue, closed in reverse."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from backend.config import Settings
from backend.database import DatabaseManager
from backend.repositories.clip_repository import ClipRepository
from backend.repositories.comfyui_repository import ComfyUIRepository
from backend.repositories.job_repository import JobRepository
from backend.repositories.project_repository import ProjectRepository
from backend.repositories.scene_repository import SceneRepository
from backend.repositories.server_stats_repository import ServerStatsRepository
from backend.services.attempt_runner import AttemptRunner
from backend.services.clip_service import ClipService
from backend.services.clip_timeline import ClipTimeline
from backend.services.comfyui_client import ComfyUIClient, open_session
from backend.services.comfyui_service import ComfyUIService
from backend.services.delivery import Delivery
from backend.services.dispatcher import Dispatcher
from backend.services.export_service import ExportService
from backend.services.fleet import Fleet
from backend.services.generation_service import GenerationService
from backend.services.health_service import HealthService
from backend.services.media_files import MediaFiles
from backend.services.media_service import MediaService
from backend.services.project_service import ProjectService
from backend.services.prompt_follower import PromptFollower
from backend.services.queue_manager import QueueManager
from backend.services.queue_view import QueueView
from backend.services.result_store import ResultStore
from backend.services.scene_service import SceneService
from backend.utils.clock import utc_now
from backend.utils.errors import DatabaseUnavailableError
from backend.utils.secret_box import SecretBox

_MEGABYTE = 1_048_576
#: How far back before the last change totals are counted again at start, in seconds.
_MEND_SECONDS = 60


@dataclass(frozen=True)
class Repositories:
    projects: ProjectRepository
    scenes: SceneRepository
    clips: ClipRepository
    jobs: JobRepository
    servers: ComfyUIRepository
    stats: ServerStatsRepository


@dataclass(frozen=True)
class Container:
    """Everything a request may ask for, and what runs beside the requests."""

    projects: ProjectService
    scenes: SceneService
    clips: ClipService
    timeline: ClipTimeline
    servers: ComfyUIService
    generation: GenerationService
    queue: QueueManager
    queue_view: QueueView
    health: HealthService
    media: MediaService
    exports: ExportService
    fleet: Fleet
    dispatcher: Dispatcher
    results: ResultStore


@asynccontextmanager
async def build_container(
    settings: Settings, *, client_type: type[ComfyUIClient] = ComfyUIClient
) -> AsyncIterator[Container]:
    """Open what the settings name, run the queue, and close everything in reverse.

    Raises DatabaseStartError for a database that can never start as it is configured.
    """
    settings.upload_dir.mkdir(parents=True, exist_ok=True)
    database = DatabaseManager(
        settings.mongo_url,
        name=settings.db_name,
        driver=settings.mongo_driver,
        embedded_path=settings.embedded_path,
    )
    async with contextlib.AsyncExitStack() as stack:
        await database.ensure_indexes(
            {kind.collection: kind.indexes for kind in _REPOSITORIES if kind.indexes}
        )
        stack.push_async_callback(database.stop)
        await database.start()
        client = client_type(await stack.enter_async_context(open_session()))
        container = _wire(settings, database, client)
        await stack.enter_async_context(_running(container))
        yield container


_REPOSITORIES = (
    ProjectRepository,
    SceneRepository,
    ClipRepository,
    JobRepository,
    ComfyUIRepository,
    ServerStatsRepository,
)


def repositories_on(database: Any, gate: Any, box: SecretBox | None = None) -> Repositories:
    """All repositories on one driver handle; `gate` raises at once while the database is away."""
    return Repositories(
        projects=ProjectRepository(database, gate),
        scenes=SceneRepository(database, gate),
        clips=ClipRepository(database, gate),
        jobs=JobRepository(database, gate),
        servers=ComfyUIRepository(database, gate, box),
        stats=ServerStatsRepository(database, gate),
    )


def _secret_box(settings: Settings) -> SecretBox:
    key = settings.secret_key
    return SecretBox(key.get_secret_value() if key else None)


def _wire(settings: Settings, database: DatabaseManager, client: ComfyUIClient) -> Container:
    repos = repositories_on(database.database(), database.require, _secret_box(settings))
    media = MediaFiles(settings.upload_dir)
    fleet = Fleet(repos.servers, client, check_seconds=settings.server_check_seconds, clock=utc_now)
    results = ResultStore(
        settings.upload_dir, client, max_bytes=settings.max_result_size_mb * _MEGABYTE
    )
    delivery = Delivery(
        repos.clips,
        results,
        media=media,
        lost_seconds=settings.server_lost_seconds,
        clock=utc_now,
    )
    dispatcher = _dispatcher(settings, repos, client, fleet=fleet, delivery=delivery)
    fleet.on_change = dispatcher.wake
    queue = QueueManager(repos.jobs, repos.servers, client, dispatcher=dispatcher, clock=utc_now)
    timeline = ClipTimeline(repos.projects, repos.scenes, repos.clips, clock=utc_now)
    shared: dict[str, Any] = {"jobs": queue, "media": media, "clock": utc_now}
    clips = ClipService(repos.scenes, repos.clips, timeline=timeline, **shared)
    return Container(
        projects=ProjectService(repos.projects, repos.scenes, repos.clips, **shared),
        scenes=SceneService(repos.projects, repos.scenes, repos.clips, timeline=timeline, **shared),
        clips=clips,
        timeline=timeline,
        servers=ComfyUIService(repos.servers, fleet, queue, clock=utc_now),
        generation=GenerationService(
            repos.clips,
            repos.servers,
            clip_service=clips,
            queue=queue,
            fleet=fleet,
            wait_seconds=settings.generate_wait_seconds,
            max_retries=settings.queue_max_retries,
            clock=utc_now,
        ),
        queue=queue,
        queue_view=QueueView(queue, repos.stats, fleet=fleet, dispatcher=dispatcher),
        health=HealthService(database, queue, fleet=fleet, media=media),
        media=MediaService(
            repos.projects,
            media,
            max_music_bytes=settings.max_music_size_mb * _MEGABYTE,
            clock=utc_now,
        ),
        exports=ExportService(repos.projects, repos.scenes, repos.clips, settings.upload_dir),
        fleet=fleet,
        dispatcher=dispatcher,
        results=results,
    )


def _dispatcher(
    settings: Settings,
    repos: Repositories,
    client: ComfyUIClient,
    *,
    fleet: Fleet,
    delivery: Delivery,
) -> Dispatcher:
    runner = AttemptRunner(
        repos.jobs,
        client,
        follower=PromptFollower(
            repos.jobs,
            client,
            poll_seconds=settings.queue_poll_seconds,
            lost_seconds=settings.server_lost_seconds,
            clock=utc_now,
        ),
        delivery=delivery,
        stats=repos.stats,
        watch=fleet,
        clock=utc_now,
    )
    return Dispatcher(repos.jobs, fleet, runner, clock=utc_now)


@asynccontextmanager
async def _running(container: Container) -> AsyncIterator[None]:
    """Run the fleet's watch and the dispatcher; on the way out let go of everyone who waits."""
    tasks = [
        _start(container.fleet.run(), "fleet"),
        _start(container.dispatcher.run(), "dispatcher"),
        _start(_mend(container), "mend"),
    ]
    try:
        yield
    finally:
        container.queue.stop_waiting()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _mend(container: Container) -> None:
    """Clear what a crash may have left half done, as soon as the database is there."""
    await container.results.sweep_incoming()
    while True:
        try:
            await container.timeline.recount_recent(_MEND_SECONDS)
        except DatabaseUnavailableError:
            await asyncio.sleep(1)
        else:
            return


def _start(work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
    return asyncio.create_task(work, name=name)
