"""A headless Chromium for tests, driven over its DevTools protocol: no driver to install.

https://chromedevtools.github.io/devtools-protocol/ says what `call` may be asked.
"""

import asyncio
import base64
import itertools
import json
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from tests.waiting import until

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
    "--mute-audio",
    # Whatever a page asks of another host is not found, as on a machine without internet.
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
    "--remote-debugging-port=0",
)


#: Gives the middle of an element, or null while something else would get the click.
_MIDDLE = """(selector) => {
  const element = document.querySelector(selector);
  if (!element) return null;
  element.scrollIntoView({block: "center", inline: "center", behavior: "instant"});
  const {left, top, width, height} = element.getBoundingClientRect();
  const at = [left + width / 2, top + height / 2];
  return element.contains(document.elementFromPoint(...at)) ? at : null;
}"""


class Tab:
    """One page. `requested` has every URL that it asked the network for, `problems` what it threw.

    What the page's own Content-Security-Policy holds back is in `held_back`; `refused` has the
    answers of 400 and more, `lost` the loads that failed. What a page gives up itself is neither.
    """

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self.requested: dict[str, str] = {}
        self.held_back: list[str] = []
        self.refused: list[str] = []
        self.lost: list[str] = []
        self.problems: list[str] = []

    async def listen(self) -> None:
        """Take in what the browser says until the socket closes."""
        async for message in self._socket:
            said = json.loads(message.data)
            if "id" in said:
                self._waiting.pop(said["id"]).set_result(said)
            else:
                self._note(said["method"], said["params"])

    def _note(self, event: str, told: dict[str, Any]) -> None:
        if event == "Network.requestWillBeSent":
            self.requested[told["requestId"]] = told["request"]["url"]
        elif event == "Network.responseReceived" and told["response"]["status"] >= 400:
            self.refused.append(f"{told['response']['status']} {told['response']['url']}")
        elif event == "Network.loadingFailed":
            self._note_failure(told)
        elif event == "Runtime.exceptionThrown":
            self.problems.append(json.dumps(told["exceptionDetails"]))

    def _note_failure(self, told: dict[str, Any]) -> None:
        if told.get("blockedReason") == "csp":
            self.held_back.append(self.requested.pop(told["requestId"]))
        elif not told.get("canceled"):
            self.lost.append(f"{told['errorText']} {self.requested.get(told['requestId'])}")

    async def call(self, method: str, **params: Any) -> dict[str, Any]:
        number = next(self._numbers)
        self._waiting[number] = asyncio.get_running_loop().create_future()
        answer = self._waiting[number]
        await self._socket.send_json({"id": number, "method": method, "params": params})
        said = await asyncio.wait_for(answer, 20)
        assert "error" not in said, said
        return dict(said["result"])

    async def open(self, url: str) -> None:
        for told in (self.requested, self.held_back, self.refused, self.lost, self.problems):
            told.clear()
        await self.call("Page.navigate", url=url)

    async def value(self, script: str) -> Any:
        """Evaluate JavaScript in the page, and give what it gives."""
        answer = await self.call("Runtime.evaluate", expression=script, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    async def until(self, script: str, seconds: float = 30) -> Any:
        """Wait until JavaScript gives something true, and give that; a page that broke ends it."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if found := await self.value(script):
                return found
            assert self.problems == [], script
            await asyncio.sleep(0.02)
        text = await self.value("document.body.innerText")
        raise AssertionError(f"never came true: {script}\n{self.refused}\n{text[:2000]}")

    async def click(self, selector: str) -> None:
        """Wait for an element, and click it as a script does."""
        quoted = json.dumps(selector)
        await self.until(f"!!document.querySelector({quoted})")
        await self.value(f"document.querySelector({quoted}).click()")

    async def press(self, selector: str) -> None:
        """Click in the middle of an element with the mouse, as soon as nothing lies over it."""
        at = await self._uncovered(selector)
        for event in ("mouseMoved", "mousePressed", "mouseReleased"):
            await self._mouse(event, *at)

    async def drag(self, selector: str, pixels: float) -> None:
        """Drag an element sideways with the mouse, in a few moves."""
        x, y = await self._uncovered(selector)
        await self._mouse("mouseMoved", x, y)
        await self._mouse("mousePressed", x, y)
        for part in (0.25, 0.5, 0.75, 1.0):
            await self._mouse("mouseMoved", x + pixels * part, y, buttons=1)
        await self._mouse("mouseReleased", x + pixels, y)

    async def _uncovered(self, selector: str) -> tuple[float, float]:
        x, y = await self.until(f"({_MIDDLE})({json.dumps(selector)})")
        return x, y

    async def _mouse(self, event: str, x: float, y: float, buttons: int = 0) -> None:
        button = "none" if event == "mouseMoved" and not buttons else "left"
        await self.call(
            "Input.dispatchMouseEvent",
            type=event, x=x, y=y, button=button, buttons=buttons, clickCount=1,
        )  # fmt: skip

    async def type_in(self, selector: str, words: str) -> None:
        """Replace what stands in a field."""
        await self.press(selector)
        await self.value("document.activeElement.select()")
        await self.call("Input.insertText", text=words)

    async def choose(self, selector: str, value: str) -> None:
        """Choose in a select, as soon as it offers that."""
        option = json.dumps(f"{selector} option[value='{value}']")
        await self.until(f"!!document.querySelector({option})")
        await self.value(
            f"{{const select = document.querySelector({json.dumps(selector)});"
            f"select.value = {json.dumps(value)};"
            "select.dispatchEvent(new Event('change', {bubbles: true}))}"
        )

    async def choose_files(self, selector: str, *paths: Path) -> None:
        """Give a file input its files, as its dialog would."""
        script = f"document.querySelector({json.dumps(selector)})"
        found = await self.call("Runtime.evaluate", expression=script)
        files = [str(path) for path in paths]
        await self.call("DOM.setFileInputFiles", files=files, objectId=found["result"]["objectId"])

    async def download_into(self, folder: Path) -> None:
        await self.call("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(folder))

    async def resize(self, width: int, height: int) -> None:
        await self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 600,
        )

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
    with browser_process(program, folder) as process:
        port = await asyncio.to_thread(debugging_port, folder, process)
        async with tab_of(port) as tab:
            yield tab


@contextmanager
def browser_process(program: str, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A browser whose profile and log are in `folder`; `debugging_port` waits for it."""
    with (folder / "chromium.log").open("wb") as log:
        process = subprocess.Popen(
            [program, *_FLAGS, f"--user-data-dir={folder / 'profile'}", "about:blank"],
            stdout=log,
            stderr=log,
        )
    try:
        yield process
    finally:
        process.terminate()
        process.wait(20)


def debugging_port(folder: Path, process: subprocess.Popen[bytes]) -> int:
    """Wait until the browser tells where it is driven from."""
    told = folder / "profile" / "DevToolsActivePort"

    def port() -> str:
        assert process.poll() is None, "the browser ended at once; see chromium.log"
        lines = told.read_text("ascii").splitlines() if told.is_file() else []
        return lines[0] if lines and lines[0].isdigit() else ""

    return int(until(port, otherwise="the browser tells no debugging port"))


@asynccontextmanager
async def tab_of(port: int) -> AsyncIterator[Tab]:
    """Open a tab of a running browser, and close it with the block."""
    async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session:
        async with session.put("/json/new?about:blank") as made:
            told = await made.json()
        async with session.ws_connect(told["webSocketDebuggerUrl"], max_msg_size=0) as socket:
            tab = Tab(socket)
            listening = asyncio.create_task(tab.listen())
            for domain in ("Page", "Network", "Runtime"):
                await tab.call(f"{domain}.enable")
            yield tab
            async with session.get(f"/json/close/{told['id']}"):
                await listening
