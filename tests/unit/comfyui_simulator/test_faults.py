"""Every fault does what its name says, as often as it was told, and no longer."""

import asyncio
import contextlib
import socket
import time
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from backend.comfyui_simulator import Fault, Simulator, SimulatorOptions
from backend.comfyui_simulator.faults import FaultBook, UnknownFaultError, from_text
from tests.unit.comfyui_simulator.graphs import Client, model_free, text_to_image
from tests.waiting import eventually

FILE = "/view?filename=free_00001_.png"


async def outcome(client: Client, prompt_id: str) -> tuple[str, dict[str, Any]]:
    entry = await client.run(text_to_image(int(time.monotonic_ns() % 10**9)), prompt_id)
    name, data = entry["status"]["messages"][-1]
    return name, data


def test_unknown_names_are_refused() -> None:
    with pytest.raises(UnknownFaultError, match="die, dropped_answer"):
        FaultBook({"no_such": True})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("reject", ("reject", {"value": None, "times": None})),
        ("slow_download=500@2", ("slow_download", {"value": 500, "times": 2})),
        ("die=0.25", ("die", {"value": 0.25, "times": None})),
        ("execution_error=bad luck", ("execution_error", {"value": "bad luck", "times": None})),
    ],
)
def test_command_line_spelling(text: str, expected: tuple[str, dict[str, Any]]) -> None:
    assert from_text(text) == expected


async def test_faults_over_http(client: Client) -> None:
    status, faults = await client.post("/simulator/faults", {"reject": {"times": 1}})
    assert (status, faults) == (200, {"reject": {"value": None, "times": 1, "hits": 0}})
    assert (await client.post("/prompt", {"prompt": model_free()}))[0] == 400
    assert (await client.get("/simulator/faults"))["reject"]["hits"] == 1
    await client.run(model_free())
    status, answer = await client.post("/simulator/faults", {"nonsense": True})
    assert status == 400
    assert "nonsense" in answer["error"]
    await client.post("/simulator/faults", {})
    assert await client.get("/simulator/faults") == {}


async def test_reject_with_a_body(client: Client) -> None:
    client.simulator.set_fault("reject", {"error": {"type": "mine"}}, times=1)
    answer = await client.post("/prompt", {"prompt": model_free()})
    assert answer == (400, {"error": {"type": "mine"}})
    assert client.simulator.stats["rejected"] == 1
    assert client.simulator.stats["accepted"] == 0


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (Fault.OUT_OF_MEMORY, "torch.OutOfMemoryError"),
        (Fault.EXECUTION_ERROR, "RuntimeError"),
    ],
)
async def test_failing_once_then_succeeding(client: Client, fault: Fault, kind: str) -> None:
    client.simulator.set_fault(fault, times=1)
    name, data = await outcome(client, "one")
    assert (name, data["exception_type"], data["node_type"]) == (
        "execution_error",
        kind,
        "KSampler",
    )
    assert (await outcome(client, "two"))[0] == "execution_success"
    assert client.simulator.stats["failed"] == ["one"]
    assert client.simulator.stats["rendered"] == {"two": 1}


async def test_faults_strike_without_a_sampler_too(client: Client) -> None:
    await client.run(text_to_image(1), "one")
    client.simulator.set_fault("execution_error", "bad luck", times=2)
    other_name = text_to_image(1)
    other_name["9"]["inputs"]["filename_prefix"] = "other"
    for prompt_id, graph in [("cached sampler", other_name), ("no sampler", model_free())]:
        entry = await client.run(graph, prompt_id)
        error = entry["status"]["messages"][-1][1]
        assert (error["node_type"], error["exception_message"]) == ("SaveImage", "bad luck\n")


async def test_a_taken_port_raises(simulator: Simulator) -> None:
    second = Simulator(port=simulator.port)
    with pytest.raises(OSError, match="in use"):
        await second.start()
    assert not second.folders.input.exists()


async def test_500s(client: Client) -> None:
    client.simulator.set_fault("prompt_500", times=1)
    client.simulator.set_fault("history_500", times=2)
    assert (await client.post("/prompt", {"prompt": model_free()}))[0] == 500
    assert client.simulator.stats["accepted"] == 0
    assert (await client.call("GET", "/history"))[0] == 500
    assert (await client.call("GET", "/history/p"))[0] == 500
    assert await client.get("/history/p") == {}


async def test_silent_websocket(client: Client) -> None:
    client.simulator.set_fault("silent_websocket", times=1)
    async with client.socket() as ears:
        assert (await ears.next())["type"] == "status"
        await client.run(model_free(1), "one")
        with pytest.raises(asyncio.TimeoutError):
            await ears.socket.receive(timeout=0.05)
        assert not ears.socket.closed
    async with client.socket() as ears:
        await client.submit(model_free(2), "two")
        assert len(await ears.to_the_end()) > 10


async def test_silence_falls_on_open_sockets_too(client: Client) -> None:
    async with client.socket() as ears:
        await ears.next()
        client.simulator.set_fault("silent_websocket")
        await client.run(model_free())
        with pytest.raises(asyncio.TimeoutError):
            await ears.socket.receive(timeout=0.05)


async def test_lost_history(client: Client) -> None:
    await client.run(model_free(1), "before")
    client.simulator.set_fault("lose_history", times=1)
    async with client.socket() as ears:
        await client.submit(model_free(2), "lost")
        await ears.to_the_end()
    assert await client.get("/history") == {}
    assert client.simulator.stats["rendered"] == {"before": 1, "lost": 1}
    await client.run(model_free(3), "after")
    assert (await client.post("/simulator/forget"))[0] == 200
    assert await client.get("/history") == {}
    await client.run(model_free(4), "last")
    client.simulator.forget()
    assert await client.get("/history") == {}


async def test_delayed_answer_is_queued_first(client: Client) -> None:
    client.simulator.set_fault("delayed_answer", 0.2, times=1)
    post = asyncio.create_task(client.submit(model_free()))
    await client.finished()
    assert not post.done()
    assert (await post)["prompt_id"] == "p"


async def test_dropped_answer_renders_once(client: Client) -> None:
    client.simulator.set_fault("dropped_answer", times=1)
    with pytest.raises(aiohttp.ClientConnectionError):
        await client.submit(model_free())
    await client.finished()
    assert client.simulator.stats["rendered"] == {"p": 1}


async def test_hang_until_cleared(slow_client: Client) -> None:
    client = slow_client
    client.simulator.set_fault("hang")
    await client.submit(text_to_image())
    await eventually(lambda: client.simulator.stats["faults"]["hang"]["hits"] == 1)
    await client.post("/interrupt")
    assert len((await client.get("/queue"))["queue_running"]) == 1
    await client.post("/simulator/faults", {})
    entry = await client.finished()
    assert entry["status"]["messages"][-1][0] == "execution_interrupted"


async def test_hang_for_a_while(client: Client) -> None:
    client.simulator.set_fault("hang", 0.05, times=1)
    begin = time.monotonic()
    assert (await client.run(text_to_image()))["status"]["completed"] is True
    assert time.monotonic() - begin >= 0.05


async def test_slow(slow_client: Client) -> None:
    slow_client.simulator.set_fault("slow", 4, times=1)
    begin = time.monotonic()
    await slow_client.run(text_to_image(steps=2))
    assert time.monotonic() - begin >= 2 * 4 * 0.02


async def test_truncated_download(client: Client) -> None:
    await client.run(model_free())
    client.simulator.set_fault("truncated_download", 0.5, times=1)
    async with client.http.get(FILE) as answer:
        promised = int(answer.headers["Content-Length"])
        assert len(await answer.content.readexactly(promised // 2)) == promised // 2
        with pytest.raises(aiohttp.ClientPayloadError):
            await answer.content.readany()
    async with client.http.get(FILE) as answer:
        assert len(await answer.read()) == promised


async def test_wrong_type_and_garbage(client: Client) -> None:
    await client.run(model_free())
    path = client.simulator.folders.output / "free_00001_.png"
    client.simulator.set_fault("wrong_content_type", times=1)
    async with client.http.get(FILE) as answer:
        assert answer.content_type == "text/html"
        assert await answer.read() == path.read_bytes()
    client.simulator.set_fault("garbage_download", times=1)
    async with client.http.get(FILE) as answer:
        assert answer.content_type == "image/png"
        body = await answer.read()
    assert len(body) == path.stat().st_size
    assert body.startswith(b"garbage ")


async def test_slow_download(client: Client) -> None:
    await client.run(model_free())
    size = (client.simulator.folders.output / "free_00001_.png").stat().st_size
    client.simulator.set_fault("slow_download", size * 5)
    begin = time.monotonic()
    async with client.http.get(FILE) as answer:
        assert len(await answer.read()) == size
    assert time.monotonic() - begin >= 0.15


@pytest.fixture
async def doomed() -> AsyncIterator[Client]:
    """Dies half-way through its first job, once."""
    options = SimulatorOptions(seconds_per_step=0.01, faults={"die": True})
    async with Simulator(options) as simulator, Client(simulator) as client:
        yield client


async def test_dying_mid_job_and_coming_back(doomed: Client) -> None:
    client, simulator = doomed, doomed.simulator
    url = simulator.url
    async with client.socket() as ears:
        await client.submit(text_to_image(steps=4), "lost")
        await client.submit(model_free(), "pending")
        while await ears.next() is not None:
            pass
        assert ears.socket.close_code == aiohttp.WSCloseCode.ABNORMAL_CLOSURE
    await eventually(lambda: not simulator.alive)
    with pytest.raises(aiohttp.ClientConnectorError):
        await client.get("/queue")
    await simulator.restart()
    assert simulator.url == url
    assert await client.get("/queue") == {"queue_running": [], "queue_pending": []}
    assert await client.get("/history") == {}
    assert simulator.stats["deaths"] == 1
    assert simulator.stats["rendered"] == {}
    answer = await client.submit(text_to_image(steps=4), "again")
    assert answer["number"] == 0
    assert (await client.finished("again"))["status"]["completed"] is True


@pytest.mark.parametrize("turns", range(5))
async def test_dying_closes_the_connections_that_just_came(turns: int) -> None:
    async with Simulator() as simulator:
        with socket.create_connection(("127.0.0.1", simulator.port)) as caller:
            caller.settimeout(1)
            for _ in range(turns):
                await asyncio.sleep(0)
            await simulator.die()
            with contextlib.suppress(ConnectionResetError):
                assert caller.recv(1) == b""


async def test_restart_keeps_output_and_wipes_temp(client: Client) -> None:
    await client.run(model_free())
    graph = model_free(2)
    graph["5"] = {"class_type": "PreviewImage", "inputs": {"images": ["4", 0]}}
    entry = await client.run(graph, "temp")
    temp = entry["outputs"]["5"]["images"][0]["filename"]
    await client.simulator.restart()
    assert (await client.call("GET", FILE.replace("free_00001_.png", temp) + "&type=temp"))[
        0
    ] == 404
    async with client.http.get(FILE) as answer:
        assert answer.status == 200
    entry = await client.run(model_free(), "again")
    assert entry["outputs"]["5"]["images"][0]["filename"] == "free_00002_.png"


async def test_death_by_hand_drops_running_requests(client: Client) -> None:
    client.simulator.set_fault("delayed_answer", 30)
    post = asyncio.create_task(client.submit(model_free()))
    await eventually(lambda: client.simulator.stats["accepted"] == 1)
    begin = time.monotonic()
    await client.simulator.die()
    with pytest.raises(aiohttp.ClientConnectionError):
        await post
    assert time.monotonic() - begin < 2
