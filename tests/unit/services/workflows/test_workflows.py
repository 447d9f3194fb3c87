"""What is asked for stands in the graph; what a server lacks is named; nothing else passes."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.models.content import ContentType
from backend.models.render import RenderRequest
from backend.services.workflows import build_workflow, missing, requirements
from backend.utils.errors import ModelUnavailableError, WorkflowError
from tests.unit.services.comfyui.catalogs import catalog

LORA_A = ("test_lora_a.safetensors", 0.8)
SD15, SDXL = "v1-5-pruned-emaonly-fp16.safetensors", "sd_xl_base_1.0.safetensors"
WAN = "wan2.1_t2v_1.3B_fp16.safetensors"


def request(**changes: Any) -> RenderRequest:
    base: dict[str, Any] = {"kind": ContentType.IMAGE, "prompt": "a boat", "seed": 7}
    return RenderRequest(**(base | changes))


def test_tells_what_it_will_make() -> None:
    built = build_workflow(
        request(kind=ContentType.VIDEO, width=850, height=485, frames=80, fps=24, model=WAN),
        catalog(),
    )
    assert (built.width, built.height, built.frames, built.fps) == (848, 480, 81, 24)
    assert (built.family, built.model_name, built.seed) == ("wan_2_1", WAN, 7)
    latent = built.graph["7"]["inputs"]
    assert (latent["width"], latent["height"], latent["length"]) == (848, 480, 81)


def test_a_still_has_no_frames() -> None:
    built = build_workflow(request(width=1023, height=767, model=SDXL, batch_size=3), catalog())
    assert (built.width, built.height, built.frames, built.fps) == (1016, 760, None, None)
    assert built.graph["4"]["inputs"]["batch_size"] == 3


def test_the_requests_own_settings_win_over_the_preset() -> None:
    wanted = request(model=SD15, preset="fast", steps=5, cfg=0, sampler="lcm", scheduler="beta")
    sampler = build_workflow(wanted, catalog()).graph["5"]["inputs"]
    assert (sampler["steps"], sampler["cfg"]) == (5, 0.0)
    assert (sampler["sampler_name"], sampler["scheduler"]) == ("lcm", "beta")


def test_denoise_is_1_without_a_start_picture() -> None:
    built = build_workflow(request(model=SD15, denoise=0.4), catalog())
    assert built.graph["5"]["inputs"]["denoise"] == 1.0


@pytest.mark.parametrize(
    ("checkpoints", "expected"),
    [
        (["zz.safetensors", SD15, SDXL], SD15),
        (["svd.safetensors", "zz.safetensors"], "zz.safetensors"),
    ],
)
def test_chooses_an_image_model_when_none_is_named(checkpoints: list[str], expected: str) -> None:
    assert build_workflow(request(), catalog(checkpoints=checkpoints)).model_name == expected


def test_chooses_a_video_model_when_none_is_named() -> None:
    files = ["flux1-dev.safetensors", "wan2.1_i2v_480p_14B_fp16.safetensors", WAN]
    assert build_workflow(request(kind=ContentType.VIDEO), catalog(unets=files)).model_name == WAN


@pytest.mark.parametrize(
    ("kind", "models"),
    [
        (ContentType.VIDEO, {"unets": ["flux1-dev.safetensors"]}),
        (ContentType.IMAGE, {"checkpoints": []}),
        (ContentType.IMAGE, {"checkpoints": ["svd.safetensors"]}),
    ],
)
def test_without_any_model_of_the_kind_it_says_so(kind: ContentType, models: Any) -> None:
    with pytest.raises(ModelUnavailableError) as refusal:
        build_workflow(request(kind=kind), catalog(**models))
    assert f"any model for {kind}s" in refusal.value.message


def test_files_are_named_as_the_server_names_them() -> None:
    there = catalog(checkpoints=["xl\\sd_xl_base_1.0.safetensors"])
    built = build_workflow(request(model="sd_xl_base_1.0", loras=(("anna", 0.5),)), there)
    assert built.model_name == "xl\\sd_xl_base_1.0.safetensors"
    assert built.graph["2"]["inputs"]["lora_name"] == "people/anna.safetensors"
    assert built.graph["2"]["inputs"]["strength_clip"] == 0.5


def test_a_missing_model_is_named_with_folder_and_near_names() -> None:
    with pytest.raises(ModelUnavailableError) as refusal:
        build_workflow(request(model="sd_xl_base_0.9.safetensors", loras=(("anya", 1),)), catalog())
    assert refusal.value.details["missing"] == [
        {
            "folder": "checkpoints",
            "name": "sd_xl_base_0.9.safetensors",
            "nearest": ["sd_xl_base_1.0.safetensors"],
        },
        {"folder": "loras", "name": "anya", "nearest": ["people/anna.safetensors"]},
    ]
    assert "models/checkpoints" in refusal.value.message


def test_missing_nodes_and_encoders_are_named() -> None:
    there = catalog(without=("SaveVideo",), text_encoders=[])
    lacks = missing(requirements(request(kind=ContentType.VIDEO)), there)
    assert [(lack.folder, lack.name) for lack in lacks] == [
        ("nodes", "SaveVideo"),
        ("text_encoders", "umt5_xxl_fp8_e4m3fn_scaled.safetensors"),
    ]


def test_a_stand_in_text_encoder_will_do() -> None:
    there = catalog(text_encoders=["umt5_xxl_fp16.safetensors"])
    built = build_workflow(request(kind=ContentType.VIDEO), there)
    assert built.graph["2"]["inputs"]["clip_name"] == "umt5_xxl_fp16.safetensors"


@pytest.mark.parametrize("kind", [ContentType.IMAGE, ContentType.VIDEO])
def test_a_server_that_lacks_nothing_can_build(kind: ContentType) -> None:
    wanted = request(kind=kind, loras=(LORA_A,))
    assert missing(requirements(wanted), catalog()) == ()
    assert build_workflow(wanted, catalog()).graph
    assert hash(requirements(wanted)) == hash(requirements(wanted))


@pytest.mark.parametrize(
    ("kind", "model"), [(ContentType.VIDEO, SDXL), (ContentType.IMAGE, WAN), ("video", "zz.ckpt")]
)
def test_a_model_of_the_other_kind_is_refused(kind: ContentType, model: str) -> None:
    with pytest.raises(WorkflowError) as refusal:
        requirements(request(kind=kind, model=model))
    assert model in refusal.value.message
    assert refusal.value.details["errors"][0]["type"] == "model_kind"


def test_a_sampler_the_server_lacks_is_refused_with_near_names() -> None:
    with pytest.raises(WorkflowError) as refusal:
        build_workflow(request(model=SD15, sampler="euler_a", scheduler="karas"), catalog())
    sampler, scheduler = refusal.value.details["errors"]
    assert sampler["loc"] == ["params", "sampler"]
    assert "euler_ancestral" in sampler["msg"]
    assert "karras" in scheduler["msg"]


@given(
    width=st.integers(64, 4096),
    height=st.integers(64, 4096),
    frames=st.integers(1, 1000),
    seed=st.integers(0, 2**64 - 1),
    text=st.text(max_size=50),
)
def test_any_request_in_range_builds_what_wan_makes(
    width: int, height: int, frames: int, seed: int, text: str
) -> None:
    built = build_workflow(
        request(
            kind=ContentType.VIDEO,
            width=width,
            height=height,
            frames=frames,
            seed=seed,
            prompt=text,
        ),
        catalog(),
    )
    assert built.width is not None
    assert built.height is not None
    assert built.frames is not None
    assert (built.width % 16, built.height % 16, built.frames % 4) == (0, 0, 1)
    assert built.graph["5"]["inputs"]["text"] == text
    assert built.graph["8"]["inputs"]["seed"] == seed
