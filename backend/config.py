"""Settings: the only reader of the environment and of `.env`.

Each field is one variable of the same name in capitals; `.env.example` lists them all.
"""

import os
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import SplitResult, urlsplit

from pydantic import (
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict
from pymongo.errors import PyMongoError
from pymongo.uri_parser import parse_uri

#: The folder that holds backend/. Relative paths in settings start here.
ROOT = Path(__file__).resolve().parent.parent

Seconds = Annotated[float, Field(gt=0, le=86_400)]


def _has_usable_port(parts: SplitResult) -> bool:
    try:
        return parts.port != 0
    except ValueError:
        return False


class SettingsError(Exception):
    """The start must stop; the message is one line that names each bad variable."""


class Settings(BaseSettings):
    """Every setting with its default. Secrets are `SecretStr`, so no log or repr shows them."""

    model_config = SettingsConfigDict(
        env_file=ROOT / ".env",
        env_file_encoding="utf-8",
        # `NAME=` without a value is how people switch a line off: it means the default.
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
    )

    #: mongodb://… or mongodb+srv://…, `embedded:./data/db`, or `memory:`.
    mongo_url: str = "mongodb://localhost:27017"
    mongo_driver: Literal["motor", "pymongo"] = "motor"
    db_name: str = Field(default="storycanvas", pattern=r"^[A-Za-z0-9_-]{1,38}$")

    backend_host: str = "127.0.0.1"
    backend_port: int = Field(default=8001, ge=1, le=65535)
    #: Log everything, whatever LOG_LEVEL says.
    debug: bool = False
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    #: Comma-separated bearer keys; empty means no authentication.
    api_keys: Annotated[tuple[SecretStr, ...], NoDecode] = ()
    #: Encrypts stored secrets (ComfyUI and RunPod keys) at rest when set.
    secret_key: Annotated[SecretStr, Field(min_length=8)] | None = None
    #: Where clients reach this server, if not at the address that they ask; without a slash.
    public_url: str | None = None
    #: Addresses and networks whose X-Forwarded-* headers count.
    trusted_proxies: Annotated[tuple[IPv4Network | IPv6Network, ...], NoDecode] = ()
    #: Seconds that the signed address of a media file can be loaded; only with API_KEYS.
    media_url_ttl: int = Field(default=43_200, ge=60, le=2_592_000)

    upload_dir: Path = Path("./uploads")
    #: The folder of a built web client. All in it is served at /app/, to everybody.
    frontend_dir: Path | None = None
    max_music_size_mb: int = Field(default=50, ge=1, le=10_240)
    max_image_size_mb: int = Field(default=10, ge=1, le=1_024)
    #: The largest single result that is taken from a ComfyUI server.
    max_result_size_mb: int = Field(default=2_048, ge=1, le=102_400)
    max_body_size_mb: int = Field(default=16, ge=1, le=1_024)
    #: Room for converted videos and animatics; what was not used for the longest goes first.
    max_cache_size_mb: int = Field(default=10_240, ge=1, le=10_485_760)

    #: How long `POST /generate` waits for its result before it answers 202. Chromium keeps a
    #: request open for over ten minutes, but the web client gives up after five, and so does
    #: Firefox; a 202 with its `job_id` they understand, and show the take when it is there.
    generate_wait_seconds: Seconds = 240
    #: Jobs of equal standing queued this close together may run in any order.
    queue_age_window: Annotated[float, Field(ge=0, le=86_400)] = 120
    #: Attempts after a failed execution before a job fails for good.
    queue_max_retries: int = Field(default=2, ge=0, le=20)
    #: How often a running job is looked up at its server, beside the WebSocket.
    queue_poll_seconds: Annotated[float, Field(ge=0.02, le=60)] = 1.0
    #: How long an unreachable server keeps its running jobs before they go elsewhere.
    server_lost_seconds: Seconds = 30
    #: How long a running prompt may make no progress before it counts as hung.
    job_stall_seconds: Seconds = 600
    #: Jobs that may wait at once, of all projects and of each; more are refused for a while.
    queue_max_pending: int = Field(default=100_000, ge=1, le=10_000_000)
    queue_max_pending_per_project: int = Field(default=50_000, ge=1, le=10_000_000)
    #: How often each ComfyUI server is asked how it is.
    server_check_seconds: Annotated[float, Field(ge=0.05, le=600)] = 5.0

    #: An external worker that is not heard of for so long loses the jobs it holds.
    worker_lease_seconds: Seconds = 60

    #: The longest silence in a stream of events, so that no proxy takes it for dead.
    event_heartbeat_seconds: Annotated[float, Field(ge=0.05, le=600)] = 15.0
    #: Whether webhooks may go to addresses of private networks and of this machine.
    webhook_private_hosts: bool = False

    openai_api_key: SecretStr | None = None
    openai_base_url: str = "https://api.openai.com/v1"
    #: The model of jobs that name the provider and no model.
    openai_model: str = Field(default="sora-2", min_length=1, max_length=200)
    #: How many videos may be made there at once.
    openai_max_concurrent: int = Field(default=2, ge=1, le=64)
    #: The first pause between two looks at a video that is being made; it grows fourfold.
    openai_poll_seconds: Annotated[float, Field(ge=0.02, le=600)] = 5.0

    @field_validator("openai_api_key", "secret_key", "public_url", "frontend_dir", mode="before")
    @classmethod
    def _empty_is_unset(cls, value: object) -> object:
        return None if value == "" else value

    @field_validator("api_keys", mode="before")
    @classmethod
    def _split_keys(cls, value: object) -> object:
        """Refuse `API_KEYS=,`: who writes something there does not want an open server."""
        if not isinstance(value, str) or not value:
            return value or ()
        keys = tuple(key.strip() for key in value.split(",") if key.strip())
        if not keys:
            raise ValueError("must hold a key, or be empty")
        return keys

    @field_validator("trusted_proxies", mode="before")
    @classmethod
    def _split_networks(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        given = [part.strip() for part in value.split(",") if part.strip()]
        try:
            return tuple(ip_network(part, strict=False) for part in given)
        except ValueError:
            raise ValueError("must list IP addresses or networks such as 10.0.0.0/8") from None

    @field_validator("log_level", mode="before")
    @classmethod
    def _in_capitals(cls, value: object) -> object:
        return value.upper() if isinstance(value, str) else value

    @field_validator("mongo_url")
    @classmethod
    def _known_scheme(cls, value: str) -> str:
        if value == "memory:" or (value.startswith("embedded:") and value != "embedded:"):
            return value
        if not value.startswith(("mongodb://", "mongodb+srv://")):
            raise ValueError(
                "must start with mongodb://, mongodb+srv:// or embedded:, or be memory:"
            )
        if value.startswith("mongodb://"):
            try:
                parse_uri(value, warn=False)
            except (PyMongoError, ValueError):
                # The driver's sentence may quote the password.
                raise ValueError("is no MongoDB URL that can be used") from None
        return value

    @field_validator("openai_api_key")
    @classmethod
    def _fits_a_header(cls, value: SecretStr | None) -> SecretStr | None:
        key = value.get_secret_value() if value else ""
        if not key.isascii() or not key.isprintable() or " " in key:
            raise ValueError("must be visible ASCII characters: it travels in a header")
        return value

    @field_validator("openai_base_url", "public_url")
    @classmethod
    def _http_url(cls, value: str | None) -> str | None:
        if value is None:
            return None
        parts = urlsplit(value)
        if parts.scheme not in {"http", "https"} or not parts.hostname or " " in parts.netloc:
            raise ValueError("must be an http:// or https:// URL")
        if not _has_usable_port(parts):
            raise ValueError("must have a port from 1 to 65535, or none")
        if "@" in parts.netloc or parts.query or parts.fragment:
            raise ValueError("must hold no credentials, query or fragment")
        return value.rstrip("/")

    @field_validator("upload_dir")
    @classmethod
    def _from_root(cls, value: Path) -> Path:
        folder = (ROOT / value.expanduser()).resolve()
        if ROOT.is_relative_to(folder):
            raise ValueError("must not hold StoryCanvas itself: all in it is served")
        there = next(path for path in (folder, *folder.parents) if path.exists())
        if not there.is_dir():
            raise ValueError(f"'{there}' is a file, not a folder")
        if not os.access(there, os.W_OK | os.X_OK):
            raise ValueError(f"'{there}' is not writable")
        return folder

    @field_validator("frontend_dir")
    @classmethod
    def _built_client(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        if value is None:
            return None
        folder = (ROOT / value.expanduser()).resolve()
        if not os.access(folder, os.R_OK | os.X_OK):
            raise ValueError(f"there is no folder '{folder}' that can be read")
        index = folder / "index.html"
        if not index.is_file() or not os.access(index, os.R_OK):
            raise ValueError(f"'{folder}' has no index.html: name the folder that the build made")
        private = {
            "StoryCanvas itself": ROOT,
            "UPLOAD_DIR": info.data.get("upload_dir"),
            "the database": _embedded_folder(info.data.get("mongo_url", "")),
        }
        for name, place in private.items():
            if place is not None and place.is_relative_to(folder):
                raise ValueError(f"must not hold {name}: all in it is public")
        return folder

    @property
    def embedded_path(self) -> Path | None:
        """Where the embedded database keeps its files, or None when another one is used."""
        return _embedded_folder(self.mongo_url)

    @classmethod
    def load(cls) -> Self:
        """Read the environment; raise SettingsError naming what is wrong, never its value."""
        try:
            settings = cls()
            settings.make_folders()
        except ValidationError as error:
            faults = (
                f"{str(fault['loc'][0]).upper()}: {fault['msg'].removeprefix('Value error, ')}"
                for fault in error.errors(include_input=False)
            )
            raise SettingsError("; ".join(faults)) from None
        except UnicodeDecodeError:
            raise SettingsError(".env: is not UTF-8 text") from None
        return settings

    def make_folders(self) -> None:
        """Make the folders that the settings name; SettingsError for one that cannot be."""
        folders = {"UPLOAD_DIR": self.upload_dir, "MONGO_URL": self.embedded_path}
        for name, folder in folders.items():
            try:
                if folder is not None:
                    folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                reason = error.strerror or "it cannot be made"
                raise SettingsError(f"{name}: {folder}: {reason}") from None


def _embedded_folder(mongo_url: str) -> Path | None:
    if not mongo_url.startswith("embedded:"):
        return None
    return (ROOT / Path(mongo_url.removeprefix("embedded:")).expanduser()).resolve()
