"""Requests for every graph: those of ComfyUI's own templates, and all that families can do.

`python -m tests.unit.services.workflows.workflow_samples` writes graphs/golden.json anew: read the
difference line by line, it is what a server is sent.
"""

import hashlib
import itertools
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from backend.comfyui_simulator.nodes import NodeSet, load_nodes
from backend.comfyui_simulator.options import SimulatorOptions
from backend.models.render import LoraUse, RenderRequest
from backend.services.comfyui.catalog import ServerCatalog
from backend.services.families import VARIANTS
from backend.services.families.base import GraphKind
from backend.services.families.detection import detect_family, partner_of, stage_of
from backend.services.workflows import BuiltWorkflow, build_workflow
from backend.services.workflows.graph import Graph

GOLDEN = Path(__file__).parent / "graphs/golden.json"
SHARED = Path(__file__).parents[5] / "shared/comfyui"
OFFICIAL = SHARED / "workflows"
LORAS = tuple(f"test_lora_{letter}.safetensors" for letter in "abc")
START, END, MASK = "/uploads/start.png", "/uploads/end.png", "/uploads/mask.png"
MORE = ("/uploads/second.png", "/uploads/third.png")
#: Inputs in which an official graph and ours may differ: ids, text, seed and names of files made.
_FREE = {"text", "prompt", "filename_prefix", "image"}

_SD15, _SDXL = "v1-5-pruned-emaonly-fp16", "sd_xl_base_1.0"
_WAN22 = "wan2.2_{}_high_noise_14B_fp8_scaled"
_WITH_LORAS = (
    "sd15", "sdxl", "pony", "illustrious", "flux_dev", "flux_schnell", "flux_krea", "flux_pro",
    "flux_kontext", "hidream", "qwen_image", "wan_2_1", "wan_2_2", "ltx_video", "hunyuan_video",
)  # fmt: skip
_FROM_PICTURES = (
    "sd15", "sdxl", "pony", "illustrious", "flux_dev", "flux_schnell", "flux_krea", "flux_pro",
    "hidream", "qwen_image",
)  # fmt: skip


def official_requests() -> dict[str, dict[str, Any]]:
    """Give what to ask for to get the official graph of each name."""
    by_id: dict[str, dict[str, Any]] = {
        family.key: {"model": family.official_model} for family in VARIANTS
    }
    plain = {name: dict(by_id[name]) for name in _WITH_LORAS}
    for name in ("flux_kontext", "qwen_edit", "qwen_edit_2509", "svd"):
        plain[name] = {**by_id[name], "init_image": START}
    asked = dict(plain)
    for name, count in itertools.product(_WITH_LORAS, (1, 2, 3)):
        asked[f"{name}__lora{count}"] = {**plain[name], "loras": _loras(count)}
    asked |= {f"{n}__img2img": {**plain[n], "init_image": START} for n in _FROM_PICTURES}
    return {**asked, **_special(plain)}


def _special(plain: Mapping[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    wan22, i2v = {"model": _WAN22.format("t2v")}, {"model": _WAN22.format("i2v")}
    five = {"model": "wan2.2_ti2v_5B_fp16"}
    hunyuan = "hunyuan_video{}_image_to_video_720p_bf16"
    edit, plus = plain["qwen_edit"], plain["qwen_edit_2509"]
    wan = {f"wan_2_1__lora{n}": {**plain["wan_2_1"], "loras": _loras(n), "frames": 81}
           for n in (1, 2, 3)}  # fmt: skip
    return {
        **wan,
        "wan_2_1": {**plain["wan_2_1"], "frames": 33},
        "sd15__inpaint": {"model": "512-inpainting-ema", "init_image": START, "mask": START},
        "sdxl__refiner": {**plain["sdxl"], "refiner": "sd_xl_refiner_1.0"},
        "pony__external_vae": {**plain["pony"], "vae": "sdxl_vae"},
        "flux_dev__checkpoint": {"model": "flux1-dev-fp8.safetensors"},
        "flux_schnell__checkpoint": {"model": "flux1-schnell-fp8.safetensors"},
        "flux_dev__lora1_with_clip": {
            **plain["flux_dev"],
            "loras": (LoraUse(LORAS[0], 0.8, 0.8),),
        },
        "flux_kontext__3img_reference": {
            **plain["flux_kontext"], "reference_images": MORE, "width": 1024, "height": 1024,
        },
        "hidream__dev": {"model": "hidream_i1_dev_fp8"},
        "hidream__fast": {"model": "hidream_i1_fast_fp8"},
        "qwen_image__lightning8": {**plain["qwen_image"], "preset": "fast"},
        "qwen_edit__lora1": {**edit, "loras": _loras(1)},
        "qwen_edit__lightning4": {**edit, "preset": "fast"},
        "qwen_edit_2509__2img": {**plus, "reference_images": MORE[:1]},
        "qwen_edit_2509__3img": {**plus, "reference_images": MORE},
        "qwen_edit_2509__lora2": {**plus, "loras": _loras(2)},
        "qwen_edit_2509__lightning4": {**plus, "preset": "fast"},
        "wan_2_1__t2v_14B": {"model": "wan2.1_t2v_14B_fp16"},
        "wan_2_1__i2v_480p": {"model": "wan2.1_i2v_480p_14B_fp16", "init_image": START},
        "wan_2_1__i2v_720p": {"model": "wan2.1_i2v_720p_14B_fp16", "init_image": START},
        "wan_2_2__i2v": {**i2v, "init_image": START},
        "wan_2_2__flf2v": {**i2v, "init_image": START, "end_image": END},
        "wan_2_2__t2v_lightx2v4": {**wan22, "preset": "fast"},
        "wan_2_2__i2v_lightx2v4": {**i2v, "init_image": START, "preset": "fast"},
        "wan_2_2__5B_t2v": five,
        "wan_2_2__5B_i2v": {**five, "init_image": START},
        "wan_2_2__5B_lora1": {**five, "loras": _loras(1)},
        "ltx_video__i2v": {**plain["ltx_video"], "init_image": START},
        "hunyuan_video__i2v_v1": {"model": hunyuan.format(""), "init_image": START},
        "hunyuan_video__i2v_v2": {"model": hunyuan.format("_v2_replace"), "init_image": START},
        "svd__xt": {"model": "svd_xt", "init_image": START},
    }  # fmt: skip


def _loras(count: int) -> tuple[LoraUse, ...]:
    return tuple(LoraUse(name, 0.8) for name in LORAS[:count])


def official_graph(name: str) -> BuiltWorkflow:
    """Build what stands beside the official graph of that name."""
    asked = official_requests()[name]
    # Flux in one file is chosen where the separate files are not there.
    without = ("flux1-dev.safetensors", "flux1-schnell.safetensors")
    catalog = full_catalog(without if name.endswith("__checkpoint") else ())
    return build_workflow(request_of(**asked), catalog)


def request_of(*, model: str, **asked: Any) -> RenderRequest:
    family = detect_family(model)
    assert family is not None, model
    (kind,) = family.makes
    prompt = "a lighthouse on a cliff at dawn"
    base = {"kind": kind, "prompt": prompt, "seed": 42}
    return RenderRequest(**{**base, **asked, "model": model})


def matrix() -> Iterator[tuple[str, RenderRequest]]:
    """Give every family and variant x kind x 0, 1 and 3 LoRAs x preset, by name."""
    for family in VARIANTS:
        for kind, count, preset in itertools.product(GraphKind, (0, 1, 3), ("fast", "quality")):
            if kind in family.kinds:
                asked = {**pictures_for(kind), "loras": _loras(count), "preset": preset}
                name = f"{family.key}-{kind}-{count}-{preset}"
                yield name, request_of(model=family.official_model, **asked)


def pictures_for(kind: GraphKind) -> dict[str, Any]:
    return {
        GraphKind.IMAGE_TO_IMAGE: {"init_image": START},
        GraphKind.INPAINT: {"init_image": START, "mask": MASK},
        GraphKind.EDIT: {"init_image": START},
        GraphKind.IMAGE_TO_VIDEO: {"init_image": START},
        GraphKind.FIRST_LAST_FRAME: {"init_image": START, "end_image": END},
    }.get(kind, {})


@cache
def full_nodes(object_info: Path | None = None, without: tuple[str, ...] = ()) -> NodeSet:
    """Give the nodes of a server that has every official file of every family."""
    models = _models()
    kept = {folder: tuple(n for n in names if n not in without) for folder, names in models.items()}
    return load_nodes(SimulatorOptions(object_info=object_info, every_model=True, models=kept))


@cache
def full_catalog(without: tuple[str, ...] = ()) -> ServerCatalog:
    return ServerCatalog.from_object_info(full_nodes(without=without).info)


def _models() -> dict[str, tuple[str, ...]]:
    found = {folder: set(names) for folder, names in _official_models().items()}
    for family in VARIANTS:
        found[family.folder].add(family.official_model)
        if stage_of(family.official_model):
            found[family.folder].add(partner_of(family.official_model))
    found["loras"] |= set(LORAS)
    return {folder: tuple(sorted(names)) for folder, names in found.items()}


def _official_models() -> Mapping[str, tuple[str, ...]]:
    return load_nodes(SimulatorOptions(every_model=True)).models


def placed(built: BuiltWorkflow, name: str = "example.png") -> BuiltWorkflow:
    """Put one name in for all pictures, as if each had been uploaded under it."""
    return built.with_pictures({image.source: name for image in built.inputs})


def nodes_of(graph: Graph, *, free: frozenset[str] = frozenset(_FREE)) -> Counter[str]:
    """Count the nodes of a graph, each named by its class, values and all that lies above it.

    Two graphs with equal counts are the same up to their ids and what is `free`.
    """
    known: dict[str, str] = {}

    def name(node_id: str) -> str:
        if node_id not in known:
            node = graph[node_id]
            inputs = {
                key: [name(value[0]), value[1]] if isinstance(value, list) else value
                for key, value in node["inputs"].items()
                if key not in free or isinstance(value, list)
            }
            told = json.dumps([node["class_type"], inputs], sort_keys=True)
            digest = hashlib.sha256(told.encode()).hexdigest()[:12]
            known[node_id] = f"{node['class_type']}:{digest}"
        return known[node_id]

    return Counter(name(node_id) for node_id in graph)


def golden_graphs() -> dict[str, Graph]:
    """Build all that have an official graph beside them, and kinds that have none."""
    graphs = {name: official_graph(name).graph for name in official_requests()}
    for name, request in matrix():
        if name.endswith("inpaint-0-quality") or "flf2v-first_last_frame-0" in name:
            graphs[name] = build_workflow(request, full_catalog()).graph
    return graphs


def write_golden() -> None:
    lines = [f"{json.dumps(name)}: {json.dumps(graph)}" for name, graph in golden_graphs().items()]
    GOLDEN.write_text("{\n" + ",\n".join(lines) + "\n}\n", "utf-8")


if __name__ == "__main__":
    write_golden()
