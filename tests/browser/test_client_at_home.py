"""The small client served by the backend itself, under /app/: one origin, nothing to configure."""

from dataclasses import replace
from pathlib import Path

import pytest

from backend.comfyui_simulator.simulator import Simulator
from tests.browser.stage import CLIENT, SIZE, loaded, staged


@pytest.mark.parametrize("key", ["", "a-key-for-tests"], ids=["open", "keys"])
async def test_the_backend_serves_a_built_client(
    key: str, tmp_path: Path, simulator: Simulator, chromium: int | None
) -> None:
    async with staged(tmp_path, simulator, chromium, api_keys=key, frontend_dir=CLIENT) as standing:
        stage = replace(standing, pages=f"{standing.url}/app")
        await stage.desk.server(simulator, "Attic")
        (clip,) = await stage.film()
        await stage.desk.finished(await stage.desk.job(clip, params=SIZE))
        for name in ("", "index.html", "app.js", "style.css"):
            await stage.loads(f"{stage.pages}/{name}")
        if not stage.has_browser:
            return
        async with stage.page() as tab:
            await tab.until(loaded("#takes img"))
            assert tab.strangers(stage.url) == []
