"""How servers are asked what they have: beside their pulse, a few at a time, the same once."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import aiohttp
import pytest_asyncio
from mongomock_motor import AsyncMongoMockClient

from backend.comfyui_simulator.options import SimulatorOptions
from backend.comfyui_simulator.simulator import Simulator
from backend.models.comfyui_server import ComfyUIServer
from backend.repositories.registry import Repositories, repositories_on
from backend.services.comfyui.catalog import CatalogCache, ServerCatalog
from backend.services.comfyui.client import ComfyUIClient, open_session
from backend.services.providers.runpod.client import RunPodClient
from backend.services.servers.fleet import CHECK_TIMEOUT, Fleet
from backend.utils.clock import utc_now
from tests.waiting import eventually


class World:
    """A fleet that checks all its servers every 0.2 seconds."""

    def __init__(
        self,
        repos: Repositories,
        session: aiohttp.ClientSession,
        *,
        catalogs: CatalogCache | None = None,
        check_timeout: float = CHECK_TIMEOUT,
    ) -> None:
        self._repos = repos
        self.client = ComfyUIClient(session, catalogs=catalogs)
        self.fleet = Fleet(
            repos.servers,
            self.client,
            runpod=RunPodClient(session),
            check_seconds=0.2,
            clock=utc_now,
            check_timeout=check_timeout,
        )

    async def add(self, simulator: Simulator, name: str = "one") -> ComfyUIServer:
        now = utc_now()
        server = ComfyUIServer(
            id=name, name=name, url=simulator.url, created_at=now, updated_at=now
        )
        await self._repos.servers.add(server)
        return server

    async def move(self, server: ComfyUIServer, to: Simulator) -> ComfyUIServer:
        changes = {"url": to.url, "updated_at": utc_now()}
        await self._repos.servers.update(server.id, changes)
        return server.model_copy(update=changes)

    async def remove(self, server: ComfyUIServer) -> None:
        """As another process does."""
        await self._repos.servers.delete(server.id)

    async def stop(self) -> None:
        async with self.watching():
            await asyncio.sleep(0)

    def reason(self, name: str = "one") -> str | None:
        """Why it gets nothing; None while nothing is known of it."""
        state = self.fleet.state_of(name)
        return None if state is None else state.why_not

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        watching = asyncio.create_task(self.fleet.run())
        try:
            yield
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)


@asynccontextmanager
async def world_with(**options: Any) -> AsyncIterator[World]:
    database: Any = AsyncMongoMockClient(tz_aware=True)["fleet"]
    async with open_session() as session:
        yield World(repositories_on(database, lambda: None), session, **options)


@pytest_asyncio.fixture
async def world() -> AsyncIterator[World]:
    async with world_with() as made:
        yield made


async def test_it_gets_work_once_it_has_said_what_it_has(world: World) -> None:
    async with Simulator(SimulatorOptions(faults={"slow_catalog": 1.0})) as simulator:
        await world.add(simulator)
        async with world.watching():
            await eventually(lambda: "has not said" in (world.reason() or ""))
            state = world.fleet.state_of("one")
            assert state is not None
            assert state.online
            await eventually(lambda: world.reason() == "", 2)


async def test_a_long_answer_holds_up_no_check(world: World) -> None:
    async with Simulator() as slow, Simulator() as other:
        slow.set_fault("slow_catalog", 30)
        await world.add(slow)
        await world.add(other, "other")
        async with world.watching():
            await eventually(lambda: world.reason("other") == "")
            await other.die()
            await eventually(lambda: world.reason("other") == "is offline", 1)
            assert "has not said" in (world.reason() or "")


async def test_one_that_was_away_is_asked_again(world: World) -> None:
    async with Simulator(SimulatorOptions(models={"checkpoints": ("a.safetensors",)})) as first:
        await world.add(first)
        async with world.watching():
            await eventually(lambda: world.reason() == "")
            port = first.port
            await first.die()
            await eventually(lambda: world.reason() == "is offline")
            changed = SimulatorOptions(
                models={"checkpoints": ("b.safetensors",)}, faults={"slow_catalog": 0.5}
            )
            async with Simulator(changed, port=port):
                await eventually(lambda: "has not said" in (world.reason() or ""))
                await eventually(lambda: world.reason() == "")
                state = world.fleet.state_of("one")
                assert state is not None
                assert state.catalog is not None
                assert state.catalog.checkpoints == ("b.safetensors",)


async def test_one_that_cannot_say_what_it_has_is_there_all_the_same(world: World) -> None:
    turns: list[bool] = []
    world.fleet.on_turned = lambda server, online: turns.append(online)
    async with Simulator(SimulatorOptions(faults={"catalog_500": True})) as simulator:
        await world.add(simulator)
        async with world.watching():
            await eventually(lambda: "answered with 500" in (world.reason() or ""))
            asked = simulator.faults.as_json()["catalog_500"]["hits"]
            await eventually(lambda: simulator.faults.as_json()["catalog_500"]["hits"] > asked + 1)
            assert turns == []
            simulator.clear_faults()
            await eventually(lambda: world.reason() == "")


async def test_what_it_had_stands_while_it_cannot_be_asked_again(world: World) -> None:
    async with Simulator() as simulator:
        server = await world.add(simulator)
        known = (await world.fleet.check(server)).catalog
        simulator.set_fault("catalog_500")
        state = await world.fleet.check(server)
        assert state.can_dispatch
        assert state.catalog is known


class CountedCatalogs(CatalogCache):
    """Reads for so long that a fifth would be seen among them."""

    def __init__(self) -> None:
        super().__init__()
        self.at_once = 0
        self.most = 0
        self._changing = threading.Lock()
        self._too_many = threading.Event()

    def read(self, body: bytes, parse: Callable[[], object]) -> ServerCatalog:
        self._count(1)
        self._too_many.wait(0.05)
        self._count(-1)
        return super().read(body, parse)

    def _count(self, change: int) -> None:
        with self._changing:
            self.at_once += change
            self.most = max(self.most, self.at_once)
            if self.at_once > 4:
                self._too_many.set()


async def test_many_are_read_a_few_at_a_time() -> None:
    catalogs = CountedCatalogs()
    async with AsyncExitStack() as opened:
        world = await opened.enter_async_context(world_with(catalogs=catalogs))
        for number in range(12):
            simulator = await opened.enter_async_context(Simulator())
            await world.add(simulator, f"server {number}")
        async with world.watching():
            names = [f"server {number}" for number in range(12)]
            await eventually(lambda: all(world.reason(name) == "" for name in names))
    assert 2 <= catalogs.most <= 4


async def test_those_that_never_say_hold_up_no_other(world: World) -> None:
    async with AsyncExitStack() as opened:
        silent = SimulatorOptions(faults={"slow_catalog": 60})
        for number in range(8):
            simulator = await opened.enter_async_context(Simulator(silent))
            await world.add(simulator, f"silent {number}")
        await world.add(await opened.enter_async_context(Simulator()), "good")
        async with world.watching():
            await eventually(lambda: world.reason("good") == "", 3)


def having(checkpoint: str, **faults: Any) -> Simulator:
    return Simulator(SimulatorOptions(models={"checkpoints": (checkpoint,)}, faults=faults))


async def test_at_another_address_it_has_what_is_there(world: World) -> None:
    async with having("old", slow_catalog=0.5) as old, having("new") as new:
        server = await world.add(old)
        reading = asyncio.create_task(world.fleet.check(server))
        await eventually(lambda: "has not said" in (world.reason() or ""))
        state = await world.fleet.greet(await world.move(server, new))
        assert state.catalog is not None
        assert state.catalog.checkpoints == ("new",)
        assert await reading == state
        assert world.fleet.state_of("one") == state


async def test_at_another_address_nothing_of_the_old_holds(world: World) -> None:
    turns: list[bool] = []
    async with having("old") as old, having("new", catalog_500=True) as new:
        server = await world.add(old)
        await world.fleet.check(server)
        world.fleet.on_turned = lambda server, online: turns.append(online)
        state = await world.fleet.greet(await world.move(server, new))
        assert (state.online, state.catalog, state.can_dispatch) == (True, None, False)
        assert turns == []
        assert await world.fleet.greet(server) == state, "its document is older"
        new.clear_faults()
        async with world.watching():
            await eventually(lambda: world.reason() == "")


async def test_greeting_waits_no_longer_than_a_check_may_take() -> None:
    async with world_with(check_timeout=0.5) as world, having("a") as simulator:
        server = await world.add(simulator)
        await world.fleet.check(server)
        simulator.set_fault("slow_catalog", 60)
        async with asyncio.timeout(5):
            assert (await world.fleet.greet(server)).can_dispatch
            moved = server.model_copy(update={"api_key": "other", "updated_at": utc_now()})
            assert "has not said" in (await world.fleet.greet(moved)).why_not
        await world.stop()


async def test_servers_that_have_the_same_share_one_catalog(world: World) -> None:
    other_models = SimulatorOptions(models={"loras": ("other.safetensors",)})
    async with Simulator() as one, Simulator() as twin, Simulator(other_models) as other:
        states = [
            await world.fleet.check(await world.add(simulator, name))
            for simulator, name in ((one, "one"), (twin, "twin"), (other, "other"))
        ]
    assert states[0].catalog is states[1].catalog
    assert states[0].catalog is not states[2].catalog


async def test_a_removed_server_does_not_come_back(world: World) -> None:
    async with Simulator(SimulatorOptions(faults={"slow_catalog": 0.3})) as simulator:
        server = await world.add(simulator)
        checking = asyncio.create_task(world.fleet.check(server))
        await eventually(lambda: world.reason() is not None)
        world.fleet.forget(server.id)
        await checking
    assert world.fleet.states == []


async def test_one_that_another_process_removed_does_not_come_back(world: World) -> None:
    async with Simulator(SimulatorOptions(faults={"slow_catalog": 0.5})) as simulator:
        server = await world.add(simulator)
        checking = asyncio.create_task(world.fleet.check(server))
        await eventually(lambda: world.reason() is not None)
        await world.remove(server)
        await world.fleet.check_all()
        assert world.fleet.states == []
        await checking
    assert world.fleet.states == []
