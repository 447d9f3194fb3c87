"""What everything stands on: settings, database, HTTP clients, and stores of files."""

import time
from dataclasses import dataclass
from functools import cached_property

import aiohttp

from backend.api.http.metrics import Metrics
from backend.config import Settings
from backend.database import DatabaseManager
from backend.repositories.registry import Repositories, repositories_on
from backend.services.comfyui.client import ComfyUIClient
from backend.services.events.hub import EventHub
from backend.services.events.stream import EventStreams
from backend.services.events.webhook_dispatcher import WebhookDispatcher
from backend.services.events.webhook_sender import WebhookSender
from backend.services.film.galleries import Galleries
from backend.services.media.media_files import MediaFiles
from backend.services.media.result_store import Downloads, ResultStore
from backend.services.queue.job_events import JobEvents, ServerEvents
from backend.utils.clock import utc_now
from backend.utils.media_links import MediaLinks, MediaSigner
from backend.utils.secret_box import SecretBox

_MEGABYTE = 1_048_576


@dataclass(frozen=True)
class HttpClients:
    """For ComfyUI servers, for the open internet alone, for the video provider."""

    comfyui: ComfyUIClient
    registered: aiohttp.ClientSession
    public: aiohttp.ClientSession
    provider: aiohttp.ClientSession


def media_signer(settings: Settings) -> MediaSigner | None:
    """Give what signs the addresses of media, where keys are asked for."""
    if not settings.api_keys:
        return None
    secrets = [key.get_secret_value() for key in settings.api_keys]
    return MediaSigner(secrets, ttl=settings.media_url_ttl, now=time.time)


class Foundation:
    """Each part is made at its first use from the parts that it names."""

    def __init__(self, settings: Settings, database: DatabaseManager, clients: HttpClients) -> None:
        self._settings = settings
        self._database = database
        self._clients = clients

    @cached_property
    def repositories(self) -> Repositories:
        key = self._settings.secret_key
        box = SecretBox(key.get_secret_value() if key else None)
        return repositories_on(self._database.database(), self._database.require, box)

    @cached_property
    def galleries(self) -> Galleries:
        repos = self.repositories
        return Galleries(repos.clips, repos.characters, repos.character_takes)

    @cached_property
    def media_files(self) -> MediaFiles:
        return MediaFiles(self._settings.upload_dir)

    @cached_property
    def metrics(self) -> Metrics:
        return Metrics()

    @cached_property
    def events(self) -> EventHub:
        """Told of jobs by their repository from here on."""
        hub = EventHub(self.repositories.events, clock=utc_now)
        told = JobEvents(hub)
        self.repositories.jobs.listeners.append(told)
        self.repositories.jobs.on_note.append(told.noted)
        return hub

    @cached_property
    def server_events(self) -> ServerEvents:
        return ServerEvents(self.events)

    @cached_property
    def event_streams(self) -> EventStreams:
        beat = self._settings.event_heartbeat_seconds
        return EventStreams(self.events, heartbeat_seconds=beat)

    @cached_property
    def webhook_dispatcher(self) -> WebhookDispatcher:
        private = self._settings.webhook_private_hosts
        session = self._clients.registered if private else self._clients.public
        dispatcher = WebhookDispatcher(
            self.repositories.webhooks,
            self.repositories.deliveries,
            self.repositories.events,
            sender=WebhookSender(session, links=self._public_links, clock=utc_now),
            clock=utc_now,
        )
        self.events.on_written = dispatcher.wake
        return dispatcher

    @cached_property
    def _public_links(self) -> MediaLinks:
        """Addresses of media for those who are told without having asked."""
        url = self._settings.public_url
        return MediaLinks((url,), media_signer(self._settings)) if url else MediaLinks()

    def _results_of(self, downloads: Downloads) -> ResultStore:
        limit = self._settings.max_result_size_mb * _MEGABYTE
        return ResultStore(self._settings.upload_dir, downloads, max_bytes=limit)
