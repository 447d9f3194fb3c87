"""Families by file name, and the sizes and frame counts that they really make."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.services.model_config import (
    FAMILIES,
    SDXL,
    WAN_2_1,
    FrameRule,
    ModelFamily,
    detect_family,
    family_of_checkpoint,
    needs_other_graph,
)


@pytest.mark.parametrize(
    ("name", "family"),
    [
        ("sd_xl_base_1.0.safetensors", "sdxl"),
        ("models\\juggernautXL_v9.safetensors", "sdxl"),
        ("sdxl/RealVisXL_V4.0.safetensors", "sdxl"),
        ("ponyDiffusionV6XL_v6StartWithThisOne.safetensors", "sdxl"),
        ("v1-5-pruned-emaonly-fp16.safetensors", "sd15"),
        ("sd15_random.safetensors", "sd15"),
        ("dreamshaper_8.safetensors", "sd15"),
        ("wan2.1_t2v_1.3B_fp16.safetensors", "wan_2_1"),
        ("Wan2_1-T2V-14B_fp8_e4m3fn.safetensors", "wan_2_1"),
        ("wan2.1_i2v_480p_14B_fp16.safetensors", None),
        ("wan2.2_t2v_high_noise_14B_fp8_scaled.safetensors", None),
        ("sd_xl_refiner_1.0.safetensors", None),
        ("512-inpainting-ema.safetensors", None),
        ("flux1-dev-fp8.safetensors", None),
        ("svd_xt.safetensors", None),
        ("mystery.safetensors", None),
        ("", None),
    ],
)
def test_detects_the_family(name: str, family: str | None) -> None:
    found = detect_family(name)
    assert (found.id if found else None) == family


@pytest.mark.parametrize(
    ("width", "height", "default_width"),
    [(None, None, 512), (512, 768, 512), (1024, None, 1024), (640, 1152, 1024)],
)
def test_unknown_checkpoints_get_defaults_by_size(
    width: int | None, height: int | None, default_width: int
) -> None:
    family = family_of_checkpoint("mystery.safetensors", width, height)
    assert family.id == "checkpoint"
    assert family.default_width == default_width


def test_knows_which_files_a_plain_graph_can_not_render() -> None:
    assert needs_other_graph("svd/svd_xt.safetensors")
    assert not needs_other_graph("mystery.safetensors")
    assert not needs_other_graph("sd_xl_base_1.0.safetensors")


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.id)
def test_defaults_are_what_the_family_makes(family: ModelFamily) -> None:
    assert family.side(None, family.default_width) == family.default_width
    assert family.side(None, family.default_height) == family.default_height
    assert family.preset("fast").steps < family.preset("quality").steps
    assert family.preset(None) == family.preset("quality")
    for preset in family.presets.values():
        assert (preset.frames is None) == (family.frame_rule is None)
        if family.frame_rule and preset.frames:
            assert family.frame_rule.nearest(preset.frames) == preset.frames


@pytest.mark.parametrize(("asked", "made"), [(1023, 1016), (767, 760), (1024, 1024), (3, 8)])
def test_sides_are_floored_as_the_server_does(asked: int, made: int) -> None:
    assert SDXL.side(asked, 1024) == made


@pytest.mark.parametrize(("asked", "made"), [(1, 1), (80, 81), (81, 81), (82, 81), (83, 85)])
def test_frames_are_rounded_to_4n_plus_1(asked: int, made: int) -> None:
    assert FrameRule(4).nearest(asked) == made


@given(st.integers(1, 16384), st.sampled_from([4, 8]))
def test_rounded_frames_are_near_and_stable(frames: int, step: int) -> None:
    rule = FrameRule(step)
    made = rule.nearest(frames)
    assert made % step == 1
    assert abs(made - frames) <= step // 2
    assert rule.nearest(made) == made


@given(st.integers(16, 16384))
def test_rounded_sides_are_multiples_and_never_larger(side: int) -> None:
    made = WAN_2_1.side(side, 832)
    assert made % 16 == 0
    assert side - 16 < made <= side
