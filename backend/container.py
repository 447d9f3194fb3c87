"""The composition root: database → repositories → services → queue, closed in reverse."""

import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from backend.config import Settings
from backend.database import DatabaseManager
from backend.repositories.registry import REPOSITORIES
from backend.services.comfyui.client import ComfyUIClient, open_session
from backend.services.exports.animatic_runner import at_work
from backend.services.providers.openai.transport import open_provider_session
from backend.wiring.background import StartupRepair, running
from backend.wiring.foundation import HttpClients
from backend.wiring.packages import PackageParts


class Container(PackageParts):
    """Everything a request may ask for, and what runs beside the requests."""

    def let_go(self) -> None:
        """Answer everybody who waits or listens: the server is about to end."""
        self.queue.stop_waiting()
        self.animatics.let_go()
        self.events.close()


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
        clients = HttpClients(client_type(session), session, public, provider)
        container = Container(settings, database, clients)
        stack.push_async_callback(container.repositories.projects.settle)
        await stack.enter_async_context(
            running(
                container.fleet,
                container.dispatcher,
                container.queue,
                events=container.events,
                webhooks=container.webhook_dispatcher,
                startup_repair=StartupRepair(
                    container.results, container.timeline, container.batches
                ),
            )
        )
        await stack.enter_async_context(
            at_work(container.animatic_runner, container.media_preparer)
        )
        yield container
