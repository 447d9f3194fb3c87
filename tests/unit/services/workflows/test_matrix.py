"""Every family x kind x number of LoRAs x preset is a graph that ComfyUI takes."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.models.content import ContentType
from backend.models.render import LoraUse, RenderRequest
from backend.services.families import FAMILIES, VARIANTS
from backend.services.families.base import GraphKind, LoraRule, ModelFamily
from backend.services.workflows import BuiltWorkflow, build_workflow, missing, requirements
from backend.services.workflows.render_plans import BUILDERS
from backend.utils.errors import WorkflowError
from tests.unit.services.workflows.graph_rules import faults_of
from tests.unit.services.workflows.workflow_samples import (
    LORAS,
    SHARED,
    START,
    full_catalog,
    full_nodes,
    matrix,
    pictures_for,
    placed,
    request_of,
)

OBJECT_INFO = SHARED / "object_info_with_models.json"
MATRIX = dict(matrix())


def test_all_families_and_kinds_are_in_it() -> None:
    told = {tuple(name.split("-")[:2]) for name in MATRIX}
    assert told == {(family.key, kind) for family in VARIANTS for kind in family.kinds}
    assert {family.id for family in FAMILIES} == {
        "sd15", "sdxl", "pony", "illustrious", "flux_dev", "flux_schnell", "flux_krea", "flux_pro",
        "flux_kontext", "hidream", "qwen_image", "qwen_edit", "qwen_edit_2509", "wan_2_1",
        "wan_2_2", "ltx_video", "hunyuan_video", "svd",
    }  # fmt: skip
    assert BUILDERS.keys() == {family.id for family in FAMILIES} | {"checkpoint"}
    assert len(MATRIX) >= 300


@pytest.mark.parametrize("family", VARIANTS, ids=lambda family: family.key)
def test_every_graph_is_valid(family: ModelFamily) -> None:
    """Against the node definitions that the project carries."""
    mine = {name: one for name, one in MATRIX.items() if name.startswith(f"{family.key}-")}
    assert len(mine) == 6 * len(family.kinds)
    for name, request in mine.items():
        assert missing(requirements(request), full_catalog()) == (), name
        built = build_workflow(request, full_catalog())
        assert faults_of(placed(built).graph, full_nodes()) == [], name
        assert built.family == family.id
        assert built.kind == name.split("-")[1]
        _check_loras(built.graph, family, request)


def test_every_graph_is_valid_at_a_real_server() -> None:
    """Against what a real one answered to /object_info, with our files added to its lists."""
    nodes = full_nodes(OBJECT_INFO) if OBJECT_INFO.exists() else full_nodes()
    for name, request in MATRIX.items():
        built = build_workflow(request, full_catalog())
        assert faults_of(placed(built).graph, nodes) == [], name


def test_every_wan_stage_has_the_chain() -> None:
    request = MATRIX["wan_2_2-text_to_video-3-quality"]
    graph = build_workflow(request, full_catalog()).graph
    chains = [node for node in graph.values() if node["class_type"] == "LoraLoaderModelOnly"]
    assert [node["inputs"]["lora_name"] for node in chains] == [*LORAS, *LORAS]


def test_a_lora_for_one_stage_goes_there_alone() -> None:
    names = ("hero_high_noise.safetensors", "hero_low_noise.safetensors")
    nodes = full_nodes()
    assert not set(names) & set(nodes.models["loras"])
    there = {("LoraLoaderModelOnly", "lora_name"): names}
    catalog = full_catalog()
    with_pair = type(catalog)(
        catalog.node_classes, catalog.output_nodes, {**catalog.options, **there}, catalog.uploads
    )
    model = "wan2.2_i2v_low_noise_14B_fp8_scaled.safetensors"
    loras = tuple(LoraUse(name, 0.5) for name in names)
    built = build_workflow(request_of(model=model, loras=loras, init_image=START), with_pair)
    by_stage = {}
    for node in built.graph.values():
        if node["class_type"] == "LoraLoaderModelOnly":
            unet = built.graph[node["inputs"]["model"][0]]["inputs"]["unet_name"]
            by_stage[node["inputs"]["lora_name"]] = unet
    assert by_stage == {
        names[0]: "wan2.2_i2v_high_noise_14B_fp8_scaled.safetensors",
        names[1]: model,
    }


def _check_loras(graph: dict[str, Any], family: ModelFamily, request: RenderRequest) -> None:
    rule = family.lora_rule
    copies = {LoraRule.NONE: 0, LoraRule.BOTH_STAGES: 2}.get(rule, 1)
    chained = [node for node in graph.values() if node["inputs"].get("lora_name") in LORAS]
    assert len(chained) == copies * len(request.loras)
    loader = "LoraLoader" if rule is LoraRule.MODEL_AND_CLIP else "LoraLoaderModelOnly"
    assert {node["class_type"] for node in chained} <= {loader}
    for node in chained:
        assert node["inputs"]["strength_model"] == 0.8
        assert node["inputs"].get("strength_clip", 0.8) == 0.8


_FREE = st.fixed_dictionaries(
    {},
    optional={
        "width": st.integers(64, 4096),
        "height": st.integers(64, 4096),
        "steps": st.integers(1, 200),
        "cfg": st.floats(0, 30),
        "frames": st.integers(1, 1000),
        "fps": st.floats(1, 120),
        "denoise": st.floats(0, 1),
        "batch_size": st.integers(1, 64),
        "clip_skip": st.integers(1, 12),
        "guidance": st.floats(0, 100),
        "shift": st.floats(0, 100),
        "motion_bucket_id": st.integers(1, 1023),
        "preset": st.sampled_from(["fast", "quality"]),
        "seed": st.integers(0, 2**64 - 1),
        "sampler": st.sampled_from(["euler", "lcm", "dpmpp_2m"]),
        "scheduler": st.sampled_from(["karras", "beta"]),
        "prompt": st.text(max_size=30),
        "negative_prompt": st.text(max_size=30),
        "vae": st.just("sdxl_vae.safetensors"),
        "input_reference_url": st.just("/uploads/hint.png"),
        "init_image": st.just(START),
        "end_image": st.sampled_from([START, "/uploads/end.png"]),
        "mask": st.sampled_from([START, "/uploads/mask.png"]),
        "reference_images": st.lists(
            st.sampled_from(["/uploads/r1.png", "/uploads/r2.png", START]), max_size=3
        ).map(tuple),
        "loras": st.lists(
            st.builds(
                LoraUse,
                st.sampled_from(LORAS),
                st.floats(-100, 100),
                st.none() | st.floats(-100, 100),
            ),
            max_size=4,
        ).map(tuple),
    },
)


@settings(max_examples=150, deadline=None)
@given(family=st.sampled_from(VARIANTS), free=_FREE, data=st.data())
def test_no_parameters_make_an_invalid_graph(
    family: ModelFamily, free: dict[str, Any], data: st.DataObject
) -> None:
    """What is impossible is refused in words; what is built is valid, and is what was told."""
    if data.draw(st.booleans()):
        kind = data.draw(st.sampled_from(sorted(family.kinds)))
        free = {**free, **pictures_for(GraphKind(kind))}
    refiner = {"refiner": "sd_xl_refiner_1.0"} if family.key == "sdxl" else {}
    request = request_of(model=family.official_model, **free, **refiner)
    try:
        built = build_workflow(request, full_catalog())
    except WorkflowError as refusal:
        refused_at = refusal.details["errors"][0]["loc"]
    else:
        refused_at = None
        _check_built(built, request, family)
    assert refused_at is None or len(refused_at) > 0


def _check_built(built: BuiltWorkflow, request: RenderRequest, family: ModelFamily) -> None:
    assert faults_of(placed(built).graph, full_nodes()) == []
    assert built.seed == request.seed
    for side in (built.width, built.height):
        assert side is None or (side % family.size_multiple == 0 and side >= 64 // 2)
    if request.kind is ContentType.VIDEO:
        assert built.frames is not None
        assert built.fps is not None
        assert built.duration == built.frames / built.fps
        assert family.frame_rule is not None
        assert (built.frames - 1) % family.frame_rule.step == 0
