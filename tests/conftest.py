"""Steps from settings to a clip: `settings → app → client → make_project → make_scene → make_clip`.

Everything keeps its data in memory unless a test overrides `settings` with `embedded_settings`.
"""

import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from fastapi import FastAPI

from backend.config import Settings
from backend.container import Container
from backend.mongo.embedded import EmbeddedDatabase
from backend.server import create_app
from scripts._chromium import find_chromium, said_without
from tests.studio import quick_settings, serving

API = "/api/v1"

#: These begin first: whichever came last would run alone for minutes.
LONGEST = (
    "test_schemathesis.py",
    "test_server_crash.py",
    "test_takeover.py",
    "test_guide.py",
    "test_kill_points.py",
    "test_manual.py",
    "test_live_browser.py",
    "test_client_film.py",
    "test_client_generation.py",
    "test_client_media.py",
    "test_raw_requests.py",
    "test_queue_faults.py",
    "test_scripts.py",
    "test_runpod_crash.py",
)

Maker = Callable[..., Awaitable[dict[str, Any]]]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: item.path.name not in LONGEST)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    ran = [
        report.nodeid
        for outcome in ("passed", "failed")
        for report in terminalreporter.getreports(outcome)
    ]
    if words := said_without(find_chromium(), ran):
        terminalreporter.write_line(words, yellow=True)


@pytest.fixture(scope="session")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedDatabase]:
    """One embedded database for the whole run; each test takes a database name of its own."""
    database = EmbeddedDatabase(tmp_path_factory.mktemp("embedded"))
    database.start()
    yield database
    database.stop()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return quick_settings(tmp_path)


@pytest.fixture
def app(settings: Settings) -> FastAPI:
    return create_app(settings)


@pytest_asyncio.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the running app; a crash is a 500 to it, as it is to everyone."""
    interrupt = signal.getsignal(signal.SIGINT)
    async with serving(app) as running:
        yield running
    signal.signal(signal.SIGINT, interrupt)


@pytest.fixture
def container(app: FastAPI, client: httpx.AsyncClient) -> Container:
    """What the running app is made of; the client is what runs it."""
    running: Container = app.state.container
    return running


async def created(client: httpx.AsyncClient, path: str, body: dict[str, Any]) -> dict[str, Any]:
    response = await client.post(f"{API}{path}", json=body)
    assert response.status_code == 201, response.text
    return dict(response.json())


@pytest.fixture
def make_project(client: httpx.AsyncClient) -> Maker:
    async def make(**changes: Any) -> dict[str, Any]:
        return await created(client, "/projects", {"name": "Film", **changes})

    return make


@pytest.fixture
def make_scene(client: httpx.AsyncClient, make_project: Maker) -> Maker:
    async def make(**changes: Any) -> dict[str, Any]:
        if "project_id" not in changes:
            changes["project_id"] = (await make_project())["id"]
        return await created(client, "/scenes", {"name": "Scene", **changes})

    return make


@pytest.fixture
def make_clip(client: httpx.AsyncClient, make_scene: Maker) -> Maker:
    async def make(**changes: Any) -> dict[str, Any]:
        if "scene_id" not in changes:
            changes["scene_id"] = (await make_scene())["id"]
        return await created(client, "/clips", changes)

    return make
