from collections.abc import AsyncIterator

import pytest

from backend.comfyui_simulator import Simulator, SimulatorOptions
from tests.unit.comfyui_simulator.graphs import Client


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with Simulator(SimulatorOptions()) as simulator:
        yield simulator


@pytest.fixture
async def client(simulator: Simulator) -> AsyncIterator[Client]:
    async with Client(simulator) as client:
        yield client


@pytest.fixture
async def slow_client() -> AsyncIterator[Client]:
    """Jobs take long enough to be caught running."""
    async with (
        Simulator(SimulatorOptions(seconds_per_step=0.02)) as simulator,
        Client(simulator) as client,
    ):
        yield client
