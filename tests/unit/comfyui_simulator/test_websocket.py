"""Who is told what: client ids, late and doubled sockets, previews."""

import io
import json
import struct

from PIL import Image

from backend.comfyui_simulator import Simulator, SimulatorOptions
from tests.unit.comfyui_simulator.graphs import (
    Client,
    model_free,
    text_to_image,
    types,
)
from tests.waiting import eventually


async def test_no_client_id_gets_a_fresh_one(client: Client) -> None:
    async with client.socket("") as ears:
        sid = (await ears.next())["data"]["sid"]
    assert len(sid) == 32
    assert int(sid, 16) > 0


async def test_other_sockets_hear_only_status(client: Client) -> None:
    async with client.socket("other") as other:
        await client.run(text_to_image())
        heard = [await other.next() for _ in range(4)]
        await client.post("/queue", {"clear": True})
        heard.append(await other.next())
    assert set(types(heard)) == {"status"}
    assert "sid" not in heard[1]["data"]


async def test_without_client_id_everyone_hears_progress_and_no_one_the_rest(
    client: Client,
) -> None:
    async with client.socket("a") as a, client.socket("b") as b:
        await client.post("/prompt", {"prompt": text_to_image(), "prompt_id": "p"})
        await client.finished()
        for ears in (a, b):
            heard = await ears.until("progress", value=4)
            assert set(types(heard)) == {"status", "progress_state", "progress"}


async def test_interrupt_without_client_id_is_told_to_all(slow_client: Client) -> None:
    async with slow_client.socket("a") as ears:
        await slow_client.post("/prompt", {"prompt": text_to_image(steps=400)})
        await ears.until("progress")
        await slow_client.post("/interrupt")
        heard = await ears.until("execution_interrupted")
    assert heard[-1]["data"]["node_id"] == "3"


async def test_late_socket_learns_the_running_node(slow_client: Client) -> None:
    client = slow_client
    async with client.socket() as ears:
        await client.submit(text_to_image(steps=400))
        await ears.until("progress")
    async with client.socket() as late:
        assert (await late.next())["data"]["sid"] == "c"
        assert await late.next() == {"type": "executing", "data": {"node": "3"}}
        await late.until("progress")


async def test_of_two_sockets_the_newer_hears_and_goes_deaf_with_the_older(client: Client) -> None:
    async with client.socket() as old, client.socket() as new:
        await old.next()
        await new.next()
        await client.run(model_free(1), "one")
        assert "executed" in types(await new.to_the_end())
        await old.socket.close()
        await eventually(lambda: client.simulator.stats["clients"] == [])
        async with client.socket("watcher") as watcher:
            await client.run(model_free(2), "two")
            await watcher.until("status")
        await new.socket.ping()
        assert not new.socket.closed


async def test_feature_flags_answer_once_and_only_first(client: Client) -> None:
    flags = {"type": "feature_flags", "data": {"supports_preview_metadata": True}}
    async with client.socket("first") as ears:
        await ears.socket.send_json(flags)
        await ears.next()
        answer = await ears.next()
        assert answer["data"] == {
            "supports_preview_metadata": True,
            "max_upload_size": 104_857_600,
        }
    async with client.socket("late") as ears:
        await ears.next()
        await ears.socket.send_str("no json")
        await ears.socket.send_json(flags)
        await client.post("/queue", {"clear": True})
        assert (await ears.next())["type"] == "status"


async def test_previews_without_and_with_metadata() -> None:
    async with (
        Simulator(SimulatorOptions(preview_method="latent2rgb")) as simulator,
        Client(simulator) as client,
    ):
        async with client.socket() as ears:
            await client.submit(text_to_image(1, width=128))
            heard = await ears.to_the_end()
        frames = [message for message in heard if isinstance(message, bytes)]
        assert len(frames) == 4
        assert struct.unpack(">II", frames[0][:8]) == (1, 1)
        assert Image.open(io.BytesIO(frames[0][8:])).size == (512, 256)

        async with client.socket() as ears:
            flags = {"supports_preview_metadata": True}
            await ears.socket.send_json({"type": "feature_flags", "data": flags})
            await ears.until("feature_flags")
            await client.submit(text_to_image(2), "q")
            heard = await ears.to_the_end()
        frame = next(message for message in heard if isinstance(message, bytes))
        event, length = struct.unpack(">II", frame[:8])
        head = json.loads(frame[8 : 8 + length])
        assert event == 4
        assert (head["node_id"], head["prompt_id"], head["image_type"]) == ("3", "q", "image/jpeg")
        assert frame[8 + length :].startswith(b"\xff\xd8")
