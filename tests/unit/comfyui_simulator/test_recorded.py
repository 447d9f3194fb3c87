"""Against captures of a real ComfyUI 0.3.64, where they lie beside the repository.

Without them each case falls back to what the other modules assert: that /object_info answers the
node set the prompts are checked with.
"""

import json
from pathlib import Path
from typing import Any

from backend.comfyui_simulator import Simulator, SimulatorOptions
from tests.unit.comfyui_simulator.graphs import Client

CAPTURES = Path(__file__).parents[4] / "shared" / "comfyui"


def without_traceback(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: without_traceback(v) for k, v in value.items() if k != "traceback"}
    if isinstance(value, list):
        return [without_traceback(item) for item in value]
    return value


def recorded(name: str) -> list[dict[str, Any]]:
    path = CAPTURES / "samples" / f"{name}.http.json"
    found = json.loads(path.read_text("utf-8")) if path.exists() else []
    assert isinstance(found, list)
    return found


def real_nodes() -> SimulatorOptions:
    info = CAPTURES / "object_info_with_models.json"
    models = {"checkpoints": ("sd15_random.safetensors", "sd15_tiny_random.safetensors")}
    return SimulatorOptions(models=models, object_info=info if info.exists() else None)


async def test_validation_answers_are_the_recorded_ones() -> None:
    compared = 0
    async with Simulator(real_nodes()) as simulator, Client(simulator) as client:
        for exchange in recorded("20_validation_failures"):
            request = exchange["request"]
            if (request["method"], request["path"]) != ("POST", "/prompt"):
                continue
            if "Origin" in (exchange["note"] or ""):
                continue
            body = request["body"]
            raw = {"data": body} if isinstance(body, str) else {"json": body}
            async with client.http.post("/prompt", **raw) as answer:
                assert answer.status == exchange["status"], exchange["note"]
                if answer.content_type == "application/json":
                    found = without_traceback(await answer.json())
                    wanted = without_traceback(exchange["body"])
                    for either in (found, wanted):
                        either.pop("prompt_id", None)
                        either.pop("number", None)
                    assert found == wanted, exchange["note"]
            compared += 1
        info = await client.get("/object_info/SaveImage")
    assert info["SaveImage"]["output_node"] is True
    assert compared >= 30 or not CAPTURES.exists()


async def test_every_known_workflow_is_accepted() -> None:
    """The own node set, with every model, knows all families."""
    graphs = [
        json.loads(path.read_text("utf-8"))
        for path in sorted((CAPTURES / "workflows").glob("*.json"))
        if not path.name.startswith("_")
    ]
    async with (
        Simulator(SimulatorOptions(every_model=True)) as simulator,
        Client(simulator) as client,
    ):
        for graph in graphs:
            put_files(simulator, graph)
            status, answer = await client.post("/prompt", {"prompt": graph})
            assert (status, answer["node_errors"]) == (200, {})
            await client.post("/queue", {"clear": True})
        assert simulator.stats["accepted"] == len(graphs)


def put_files(simulator: Simulator, graph: dict[str, Any]) -> None:
    """Give each graph its pictures, and a LoRA that is there."""
    example = (simulator.folders.input / "example.png").read_bytes()
    for node in graph.values():
        if node["class_type"] == "LoadImage":
            (simulator.folders.input / node["inputs"]["image"]).write_bytes(example)
        if "lora_name" in node["inputs"]:
            node["inputs"]["lora_name"] = "example_style.safetensors"
