"""What tests of the small client stand on: a backend, a ComfyUI, a page of another origin."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx
from aiohttp import web

from backend.comfyui_simulator.simulator import Simulator
from backend.server import create_app
from tests.chromium import Tab, tab_of
from tests.films_on_disk import flat, music
from tests.listening import on_a_port
from tests.studio import Studio, quick_settings

CLIENT = Path(__file__).parent / "client"
SIZE = {"width": 256, "height": 256, "steps": 4}


@dataclass(frozen=True)
class Stage:
    """`key` is "" where the backend asks for none; `port` is the browser's, None without one."""

    desk: Studio
    simulator: Simulator
    url: str
    pages: str
    key: str
    port: int | None
    folder: Path

    @property
    def _address(self) -> str:
        """The page of the client; at the backend's own origin it needs no telling where that is."""
        told = {} if self.pages.startswith(self.url) else {"api": self.url}
        if self.key:
            told["key"] = self.key
        return f"{self.pages}/index.html?{urlencode(told)}"

    @property
    def has_browser(self) -> bool:
        return self.port is not None

    def file(self, name: str, content: bytes) -> Path:
        path = self.folder / name
        path.write_bytes(content)
        return path

    def picture(self, name: str = "face.png") -> Path:
        return self.file(name, flat(size=(320, 240)))

    def song(self, seconds: float = 3.0) -> Path:
        return self.file("song.wav", music(seconds))

    async def film(self, *positions: float, **fields: Any) -> list[dict[str, Any]]:
        """A project with a scene of clips of five seconds: one at 0, more at `positions`."""
        first = await self.desk.clip(**{"name": "Clip 1", "timeline_position": 0, **fields})
        kept = {"scene_id": first["scene_id"], "auto_generate": False, **fields}
        more = [
            await self.desk.post(
                "/clips", {**kept, "name": f"Clip {number}", "timeline_position": position}
            )
            for number, position in enumerate(positions, start=2)
        ]
        return [first, *more]

    async def loads(self, address: str) -> httpx.Response:
        """Fetch what an answer named as an `img` of another origin does: without the key."""
        request = self.desk.client.build_request("GET", address, headers={"Origin": self.pages})
        request.headers.pop("Authorization", None)
        response = await self.desk.client.send(request)
        assert response.status_code == 200, (address, response.text)
        assert response.headers["Access-Control-Allow-Origin"] == "*"
        return response

    @asynccontextmanager
    async def page(self, *expected: str) -> AsyncIterator[Tab]:
        """Open the client and use it; only refusals that start as `expected` says are in order."""
        assert self.port is not None
        async with tab_of(self.port) as tab:
            await tab.open(self._address)
            await tab.until("document.body?.dataset.state === 'ready'")
            yield tab
            unexpected = [said for said in tab.refused if not said.startswith(expected)]
            wrong = [*tab.problems, *tab.lost, *tab.held_back, *unexpected]
            assert wrong == [], wrong


@asynccontextmanager
async def staged(
    folder: Path, simulator: Simulator, port: int | None, **settings: Any
) -> AsyncIterator[Stage]:
    """A backend with these settings, and the client's files on a port of their own."""
    key = settings.get("api_keys", "")
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    async with (
        on_a_port(create_app(quick_settings(folder, **settings))) as url,
        served(CLIENT) as pages,
        httpx.AsyncClient(base_url=url, headers=headers, timeout=30) as client,
    ):
        yield Stage(
            desk=Studio(client),
            simulator=simulator,
            url=url,
            pages=pages,
            key=key,
            port=port,
            folder=folder,
        )


@asynccontextmanager
async def served(folder: Path) -> AsyncIterator[str]:
    """Serve a folder's files on a free port, and give its address."""
    app = web.Application()
    app.router.add_static("/", folder)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def loaded(selector: str) -> str:
    """A script: the pictures found have come, all of them, and at least one."""
    return (
        f"(found => found.length > 0 && found.every(picture => picture.naturalWidth > 0))"
        f"([...document.querySelectorAll({selector!r})])"
    )


def playing(selector: str) -> str:
    """A script: sound or video is ready and runs on."""
    return (
        f"(media => !!media && media.duration > 0 && media.currentTime > 0.2)"
        f"(document.querySelector({selector!r}))"
    )
