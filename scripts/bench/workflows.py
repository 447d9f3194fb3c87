"""How long a graph takes to build: `python -m scripts.bench.workflows`.

Every family and kind, with three LoRAs, for a server that has every official file; then with
1,000 LoRAs to look through. Times are of one thread, the median of the rounds.
"""

import statistics
import sys
import time
from dataclasses import replace
from pathlib import Path

if __package__ in {None, ""}:
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from rich.console import Console
from rich.table import Table

from backend.comfyui_simulator.nodes import load_nodes
from backend.comfyui_simulator.options import SimulatorOptions
from backend.models.render import LoraUse, RenderRequest
from backend.services.comfyui.catalog import ServerCatalog
from backend.services.families import VARIANTS
from backend.services.families.detection import partner_of
from backend.services.workflows import build_workflow, requirements
from backend.services.workflows.intent import sample_request

ROUNDS = 200
LORAS = tuple(LoraUse(f"lora_{number}.safetensors", 0.8) for number in range(3))
_LOADERS = ("LoraLoader", "LoraLoaderModelOnly")


def main() -> None:
    small, large = catalog(loras=3), catalog(loras=1000)
    table = Table("graph", "build ms", "with 1,000 LoRAs", "what it needs ms", "nodes")
    for name, request in samples():
        built = build_workflow(request, small)
        table.add_row(
            name,
            f"{median(lambda request=request: build_workflow(request, small)):.3f}",
            f"{median(lambda request=request: build_workflow(request, large)):.3f}",
            f"{median(lambda request=request: requirements(request)):.3f}",
            str(len(built.graph)),
        )
    Console().print(table)


def samples() -> list[tuple[str, RenderRequest]]:
    found = []
    for family in VARIANTS:
        request = sample_request(family, family.official_model)
        found.append((family.key, request.model_copy(update={"loras": LORAS, "prompt": "a boat"})))
    return found


def catalog(*, loras: int) -> ServerCatalog:
    info = load_nodes(SimulatorOptions(every_model=True)).info
    plain = ServerCatalog.from_object_info(info)
    names = tuple(f"lora_{number}.safetensors" for number in range(loras))
    lists = {(loader, "lora_name"): names + plain.loras for loader in _LOADERS}
    models = tuple(family.official_model for family in VARIANTS)
    both = (*models, *(partner_of(name) for name in models))
    for place in (
        ("CheckpointLoaderSimple", "ckpt_name"),
        ("ImageOnlyCheckpointLoader", "ckpt_name"),
        ("UNETLoader", "unet_name"),
    ):
        lists[place] = both
    return replace(plain, options={**plain.options, **lists})


def median(call: object) -> float:
    """Milliseconds."""
    assert callable(call)
    call()
    taken = []
    for _ in range(ROUNDS):
        begun = time.perf_counter()
        call()
        taken.append(time.perf_counter() - begun)
    return statistics.median(taken) * 1000


if __name__ == "__main__":
    main()
