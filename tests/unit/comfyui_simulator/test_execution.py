"""What a client hears and finds when a job runs: the recorded order of a real server."""

from backend.comfyui_simulator import Simulator, SimulatorOptions
from tests.unit.comfyui_simulator.graphs import Client, model_free, text_to_image, types


async def test_success_is_told_in_the_recorded_order(client: Client) -> None:
    async with client.socket() as ears:
        first = await ears.next()
        assert first == {
            "type": "status",
            "data": {"status": {"exec_info": {"queue_remaining": 0}}, "sid": "c"},
        }
        await client.submit(model_free())
        heard = await ears.to_the_end()
    assert types(heard) == (
        ["status", "status", "execution_start", "execution_cached"]
        + ["progress_state", "executing", "progress_state"] * 4
        + ["progress_state", "executing", "executed", "progress_state"]
        + ["execution_success", "status", "executing"]
    )
    assert [m["data"]["status"]["exec_info"]["queue_remaining"] for m in heard[:2]] == [1, 1]
    assert heard[3]["data"]["nodes"] == []
    assert heard[5]["data"] == {"node": "1", "display_node": "1", "prompt_id": "p"}
    assert heard[-1]["data"] == {"node": None, "prompt_id": "p"}


async def test_history_comes_a_little_after_success() -> None:
    async with (
        Simulator(SimulatorOptions(history_lag=0.1)) as simulator,
        Client(simulator) as client,
        client.socket() as ears,
    ):
        await client.submit(model_free())
        await ears.until("execution_success")
        assert await client.get("/history/p") == {}
        await ears.to_the_end()
        assert list(await client.get("/history/p")) == ["p"]


async def test_history_entry_has_the_recorded_shape(client: Client) -> None:
    graph = model_free()
    extra = {"extra_pnginfo": {"workflow": {"a": 1}}, "my_key": "my_value"}
    entry = await client.run(graph, extra_data=extra)
    image = {"filename": "free_00001_.png", "subfolder": "", "type": "output"}
    assert entry["prompt"] == [0, "p", graph, {**extra, "client_id": "c"}, ["5"]]
    assert entry["outputs"] == {"5": {"images": [image]}}
    assert entry["status"]["status_str"] == "success"
    assert entry["status"]["completed"] is True
    messages = entry["status"]["messages"]
    assert [name for name, _ in messages] == [
        "execution_start",
        "execution_cached",
        "execution_success",
    ]
    assert entry["meta"]["5"] == {
        "node_id": "5",
        "display_node": "5",
        "parent_node": None,
        "real_node_id": "5",
    }


async def test_sampler_tells_every_step(client: Client) -> None:
    async with client.socket() as ears:
        await client.submit(text_to_image(steps=4))
        heard = await ears.to_the_end()
    steps = [m["data"] for m in heard if m["type"] == "progress"]
    assert [step["value"] for step in steps] == [1, 2, 3, 4]
    assert all(step["max"] == 4 and step["node"] == "3" for step in steps)
    state = [m["data"]["nodes"] for m in heard if m["type"] == "progress_state"][-1]
    assert {node["state"] for node in state.values()} == {"finished"}


async def test_cached_rerun_answers_the_old_file(client: Client) -> None:
    await client.run(model_free())
    async with client.socket() as ears:
        await ears.next()
        await client.submit(model_free(), "again")
        heard = await ears.to_the_end()
    assert " ".join(types(heard)) == (
        "status status execution_start execution_cached executed progress_state"
        " execution_success status executing"
    )
    assert heard[3]["data"]["nodes"] == ["1", "2", "3", "4", "5"]
    assert heard[4]["data"]["output"]["images"][0]["filename"] == "free_00001_.png"
    assert client.simulator.stats["rendered"] == {"p": 1}
    assert client.simulator.stats["cached"] == ["again"]


async def test_cached_file_may_be_gone(client: Client) -> None:
    await client.run(model_free())
    (client.simulator.folders.output / "free_00001_.png").unlink()
    entry = await client.run(model_free(), "again")
    assert entry["outputs"]["5"]["images"][0]["filename"] == "free_00001_.png"
    assert (await client.call("GET", "/view?filename=free_00001_.png"))[0] == 404


async def test_cache_holds_only_the_last_prompt(client: Client) -> None:
    await client.run(text_to_image(1), "one")
    entry = await client.run(text_to_image(2), "two")
    assert sorted(entry["status"]["messages"][1][1]["nodes"]) == ["4", "5", "6", "7"]
    await client.run(model_free(), "other")
    entry = await client.run(text_to_image(2), "back")
    assert entry["status"]["messages"][1][1]["nodes"] == []
    assert client.simulator.stats["rendered"] == {"one": 1, "two": 1, "other": 1, "back": 1}


async def test_free_memory_drops_the_cache(client: Client) -> None:
    await client.run(model_free())
    assert (await client.post("/free", {"unload_models": True, "free_memory": True}))[0] == 200
    await client.run(model_free(), "again")
    assert client.simulator.stats["rendered"] == {"p": 1, "again": 1}
    assert (await client.call("POST", "/free", data=b""))[0] == 500


async def test_what_validation_let_through_fails_in_execution(client: Client) -> None:
    graph = model_free()
    graph["3"]["inputs"]["image1"] = "abc"
    graph["6"] = {
        "class_type": "SaveImage",
        "inputs": {"filename_prefix": "ok", "images": ["2", 0]},
    }
    entry = await client.run(graph)
    name, error = entry["status"]["messages"][-1]
    assert (name, entry["status"]["status_str"]) == ("execution_error", "error")
    assert (error["node_id"], error["node_type"]) == ("3", "ImageBlend")
    assert error["exception_type"] == "AttributeError"
    assert error["exception_message"].endswith("\n")
    assert error["current_inputs"]["image1"] == ["abc"]


async def test_outputs_before_an_error_are_kept(client: Client) -> None:
    graph = model_free()
    save = {"filename_prefix": "../../evil", "images": ["4", 0]}
    graph["6"] = {"class_type": "SaveImage", "inputs": save}
    entry = await client.run(graph)
    assert entry["status"]["status_str"] == "error"
    assert list(entry["outputs"]) == ["5"]
    assert "outside the output folder" in entry["status"]["messages"][-1][1]["exception_message"]


async def test_model_loads_are_counted(client: Client) -> None:
    one, other = "sd_xl_base_1.0.safetensors", "v1-5-pruned-emaonly-fp16.safetensors"
    for number, checkpoint in enumerate([one, one, other, one]):
        await client.run(text_to_image(number, checkpoint=checkpoint), f"p{number}")
    assert client.simulator.stats["model_loads"] == [one, other, one]
