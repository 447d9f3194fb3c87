"""The stage of each test, with and without API keys, and one browser for all of them."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from backend.comfyui_simulator.options import SimulatorOptions
from backend.comfyui_simulator.simulator import Simulator
from scripts._chromium import find_chromium
from tests.browser.stage import Stage, staged
from tests.chromium import browser_process, debugging_port


@pytest.fixture(scope="session")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int | None]:
    """The port that a browser is driven from; None: there is no browser."""
    program = find_chromium()
    if program is None:
        yield None
        return
    folder = tmp_path_factory.mktemp("chromium")
    with browser_process(program, folder) as process:
        yield debugging_port(folder, process)


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    """Slow enough that jobs of many steps can be cancelled."""
    async with Simulator(SimulatorOptions(seconds_per_step=0.04)) as running:
        yield running


@pytest.fixture(params=["", "a-key-for-tests"], ids=["open", "keys"])
async def stage(
    request: pytest.FixtureRequest, tmp_path: Path, simulator: Simulator, chromium: int | None
) -> AsyncIterator[Stage]:
    async with staged(tmp_path, simulator, chromium, api_keys=request.param) as standing:
        yield standing
