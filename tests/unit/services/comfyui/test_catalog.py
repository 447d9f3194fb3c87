"""What is read from /object_info, and how file names are matched."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.services.comfyui.catalog import ServerCatalog, nearest, resolve_file
from backend.utils.errors import UpstreamError
from tests.unit.services.comfyui.catalogs import SAMPLERS, catalog

RECORDED = Path(__file__).parents[5] / "shared/comfyui/object_info_with_models.json"
NAMES = st.from_regex(r"[a-z]{1,6}(/[a-z]{1,6}){0,2}\.(safetensors|ckpt)", fullmatch=True)


def test_reads_models_and_choices() -> None:
    read = catalog(checkpoints=["sub/a.safetensors"])
    assert read.checkpoints == ("sub/a.safetensors",)
    assert read.unets == ("wan2.1_t2v_1.3B_fp16.safetensors",)
    assert read.loras[0] == "test_lora_a.safetensors"
    assert read.choices("VAELoader", "vae_name") == ("wan_2.1_vae.safetensors",)
    assert read.text_encoders == ("umt5_xxl_fp8_e4m3fn_scaled.safetensors",)
    assert list(read.samplers) == SAMPLERS
    assert "karras" in read.schedulers
    assert read.choices("ImageBlend", "blend_mode") == ("normal", "screen")
    assert {"SaveImage", "SaveVideo"} <= read.output_nodes
    assert "KSampler" in read.node_classes - read.output_nodes
    assert ("LoadImage", "image") in read.uploads


def test_reads_a_real_servers_answer() -> None:
    if not RECORDED.exists():
        return
    read = ServerCatalog.from_object_info(json.loads(RECORDED.read_text()))
    assert len(read.node_classes) == 496
    assert len(read.samplers) == 42
    assert len(read.schedulers) == 9
    assert "sd_xl_base_1.0.safetensors" in read.checkpoints
    assert "wan2.1_t2v_1.3B_fp16.safetensors" in read.unets
    assert {("LoadImage", "image"), ("LoadVideo", "file")} <= read.uploads
    assert "t5xxl_fp16.safetensors" in read.choices("QuadrupleCLIPLoader", "clip_name3")


@pytest.mark.parametrize(
    "node",
    [
        {},
        {"input": None},
        {"input": {"required": None}},
        {"input": {"required": {"a": None, "b": [], "c": [[1, 2]], "d": ["COMBO"]}}},
        {"input": {"required": {"e": ["COMBO", {"options": None}], "f": [["x"], "y"]}}},
    ],
)
def test_odd_custom_nodes_do_no_harm(node: object) -> None:
    read = ServerCatalog.from_object_info({"Odd": node})
    assert read.node_classes == {"Odd"}
    assert read.checkpoints == ()


@pytest.mark.parametrize("answer", [None, [], "text", {"KSampler": 1}])
def test_an_answer_without_sense_is_the_servers_fault(answer: object) -> None:
    with pytest.raises(UpstreamError):
        ServerCatalog.from_object_info(answer)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.safetensors", "a.safetensors"),
        ("a", "a.safetensors"),
        ("wan2.1_1.3B", "wan2.1_1.3B.safetensors"),
        ("b.ckpt", "sdxl/b.ckpt"),
        ("b", "sdxl/b.ckpt"),
        ("sdxl\\b.ckpt", "sdxl/b.ckpt"),
        ("people/anna.pt", "people\\anna.pt"),
        ("anna", "people\\anna.pt"),
        ("elsewhere/a.safetensors", "a.safetensors"),
        ("noext", "noext"),
        ("noext.safetensors", "noext"),
        ("b.safetensors", None),
        ("B.ckpt", None),
        ("c", None),
        ("", None),
    ],
)
def test_resolves_to_the_servers_own_spelling(name: str, expected: str | None) -> None:
    files = [
        "a.safetensors",
        "wan2.1_1.3B.safetensors",
        "sdxl/b.ckpt",
        "people\\anna.pt",
        "noext",
    ]
    assert resolve_file(name, files) == expected


@given(NAMES, st.lists(NAMES, max_size=8))
def test_an_exact_name_always_wins_and_order_does_not_matter(name: str, others: list[str]) -> None:
    assert resolve_file(name, [*others, name]) == name
    assert resolve_file(name, others) == resolve_file(name, others[::-1])


@given(NAMES, st.lists(NAMES, max_size=8))
def test_a_windows_server_answers_in_its_own_spelling(name: str, others: list[str]) -> None:
    windows = [other.replace("/", "\\") for other in [*others, name]]
    assert resolve_file(name, windows) == name.replace("/", "\\")


@given(st.text(max_size=20), st.lists(NAMES, max_size=8))
def test_what_is_resolved_or_near_is_there(name: str, files: list[str]) -> None:
    assert resolve_file(name, files) in {None, *files}
    assert set(nearest(name, files)) <= set(files)


def test_nearest_names_are_the_alike_ones() -> None:
    files = ["sd_xl_base_1.0.safetensors", "v1-5-pruned.safetensors", "x/sd_xl_refiner.safetensors"]
    assert nearest("sdxl_base_1.0", files)[0] == "sd_xl_base_1.0.safetensors"
    assert nearest("qqqq", files) == ()
