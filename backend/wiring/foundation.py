"""What everything stands on: settings, database, HTTP clients, and stores of files."""

import time
from dataclasses import dataclass

import aiohttp

from backend.api.http.metrics import Metrics
from backend.config import Settings
from backend.database import DatabaseManager
from backend.repositories.registry import Repositories, repositories_on
from backend.services.comfyui.client import ComfyUIClient
from backend.services.film.galleries import Galleries
from backend.services.media.media_files import MediaFiles
from backend.services.media.result_store import Downloads, ResultStore
from backend.utils.media_links import MediaLinks, MediaSigner
from backend.utils.secret_box import SecretBox

MEGABYTE = 1_048_576


@dataclass(frozen=True)
class HttpClients:
    """For ComfyUI servers, for the open internet alone, for the video provider."""

    comfyui: ComfyUIClient
    registered: aiohttp.ClientSession
    public: aiohttp.ClientSession
    provider: aiohttp.ClientSession


@dataclass(frozen=True)
class Foundation:
    settings: Settings
    database: DatabaseManager
    clients: HttpClients
    repositories: Repositories
    galleries: Galleries
    media_files: MediaFiles
    metrics: Metrics

    def results_of(self, downloads: Downloads) -> ResultStore:
        """Make a store for results that are fetched in this way."""
        limit = self.settings.max_result_size_mb * MEGABYTE
        return ResultStore(self.settings.upload_dir, downloads, max_bytes=limit)

    @property
    def public_links(self) -> MediaLinks:
        """Addresses of media for those who are told without having asked."""
        url = self.settings.public_url
        return MediaLinks((url,), media_signer(self.settings)) if url else MediaLinks()


def build_foundation(
    settings: Settings, database: DatabaseManager, clients: HttpClients
) -> Foundation:
    key = settings.secret_key
    box = SecretBox(key.get_secret_value() if key else None)
    repos = repositories_on(database.database(), database.require, box)
    return Foundation(
        settings=settings,
        database=database,
        clients=clients,
        repositories=repos,
        galleries=Galleries(repos.clips, repos.characters, repos.character_takes),
        media_files=MediaFiles(settings.upload_dir),
        metrics=Metrics(),
    )


def media_signer(settings: Settings) -> MediaSigner | None:
    """Give what signs the addresses of media, where keys are asked for."""
    if not settings.api_keys:
        return None
    secrets = [key.get_secret_value() for key in settings.api_keys]
    return MediaSigner(secrets, ttl=settings.media_url_ttl, now=time.time)
