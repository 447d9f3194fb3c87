"""A headless Chromium for tests, driven over its DevTools protocol: no driver to install.

https://chromedevtools.github.io/devtools-protocol/ says what `call` may be asked.
"""

import asyncio
import base64
import itertools
import json
import subprocess
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp

_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-quic",
    "--no-first-run",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1280,1600",
    # Whatever a page asks of another host is not found, as on a machine without internet.
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
    "--remote-debugging-port=0",
)


class Tab:
    """One page. `requested` has every URL that it asked the network for, `problems` what it threw.

    What the page's own Content-Security-Policy holds back is in `held_back`.
    """

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self.requested: dict[str, str] = {}
        self.held_back: list[str] = []
        self.problems: list[str] = []

    async def listen(self) -> None:
        """Take in what the browser says until the socket closes."""
        async for message in self._socket:
            said = json.loads(message.data)
            if "id" in said:
                self._waiting.pop(said["id"]).set_result(said)
            elif said["method"] == "Network.requestWillBeSent":
                self.requested[said["params"]["requestId"]] = said["params"]["request"]["url"]
            elif said["method"] == "Network.loadingFailed":
                if said["params"].get("blockedReason") == "csp":
                    self.held_back.append(self.requested.pop(said["params"]["requestId"]))
            elif said["method"] == "Runtime.exceptionThrown":
                self.problems.append(json.dumps(said["params"]["exceptionDetails"]))

    async def call(self, method: str, **params: Any) -> dict[str, Any]:
        number = next(self._numbers)
        self._waiting[number] = asyncio.get_running_loop().create_future()
        answer = self._waiting[number]
        await self._socket.send_json({"id": number, "method": method, "params": params})
        said = await asyncio.wait_for(answer, 20)
        assert "error" not in said, said
        return dict(said["result"])

    async def open(self, url: str) -> None:
        self.requested.clear()
        self.held_back.clear()
        self.problems.clear()
        await self.call("Page.navigate", url=url)

    async def value(self, script: str) -> Any:
        """Evaluate JavaScript in the page, and give what it gives."""
        answer = await self.call("Runtime.evaluate", expression=script, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    async def until(self, script: str, seconds: float = 30) -> Any:
        """Wait until JavaScript gives something true, and give that."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if found := await self.value(script):
                return found
            await asyncio.sleep(0.05)
        text = await self.value("document.body.innerText")
        raise AssertionError(f"never came true: {script}\n{self.problems}\n{text[:2000]}")

    async def click(self, selector: str) -> None:
        """Wait for an element, and click it as a script does."""
        quoted = json.dumps(selector)
        await self.until(f"!!document.querySelector({quoted})")
        await self.value(f"document.querySelector({quoted}).click()")

    async def screenshot(self) -> bytes:
        """Give what is to be seen as PNG."""
        return base64.b64decode((await self.call("Page.captureScreenshot", format="png"))["data"])

    def strangers(self, origin: str) -> list[str]:
        """Give the requests that left for another server."""
        home = urlsplit(origin).netloc
        asked = [
            url for url in self.requested.values() if urlsplit(url).scheme not in {"data", "blob"}
        ]
        return [url for url in asked if urlsplit(url).netloc != home]


@asynccontextmanager
async def browser_tab(program: str, folder: Path) -> AsyncIterator[Tab]:
    """Start a browser with a profile of its own in `folder`, and end it with the block."""
    profile = folder / "profile"
    process = _started(program, profile, folder / "chromium.log")
    try:
        port = await _debugging_port(profile, process)
        async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session:
            async with session.put("/json/new?about:blank") as made:
                address = (await made.json())["webSocketDebuggerUrl"]
            async with session.ws_connect(address, max_msg_size=0) as socket:
                tab = Tab(socket)
                listening = asyncio.create_task(tab.listen())
                for domain in ("Page", "Network", "Runtime"):
                    await tab.call(f"{domain}.enable")
                yield tab
            await listening
    finally:
        process.terminate()
        process.wait(20)


def _started(program: str, profile: Path, log: Path) -> subprocess.Popen[bytes]:
    with log.open("wb") as told:
        return subprocess.Popen(
            [program, *_FLAGS, f"--user-data-dir={profile}", "about:blank"],
            stdout=told,
            stderr=told,
        )


async def _debugging_port(profile: Path, process: subprocess.Popen[bytes]) -> int:
    told = profile / "DevToolsActivePort"
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        lines = told.read_text("ascii").splitlines() if told.is_file() else []
        if lines and lines[0].isdigit():
            return int(lines[0])
        assert process.poll() is None, "the browser ended at once; see chromium.log"
        await asyncio.sleep(0.05)
    raise AssertionError("the browser tells no debugging port")
