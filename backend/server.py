"""The server: `python -m backend.server`, `python backend/server.py`, `uvicorn backend.server:app`.

It wires; it decides nothing.
"""

import contextlib
import gc
import logging
import signal
import socket
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

if __package__ in {None, ""}:  # run as a file: make `backend` importable, not its parts
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

# Nothing of what is imported is garbage, and looking through it takes a fifth of the start.
gc.disable()

import uvicorn
from fastapi import FastAPI
from fastapi_offline import FastAPIOffline
from starlette.middleware.exceptions import ExceptionMiddleware

from backend import __version__
from backend.api.http import errors, metrics, openapi
from backend.api.http.addresses import STATIC
from backend.api.http.logs import configure_logging
from backend.api.http.media_addresses import MediaLinksMiddleware, TrustedProxyMiddleware
from backend.api.http.middleware import (
    ApiKeyMiddleware,
    BodyLimitMiddleware,
    RequestContextMiddleware,
    StartError,
)
from backend.api.http.uploads import UploadedFiles
from backend.api.http.versioned_router import operation_id
from backend.api.pages import routes, web_client
from backend.api.pages.pages import PageFiles, Pages
from backend.api.v1 import include_v1
from backend.api.v1.exports import legacy_exports_router
from backend.config import Settings, SettingsError
from backend.container import Container, build_container
from backend.mongo.embedded import DatabaseStartError
from backend.services.exports.timing_service import MAX_CUT_BYTES
from backend.services.film.project_import import MAX_FILE_BYTES
from backend.services.media_service import MAX_PICTURES
from backend.utils.collector import spare_collector
from backend.wiring.foundation import media_signer

gc.enable()

logger = logging.getLogger(__name__)

_MEGABYTE = 1_048_576
#: Room for the multipart frame around an uploaded file.
_MULTIPART_SLACK = 65_536

Build = Callable[[Settings], AbstractAsyncContextManager[Container]]


def create_app(settings: Settings, *, build: Build = build_container) -> FastAPI:
    """Make the application. Nothing is opened before its lifespan starts."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with contextlib.AsyncExitStack() as stack:
            try:
                container = await stack.enter_async_context(build(settings))
            except DatabaseStartError as error:
                raise StartError(str(error)) from None
            app.state.container = container
            stack.enter_context(early_warning(container.let_go))
            yield

    app: FastAPI = FastAPIOffline(
        redoc_url=None,
        title="StoryCanvas",
        version=__version__,
        summary="Plan a film, generate its clips on your own ComfyUI servers, hand it over.",
        description=openapi.DESCRIPTION,
        openapi_tags=openapi.TAGS,
        swagger_ui_parameters=openapi.SWAGGER_UI,
        lifespan=lifespan,
        generate_unique_id_function=operation_id,
    )
    openapi.install(app)
    errors.install(app)
    include_v1(app)
    app.include_router(legacy_exports_router.router)
    app.include_router(metrics.router)
    app.include_router(routes.router)
    app.state.pages = Pages(
        keyed=bool(settings.api_keys), client=web_client.PREFIX if settings.frontend_dir else ""
    )
    app.mount(STATIC, PageFiles())
    app.mount("/uploads", UploadedFiles(settings.upload_dir, keyed=bool(settings.api_keys)))
    if settings.frontend_dir is not None:
        web_client.install(app, settings.frontend_dir)
    _add_middleware(app, settings)
    return app


def _add_middleware(app: FastAPI, settings: Settings) -> None:
    """Innermost first."""
    signer = media_signer(settings)
    if signer:
        keys = [key.get_secret_value() for key in settings.api_keys]
        public = web_client.PREFIX if settings.frontend_dir else ""
        app.add_middleware(ApiKeyMiddleware, keys=keys, signer=signer, public=public)
    music = settings.max_music_size_mb * _MEGABYTE + _MULTIPART_SLACK
    image = settings.max_image_size_mb * _MEGABYTE + _MULTIPART_SLACK
    result = settings.max_result_size_mb * _MEGABYTE + _MULTIPART_SLACK
    app.add_middleware(
        BodyLimitMiddleware,
        limit=settings.max_body_size_mb * _MEGABYTE,
        uploads={
            "/upload-music": music,
            "/upload-face-image": image,
            "/upload-character-images": MAX_PICTURES * image,
            "/import-timing": MAX_CUT_BYTES + _MULTIPART_SLACK,
            "/projects/import": MAX_FILE_BYTES + _MULTIPART_SLACK,
            "/queue/jobs/*/result": result,
        },
    )
    app.add_middleware(metrics.MetricsMiddleware)
    app.add_middleware(ExceptionMiddleware, handlers=errors.LAST_RESORT)
    app.add_middleware(MediaLinksMiddleware, public_url=settings.public_url, signer=signer)
    app.add_middleware(RequestContextMiddleware)
    if settings.trusted_proxies:
        app.add_middleware(TrustedProxyMiddleware, proxies=settings.trusted_proxies)


@contextmanager
def early_warning(warn: Callable[[], None]) -> Iterator[None]:
    """Have `warn` called when a signal ends the server, before it waits for open requests.

    A `POST /generate` may wait for minutes; without this a stop would wait along. Outside the
    main thread no signal arrives, and nothing is changed.
    """
    replaced: dict[signal.Signals, Callable[..., Any]] = {}
    for number in (signal.SIGTERM, signal.SIGINT):
        previous = signal.getsignal(number)
        if not callable(previous) or threading.current_thread() is not threading.main_thread():
            continue

        def warned(
            signum: int, frame: FrameType | None, previous: Callable[..., Any] = previous
        ) -> None:
            warn()
            previous(signum, frame)

        signal.signal(number, warned)
        replaced[number] = previous
    try:
        yield
    finally:
        for number, previous in replaced.items():
            signal.signal(number, previous)


def main() -> int:
    """Serve until a signal; 1 when the settings or the database make that impossible."""
    try:
        settings = Settings.load()
    except SettingsError as error:
        sys.stderr.write(f"StoryCanvas cannot start: {error}\n")
        return 1
    try:
        listener = _listen(settings.backend_host, settings.backend_port)
    except OSError as error:
        place = f"BACKEND_HOST {settings.backend_host}, BACKEND_PORT {settings.backend_port}"
        sys.stderr.write(f"StoryCanvas cannot start: {place}: {error.strerror or error}\n")
        return 1
    configure_logging("DEBUG" if settings.debug else settings.log_level)
    config = uvicorn.Config(
        create_app(settings),
        log_config=None,
        access_log=False,
        proxy_headers=False,  # TRUSTED_PROXIES says whose count
        timeout_graceful_shutdown=3,
    )
    server = uvicorn.Server(config)
    # uvicorn shuts down on these, then raises them again; by then the work is done.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda signum, frame: None)
    spare_collector()
    logger.info("StoryCanvas listens on %s port %d", settings.backend_host, settings.backend_port)
    with listener:
        server.run(sockets=[listener])
    return 0 if server.started else 1


def _listen(host: str, port: int) -> socket.socket:
    """Take the port before anything else is started. OSError when it cannot be had."""
    family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    return socket.create_server(address[:2], family=family, backlog=2048)


def __getattr__(name: str) -> FastAPI:
    """Make `app` when somebody asks for it: importing this module builds nothing."""
    if name != "app":
        raise AttributeError(name)
    try:
        settings = Settings.load()
    except SettingsError as error:
        raise SystemExit(f"StoryCanvas cannot start: {error}") from None
    configure_logging("DEBUG" if settings.debug else settings.log_level)
    return create_app(settings)


__all__ = ["DatabaseStartError", "create_app", "main"]

if __name__ == "__main__":
    sys.exit(main())
