"""The live page as people use it, in a real browser: it moves, its buttons work, it fits a phone.

Without a Chromium on the machine the same routes are asked as the page's script asks them.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from backend.comfyui_simulator.options import SimulatorOptions
from backend.comfyui_simulator.simulator import Simulator
from backend.server import create_app
from scripts._chromium import find_chromium
from tests.chromium import Tab, browser_tab
from tests.listening import on_a_port
from tests.studio import Studio, quick_settings, server_process, talking_to

BOARD = "document.getElementById('board').innerText"
LINK = "document.getElementById('link')?.textContent"
LIVE = f"{LINK} === 'Live'"
BAR = "document.querySelector('#running progress')?.value"
TOO_LONG = "Donaudampfschifffahrtsgesellschaftskapitänswitwenrente" * 3


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    """Slow enough to be watched: a job of 20 steps takes some three seconds."""
    async with Simulator(SimulatorOptions(seconds_per_step=0.15)) as running:
        yield running


@asynccontextmanager
async def stage(folder: Path, **changes: Any) -> AsyncIterator[tuple[str, Studio]]:
    """A server of this process on a real port, and a client for it."""
    async with (
        on_a_port(create_app(quick_settings(folder, **changes))) as url,
        httpx.AsyncClient(base_url=url, timeout=30) as client,
    ):
        yield url, Studio(client)


@asynccontextmanager
async def live_tab(program: str, folder: Path, url: str) -> AsyncIterator[Tab]:
    """The page, live; the mark in it is gone if it is ever loaded again."""
    async with browser_tab(program, folder) as tab:
        await tab.open(f"{url}/")
        await tab.until(LIVE)
        await tab.value("window.mark = 'the same page'")
        yield tab
        assert await tab.value("window.mark") == "the same page"
        assert tab.problems == []
        assert tab.held_back == []
        assert tab.strangers(url) == []


async def a_job(desk: Studio, *, steps: int = 20, **fields: Any) -> str:
    clip = await desk.clip(name=fields.pop("name", "Wide: wet street"))
    return await desk.job(clip, params={"steps": steps}, **fields)


async def test_a_job_is_seen_from_beginning_to_end(simulator: Simulator, tmp_path: Path) -> None:
    program = find_chromium()
    async with stage(tmp_path) as (url, desk):
        if program is None:
            await desk.server(simulator)
            job_id = await a_job(desk)
            await desk.until(job_id, lambda job: 0.2 < job["progress"] < 1)
            assert f'data-bar="{job_id}"' in (await desk.client.get("/live/board")).text
            return
        async with live_tab(program, tmp_path, url) as tab:
            assert "Welcome" in await tab.value(BOARD)
            await desk.server(simulator, "Attic")
            await tab.until(f"{BOARD}.includes('Attic')")
            await a_job(desk)
            await tab.until(f"{BOARD}.includes('1 running')")
            seen = [await tab.until(f"{BAR} > 0.2 && {BAR} < 0.95 && {BAR}")]
            seen.append(await tab.until(f"{BAR} > {seen[0]} && {BAR}"))
            (tmp_path / "running.png").write_bytes(await tab.screenshot())
            assert await tab.value(f"/KSampler, step \\d+ of 20/.test({BOARD})")
            assert 0.2 < seen[0] < seen[1]
            await tab.until(f"{BOARD}.includes('All quiet') && {BOARD}.includes('1 done')")
            assert (await tab.value("document.title")) == "All quiet · StoryCanvas"


async def test_the_buttons_work(simulator: Simulator, tmp_path: Path) -> None:
    program = find_chromium()
    async with stage(tmp_path) as (url, desk):
        await desk.server(simulator, "Attic")
        if program is None:
            job_id = await a_job(desk)
            assert (await desk.post(f"/queue/jobs/{job_id}/cancel", {}, 200))["job_id"] == job_id
            return
        async with live_tab(program, tmp_path, url) as tab:
            await cancels(tab, desk)
            await retries(tab, desk, simulator)
            await is_told_of_a_refusal(tab, desk)


async def cancels(tab: Tab, desk: Studio) -> None:
    job_id = await a_job(desk, steps=200)
    await tab.until(f"{BAR} > 0")
    await tab.click("#running [data-act=cancel]")
    await tab.until("document.getElementById('ask').open")
    assert "Cancel “Wide: wet street”?" in await tab.value("document.body.innerText")
    await tab.click("#ask-no")
    assert (await desk.get(f"/queue/jobs/{job_id}"))["status"] == "processing"
    await tab.click("#running [data-act=cancel]")
    await tab.click("#ask-yes")
    assert (await desk.finished(job_id))["status"] == "cancelled"
    await tab.until(f"{BOARD}.includes('1 cancelled') && !document.querySelector('#running .row')")
    assert await tab.value("document.getElementById('told').innerText.includes('was cancelled')")


async def retries(tab: Tab, desk: Studio, simulator: Simulator) -> None:
    simulator.set_fault("execution_error", "the moon is in the way", times=1)
    job_id = await a_job(desk, name="Moonrise", max_retries=0)
    await tab.until("!!document.querySelector('#failed .error')")
    failed = await tab.value("document.getElementById('failed').innerText")
    assert "Moonrise" in failed
    assert "the moon is in the way" in failed
    await tab.click("#failed summary")
    assert "Attic" in await tab.value("document.querySelector('#failed .attempts').innerText")
    await tab.click("#failed [data-act=retry]")
    await tab.click("#ask-yes")
    await desk.until(job_id, lambda job: job["status"] == "completed")
    await tab.until(f"{BOARD}.includes('Nothing has failed') && {BOARD}.includes('1 done')")


async def is_told_of_a_refusal(tab: Tab, desk: Studio) -> None:
    """Somebody else was faster than the page."""
    job_id = await a_job(desk, steps=200)
    await tab.click("#running [data-act=cancel]")
    await desk.post(f"/queue/jobs/{job_id}/cancel", {}, 200)
    await desk.client.delete(f"/api/v1/queue/jobs/{job_id}")
    await tab.click("#ask-yes")
    await tab.until("document.getElementById('told').dataset.tone === 'bad'")
    assert "was not found" in await tab.value("document.getElementById('told-words').textContent")


async def test_nothing_overflows_a_phone(simulator: Simulator, tmp_path: Path) -> None:
    program = find_chromium()
    async with stage(tmp_path) as (url, desk):
        simulator.set_fault("execution_error", f"no such file: {TOO_LONG}", times=1)
        await desk.server(simulator, TOO_LONG)
        await desk.finished(await a_job(desk, name=TOO_LONG, prompt=TOO_LONG, max_retries=0))
        for _ in range(3):
            await a_job(desk, name=TOO_LONG, prompt=TOO_LONG, steps=200)
        if program is None:
            assert TOO_LONG[:80] in (await desk.client.get("/")).text
            return
        async with live_tab(program, tmp_path, url) as tab:
            await tab.until("!!document.querySelector('#running .row, #waiting .row')")
            for width in (1280, 768, 390, 360):
                await tab.resize(width, 800)
                await asyncio.sleep(0.1)
                (tmp_path / f"{width}.png").write_bytes(await tab.screenshot())
                assert await tab.value("document.documentElement.scrollWidth <= innerWidth"), width
                wide = "[...document.querySelectorAll('#board *')].filter(e => "
                wide += "e.getBoundingClientRect().right > innerWidth && !e.closest('.unseen'))"
                assert await tab.value(f"{wide}.map(e => e.className)") == []


async def test_a_lost_server_is_found_again(tmp_path: Path) -> None:
    program = find_chromium()
    with server_process(tmp_path, mongo_url="memory:") as server:
        server.start()
        await server.ready()
        if program is None:
            async with talking_to(server) as desk:
                assert (await desk.client.get("/")).status_code == 200
            return
        async with live_tab(program, tmp_path, server.url) as tab:
            server.kill()
            await tab.until(f"{LINK} !== 'Live' && document.body.dataset.state === 'lost'")
            assert "Welcome" in await tab.value(BOARD)
            server.start()
            await server.ready()
            await tab.until(LIVE)
            async with talking_to(server) as desk:
                await desk.post("/comfyui/servers", {"name": "New", "url": "http://127.0.0.1:9"})
            await tab.until(f"{BOARD}.includes('offline')")


async def test_a_key_is_asked_for_and_kept(tmp_path: Path, simulator: Simulator) -> None:
    program = find_chromium()
    async with stage(tmp_path, api_keys="käse,other") as (url, desk):
        desk.client.headers = httpx.Headers([(b"Authorization", "Bearer käse".encode())])
        await desk.server(simulator, "Attic")
        if program is None:
            assert "Attic" in (await desk.client.get("/live/board")).text
            return
        async with browser_tab(program, tmp_path) as tab:
            await unlocks(tab, url, desk)
            assert tab.problems == []
            assert tab.held_back == []


async def unlocks(tab: Tab, url: str, desk: Studio) -> None:
    form, refused = (
        "!document.getElementById('unlock').hidden",
        "document.getElementById('refused')",
    )
    await tab.open(f"{url}/")
    await tab.until("document.readyState === 'complete'")
    assert await tab.value(form)
    assert "Attic" not in await tab.value("document.documentElement.outerHTML")
    await enter(tab, "wrong")
    await tab.until(f"{refused}.textContent.includes('does not know that key')")
    await enter(tab, "käse")
    await tab.until(f"{LIVE} && {BOARD}.includes('Attic')")
    assert not await tab.value(form)
    await a_job(desk, steps=200)
    await tab.until(f"{BAR} > 0")
    await tab.click("#running [data-act=cancel]")
    await tab.click("#ask-yes")
    await tab.until(f"{BOARD}.includes('1 cancelled')")
    await tab.open(f"{url}/")
    await tab.until(f"{LIVE} && {BOARD}.includes('Attic')")
    await tab.click("#forget")
    await tab.until(form)
    assert "Attic" not in await tab.value("document.documentElement.outerHTML")
    assert await tab.value("sessionStorage.length") == 0


async def enter(tab: Tab, key: str) -> None:
    await tab.until("!!document.getElementById('key')")
    await tab.value(f"document.getElementById('key').value = '{key}'")
    await tab.click("#unlock button[type=submit]")
