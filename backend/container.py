"""The composition root: database → repositories → services → queue, closed in reverse."""

import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import aiohttp

from backend.api.metrics import Metrics
from backend.config import Settings
from backend.database import DatabaseManager
from backend.repositories.registry import REPOSITORIES, Repositories, repositories_on
from backend.services.alternates_service import AlternatesService
from backend.services.attempt_runner import AttemptRunner
from backend.services.background import Mender, running
from backend.services.batch_service import BatchService
from backend.services.character_service import CharacterService
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
from backend.services.openai_transport import open_provider_session
from backend.services.openai_video_client import OpenAIVideoClient, VideoDownloads
from backend.services.openai_video_service import OpenAIVideoService
from backend.services.pool_service import PoolService
from backend.services.project_service import ProjectService
from backend.services.prompt_follower import PromptFollower
from backend.services.provider_follower import VideoFollower
from backend.services.provider_runner import ProviderRunner
from backend.services.queue_manager import QueueManager
from backend.services.queue_view import QueueView
from backend.services.remote_media import RemoteMedia
from backend.services.render_context import RenderContextLoader
from backend.services.result_store import Downloads, ResultStore
from backend.services.scene_service import SceneService
from backend.services.template_service import TemplateService
from backend.services.worker_service import WorkerService
from backend.utils.clock import utc_now
from backend.utils.secret_box import SecretBox

_MEGABYTE = 1_048_576
#: A video that was paid for is worth so many times SERVER_LOST_SECONDS of waiting for its file.
_PAID_PATIENCE = 10


@dataclass(frozen=True)
class Roads:
    """The ways out: to ComfyUI servers, to the open internet alone, to the video provider."""

    comfyui: ComfyUIClient
    registered: aiohttp.ClientSession
    public: aiohttp.ClientSession
    provider: aiohttp.ClientSession


class Container:
    """Everything a request may ask for, and what runs beside the requests.

    Each part is made at its first use from the parts that it names.
    """

    def __init__(self, settings: Settings, database: DatabaseManager, roads: Roads) -> None:
        self._settings = settings
        self._database = database
        self._roads = roads

    @cached_property
    def repositories(self) -> Repositories:
        key = self._settings.secret_key
        box = SecretBox(key.get_secret_value() if key else None)
        return repositories_on(self._database.database(), self._database.require, box)

    @cached_property
    def media_files(self) -> MediaFiles:
        return MediaFiles(self._settings.upload_dir)

    @cached_property
    def projects(self) -> ProjectService:
        repos = self.repositories
        return ProjectService(
            repos.projects,
            repos.scenes,
            repos.clips,
            characters=repos.characters,
            pool=repos.pool,
            **self._shared,
        )

    @cached_property
    def scenes(self) -> SceneService:
        repos = self.repositories
        return SceneService(
            repos.projects, repos.scenes, repos.clips, timeline=self.timeline, **self._shared
        )

    @cached_property
    def clips(self) -> ClipService:
        repos = self.repositories
        return ClipService(repos.scenes, repos.clips, timeline=self.timeline, **self._shared)

    @cached_property
    def characters(self) -> CharacterService:
        repos = self.repositories
        return CharacterService(repos.characters, repos.projects, repos.clips, clock=utc_now)

    @cached_property
    def templates(self) -> TemplateService:
        return TemplateService(self.repositories.templates, clock=utc_now)

    @cached_property
    def render_contexts(self) -> RenderContextLoader:
        return RenderContextLoader(self.repositories.characters, self.repositories.templates)

    @cached_property
    def timeline(self) -> ClipTimeline:
        repos = self.repositories
        return ClipTimeline(repos.projects, repos.scenes, repos.clips, clock=utc_now)

    @cached_property
    def servers(self) -> ComfyUIService:
        return ComfyUIService(self.repositories.servers, self.fleet, self.queue, clock=utc_now)

    @cached_property
    def generation(self) -> GenerationService:
        return GenerationService(
            self.repositories.clips,
            self.repositories.servers,
            clip_service=self.clips,
            contexts=self.render_contexts,
            provider=self.provider,
            queue=self.queue,
            fleet=self.fleet,
            wait_seconds=self._settings.generate_wait_seconds,
            max_retries=self._settings.queue_max_retries,
            clock=utc_now,
        )

    @cached_property
    def batches(self) -> BatchService:
        repos = self.repositories
        return BatchService(
            repos.batches,
            repos.clips,
            repos.jobs,
            generation=self.generation,
            queue=self.queue,
            clock=utc_now,
        )

    @cached_property
    def queue(self) -> QueueManager:
        repos = self.repositories
        return QueueManager(
            repos.jobs,
            repos.servers,
            self._roads.comfyui,
            dispatcher=self.dispatcher,
            clock=utc_now,
        )

    @cached_property
    def queue_view(self) -> QueueView:
        repos = self.repositories
        return QueueView(
            self.queue,
            repos.stats,
            projects=repos.projects,
            workers=repos.workers,
            fleet=self.fleet,
            dispatcher=self.dispatcher,
        )

    @cached_property
    def workers(self) -> WorkerService:
        repos = self.repositories
        return WorkerService(
            repos.workers,
            repos.servers,
            repos.jobs,
            fleet=self.fleet,
            runner=self.runner,
            delivery=self.delivery,
            remote=self._remote_results,
            lease_seconds=self._settings.worker_lease_seconds,
            clock=utc_now,
        )

    @cached_property
    def alternates(self) -> AlternatesService:
        repos = self.repositories
        return AlternatesService(
            repos.projects,
            repos.scenes,
            repos.clips,
            timeline=self.timeline,
            media=self.media_files,
            clock=utc_now,
        )

    @cached_property
    def pool(self) -> PoolService:
        repos = self.repositories
        return PoolService(
            repos.projects, repos.clips, repos.pool, media=self.media_files, clock=utc_now
        )

    @cached_property
    def metrics(self) -> Metrics:
        return Metrics()

    @cached_property
    def health(self) -> HealthService:
        return HealthService(self._database, self.queue, fleet=self.fleet, media=self.media_files)

    @cached_property
    def media(self) -> MediaService:
        return MediaService(
            self.repositories.projects,
            self.media_files,
            max_music_bytes=self._settings.max_music_size_mb * _MEGABYTE,
            max_image_bytes=self._settings.max_image_size_mb * _MEGABYTE,
            clock=utc_now,
        )

    @cached_property
    def exports(self) -> ExportService:
        repos = self.repositories
        return ExportService(repos.projects, repos.scenes, repos.clips, self._settings.upload_dir)

    @cached_property
    def fleet(self) -> Fleet:
        return Fleet(
            self.repositories.servers,
            self._roads.comfyui,
            check_seconds=self._settings.server_check_seconds,
            clock=utc_now,
        )

    @cached_property
    def dispatcher(self) -> Dispatcher:
        dispatcher = Dispatcher(
            self.repositories.jobs,
            self.fleet,
            self.runner,
            provider=self.provider,
            clock=utc_now,
        )
        self.fleet.on_change = dispatcher.wake
        return dispatcher

    @cached_property
    def runner(self) -> AttemptRunner:
        return AttemptRunner(
            self.repositories.jobs,
            self._roads.comfyui,
            follower=self._follower,
            delivery=self.delivery,
            stats=self.repositories.stats,
            watch=self.fleet,
            observer=self.metrics,
            clock=utc_now,
        )

    @cached_property
    def delivery(self) -> Delivery:
        return Delivery(
            self.repositories.clips,
            self.results,
            media=self.media_files,
            lost_seconds=self._settings.server_lost_seconds,
            clock=utc_now,
        )

    @cached_property
    def results(self) -> ResultStore:
        return self._results_of(self._roads.comfyui)

    @cached_property
    def openai_videos(self) -> OpenAIVideoService:
        return OpenAIVideoService(self._provider_client)

    @cached_property
    def provider(self) -> ProviderRunner:
        repos = self.repositories
        client = self._provider_client
        return ProviderRunner(
            repos.jobs,
            repos.clips,
            client,
            follower=VideoFollower(
                repos.jobs,
                client,
                poll_seconds=self._settings.openai_poll_seconds,
                clock=utc_now,
            ),
            delivery=Delivery(
                repos.clips,
                self._results_of(VideoDownloads(client)),
                media=self.media_files,
                lost_seconds=_PAID_PATIENCE * self._settings.server_lost_seconds,
                clock=utc_now,
            ),
            media=self.media_files,
            default_model=self._settings.openai_model,
            capacity=self._settings.openai_max_concurrent,
            clock=utc_now,
        )

    @cached_property
    def _provider_client(self) -> OpenAIVideoClient:
        key = self._settings.openai_api_key
        return OpenAIVideoClient(
            self._roads.provider,
            base_url=self._settings.openai_base_url,
            api_key=key.get_secret_value() if key else None,
        )

    @cached_property
    def _remote_results(self) -> ResultStore:
        remote = RemoteMedia(
            self._roads.public,
            self._roads.registered,
            servers=self.repositories.servers,
            media=self.media_files,
        )
        return self._results_of(remote)

    @cached_property
    def _follower(self) -> PromptFollower:
        return PromptFollower(
            self.repositories.jobs,
            self._roads.comfyui,
            poll_seconds=self._settings.queue_poll_seconds,
            lost_seconds=self._settings.server_lost_seconds,
            clock=utc_now,
        )

    @property
    def _shared(self) -> dict[str, Any]:
        return {"jobs": self.queue, "media": self.media_files, "clock": utc_now}

    def _results_of(self, downloads: Downloads) -> ResultStore:
        limit = self._settings.max_result_size_mb * _MEGABYTE
        return ResultStore(self._settings.upload_dir, downloads, max_bytes=limit)


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
            {kind.collection: kind.indexes for kind in REPOSITORIES if kind.indexes}
        )
        stack.push_async_callback(database.stop)
        await database.start()
        session = await stack.enter_async_context(open_session())
        public = await stack.enter_async_context(open_session(public_only=True))
        provider = await stack.enter_async_context(open_provider_session())
        roads = Roads(client_type(session), session, public, provider)
        container = Container(settings, database, roads)
        await stack.enter_async_context(
            running(
                container.fleet,
                container.dispatcher,
                container.queue,
                mender=Mender(container.results, container.timeline, container.batches),
            )
        )
        yield container
