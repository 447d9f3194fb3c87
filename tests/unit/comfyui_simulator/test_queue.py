"""Queue order, deletion, interrupts and prompt ids, against the recorded facts."""

from typing import Any

import pytest

from tests.unit.comfyui_simulator.graphs import Client, model_free, text_to_image
from tests.waiting import eventually


async def running(client: Client, prompt_id: str = "busy") -> None:
    """Occupy the worker for some seconds, or until an interrupt."""
    await client.submit(text_to_image(99, steps=400), prompt_id)
    await eventually(lambda: client.simulator.stats["order"] == [prompt_id])


def ids(items: list[Any]) -> list[str]:
    return [item[1] for item in items]


async def test_pending_is_a_raw_heap(slow_client: Client) -> None:
    client = slow_client
    await running(client)
    numbers = []
    wishes: dict[str, dict[str, Any]] = {
        "q-a": {},
        "q-b": {},
        "q-c": {},
        "q-front": {"front": True},
        "q-num": {"number": -99999},
        "q-num2": {"number": "0.5"},
    }
    for name, more in wishes.items():
        numbers.append((await client.submit(model_free(), name, **more))["number"])
    assert numbers == [1, 2, 3, -4, -99999.0, 0.5]
    queue = await client.get("/queue")
    assert ids(queue["queue_running"]) == ["busy"]
    assert ids(queue["queue_pending"]) == ["q-num", "q-front", "q-num2", "q-b", "q-a", "q-c"]
    assert await client.get("/prompt") == {"exec_info": {"queue_remaining": 7}}

    assert await client.post("/queue", {"delete": ["q-b", "busy", "nope"]}) == (200, "")
    queue = await client.get("/api/queue")
    assert ids(queue["queue_pending"]) == ["q-num", "q-front", "q-num2", "q-a", "q-c"]
    await client.post("/interrupt")
    await client.finished("q-c")
    assert client.simulator.stats["order"] == ["busy", "q-num", "q-front", "q-num2", "q-a", "q-c"]
    assert await client.get("/history/q-b") == {}


async def test_clear_leaves_the_running_job(slow_client: Client) -> None:
    await running(slow_client)
    await slow_client.submit(model_free(), "pending")
    await slow_client.post("/queue", {"clear": True})
    queue = await slow_client.get("/queue")
    assert (ids(queue["queue_running"]), queue["queue_pending"]) == (["busy"], [])


async def test_interrupt_is_an_error_that_says_so(slow_client: Client) -> None:
    client = slow_client
    async with client.socket() as ears:
        await running(client)
        await ears.until("progress")
        assert await client.post("/interrupt") == (200, "")
        heard = await ears.to_the_end()
    assert [m["type"] for m in heard[-3:]] == ["execution_interrupted", "status", "executing"]
    assert heard[-3]["data"]["node_type"] == "KSampler"
    entry = await client.finished("busy")
    assert entry["status"]["status_str"] == "error"
    assert entry["status"]["messages"][-1][0] == "execution_interrupted"
    assert entry["outputs"] == {}
    assert client.simulator.stats["interrupted"] == ["busy"]
    assert client.simulator.stats["rendered"] == {}


async def test_interrupt_by_id_hits_only_the_running_one(slow_client: Client) -> None:
    client = slow_client
    await running(client)
    await client.submit(model_free(), "next")
    for prompt_id in ("next", "unknown"):
        assert await client.post("/interrupt", {"prompt_id": prompt_id}) == (200, "")
    assert ids((await client.get("/queue"))["queue_running"]) == ["busy"]
    await client.post("/interrupt", {"prompt_id": "busy"})
    entry = await client.finished("next")
    assert entry["status"]["status_str"] == "success"
    assert client.simulator.stats["interrupted"] == ["busy"]


async def test_idle_interrupt_does_not_hurt_the_next_job(client: Client) -> None:
    assert await client.post("/interrupt", {}) == (200, "")
    assert (await client.run(model_free()))["status"]["status_str"] == "success"


@pytest.mark.parametrize(("given", "kept"), [("mine", "mine"), (12345, "12345"), (None, "None")])
async def test_prompt_id_is_honoured(client: Client, given: Any, kept: str) -> None:
    _, answer = await client.post("/prompt", {"prompt": model_free(), "prompt_id": given})
    assert answer["prompt_id"] == kept
    assert (await client.finished(kept))["prompt"][1] == kept


async def test_duplicate_prompt_ids_run_twice(client: Client) -> None:
    await client.run(model_free(1), "dup")
    await client.submit(model_free(2), "dup")
    await eventually(lambda: client.simulator.stats["rendered"] == {"dup": 2})


async def test_same_number_and_id_is_500_and_queued(slow_client: Client) -> None:
    client = slow_client
    await running(client)
    body = {"prompt": model_free(), "prompt_id": "same", "number": 5}
    assert (await client.post("/prompt", body))[0] == 200
    assert (await client.post("/prompt", body))[0] == 500
    assert ids((await client.get("/queue"))["queue_pending"]) == ["same", "same"]


async def test_rejected_prompts_use_a_number_up(client: Client) -> None:
    assert (await client.post("/prompt", {"client_id": "c"}))[0] == 400
    assert (await client.submit(model_free()))["number"] == 1


async def test_history_pages_and_deletion(client: Client) -> None:
    for number in range(4):
        await client.run(model_free(number), f"p{number}")
    assert list(await client.get("/history")) == ["p0", "p1", "p2", "p3"]
    assert list(await client.get("/history?max_items=2")) == ["p2", "p3"]
    assert list(await client.get("/history?max_items=2&offset=1")) == ["p1", "p2"]
    assert (await client.call("GET", "/history?max_items=abc"))[0] == 500
    await client.post("/history", {"delete": ["p1", "unknown"]})
    assert list(await client.get("/history")) == ["p0", "p2", "p3"]
    await client.post("/history", {"clear": True})
    assert await client.get("/history") == {}
